"""What an endpoint is told about a signal: its own selection, executed as its role."""

from dataclasses import dataclass

from hub.declared import EndpointConfig
from hub.deliver import Rendered
from hub.errors import Code, ConfigError, HubError, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.schema import Schema
from hub.live import Tail
from hub.runtime import Runtime
from hub.signals import Viewer

SELECTION = """
  id kind family department title summary body url severity status classification sentiment
  occurredAt updatedAt externalId revision labels attributes
  outline account { id name } author { id name } owner { id name } source { name connector }
"""
DOCUMENT = """
query Deliver($id: ID!, $role: String!) {{
  signal(id: $id) {{
    {selection}
    hubRelevance: relevance(role: $role) {{ score reasons {{ name weight evidence }} }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Executes each endpoint's selection through the schema: one access rule for all doors."""

    schema: Schema
    runtime: Runtime
    tail: Tail

    async def __call__(self, endpoint: EndpointConfig, signal_id: str) -> Rendered | None:
        """Render a signal for an endpoint; None where its role may not see it (any more)."""
        viewer = Viewer(roles=frozenset({endpoint.role}), name=f"endpoint {endpoint.name}")

        async def identify() -> Viewer:
            return viewer

        context = Context(self.runtime, self.tail, identify, viewer)
        signal = await context.loaders.signal.load(signal_id)
        if signal is None:
            return None
        result = await self.schema.run(
            self.schema.documents.read(document(endpoint)),
            context,
            {"id": signal_id, "role": endpoint.role},
        )
        if result.errors:
            cause = result.errors[0].extensions or {}
            if cause.get("code") == Code.UNAVAILABLE:
                raise StoreUnavailable(result.errors[0].message)
            raise HubError(f"the selection of {endpoint.name} failed: {result.errors[0].message}")
        data = (result.data or {}).get("signal")
        if data is None:
            return None
        relevance = data.pop("hubRelevance")
        return Rendered(signal, {**data, "role": endpoint.role, "relevance": relevance})


def document(endpoint: EndpointConfig) -> str:
    return DOCUMENT.format(selection=endpoint.select or SELECTION)


def check_selections(schema: Schema, endpoints: list[EndpointConfig]) -> None:
    """Raise ConfigError for an endpoint whose `select` the schema does not know."""
    for endpoint in endpoints:
        if endpoint.select is None:
            continue
        if errors := schema.documents.read(document(endpoint)).errors:
            raise ConfigError(
                f"endpoints.{endpoint.name}.select: {errors[0].message}",
                "Write fields of Signal, as in schema.graphql: id title account { name }",
            )
