"""The demo as a client of the hub's own GraphQL API: colleagues who publish, and the operator."""

from collections.abc import Mapping
from typing import Any

from hub.connector import Api, Bearer, Http, SecretStr
from hub.demo.folder import ADMIN
from hub.errors import HubError
from hub.http import Clients

PUBLISH = """
mutation ($input: PublishSignalInput!) {
  publishSignal(input: $input) {
    __typename ... on InvalidInput { message } ... on Forbidden { message }
  }
}"""
SYNC = """
mutation ($name: String!) {
  syncSource(name: $name) { __typename ... on NotFound { message } ... on Forbidden { message } }
}"""
COUNTS = "{ sources { name signals } }"


class Voices:
    """Speaks to the hub with each role's key."""

    def __init__(self, clients: Clients, url: str, keys: Mapping[str, str]) -> None:
        self._apis: dict[str, Api] = {
            role: clients.api(Http(url, Bearer(SecretStr(key)))) for role, key in keys.items()
        }

    async def publish(self, post: Mapping[str, Any]) -> None:
        """Publish as the role that the post names with `as`."""
        names = {"asked_of": "askedOf"}
        given = {names.get(name, name): part for name, part in post.items() if name != "as"}
        await self._do(post["as"], "publishSignal", PUBLISH, input=given)

    async def sync(self, source: str) -> None:
        await self._do(ADMIN, "syncSource", SYNC, name=source)

    async def counts(self) -> dict[str, int]:
        """Count each source's signals."""
        found = await self._ask(ADMIN, COUNTS)
        return {one["name"]: one["signals"] for one in found["sources"]}

    async def _do(self, role: str, what: str, mutation: str, **variables: Any) -> None:
        done = (await self._ask(role, mutation, **variables))[what]
        if "message" in done:
            raise HubError(f"the demo may not {what}: {done['message']}")

    async def _ask(self, role: str, query: str, **variables: Any) -> Any:
        asked = {"query": query, "variables": variables}
        answer = await self._apis[role].post("/graphql", asked)
        if answer.get("errors"):
            raise HubError(f"the demo asked amiss: {answer['errors'][0]['message']}")
        return answer["data"]
