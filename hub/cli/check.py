"""`hub check`: reads hub.toml as the hub would, and says what is wrong or what it found."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import asyncio
from typing import TYPE_CHECKING, Any

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, heading, say, span, table
from hub.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from hub.config import Config, SourceConfig
    from hub.declared import EndpointConfig, OidcTable, Role
    from hub.settings import Settings


def check(json: AsJson = False) -> None:
    """Say what is wrong with hub.toml, or what it declares."""
    try:
        settings = prepare.settings()
        config = _checked(settings)
    except ConfigError as error:
        if json:
            as_json({"ok": False, "error": error.message, "fix": error.suggestion})
        raise
    warnings = _warnings(settings, config)
    if json:
        as_json({"ok": True, "file": str(settings.config), **_found(config), "warnings": warnings})
        return
    _show(settings, config)
    for warning in warnings:
        say()
        say(f"note: {warning}", "yellow")


def _checked(settings: "Settings") -> "Config":
    config = prepare.config(settings)
    prepare.accept(settings.config)(config)
    return config


def _warnings(settings: "Settings", config: "Config") -> list[str]:
    """Name what is no fault of hub.toml, but keeps `hub serve` from starting, or people out."""
    from hub.web.session import session_signer

    found: list[str] = []
    try:
        session_signer(settings)
    except ConfigError as error:
        found.append(f"hub serve would not start: {error}")
    if config.oidc is not None:
        if problem := asyncio.run(_problem(settings, config.oidc)):
            found.append(f"nobody could sign in at the provider: {problem}")
        if config.oidc.client is not None and settings.public_url is None:
            found.append("the dashboard offers no sign-in at the provider: set HUB_PUBLIC_URL")
    return found


async def _problem(settings: "Settings", oidc: "OidcTable") -> str | None:
    """Ask the sign-in provider what the hub would ask; say why that would be in vain."""
    from hub.http import Clients
    from hub.oidc import Provider

    ca_file = str(settings.ca_file) if settings.ca_file else None
    async with Clients(proxy=settings.proxy, ca_file=ca_file) as clients:
        try:
            await Provider(oidc, clients).fetch()
        except SourceError as error:
            return str(error)
    return None


def _found(config: "Config") -> dict[str, Any]:
    return {
        "sources": [
            {"name": one.name, "connector": one.kind, "every_seconds": one.every}
            for one in config.sources.values()
        ],
        "roles": [
            {
                "name": one.name,
                "threshold": one.threshold,
                "sees": one.sees.classification.name.lower(),
                "restricted": one.sees.restricted,
                "description": one.description,
            }
            for one in config.roles.values()
        ],
        "endpoints": [
            {
                "name": one.name,
                "role": one.role,
                "host": _host(one),
                "kinds": one.kinds,
                "min_score": one.min_score,
            }
            for one in config.endpoints.values()
        ],
    }


def _every(source: "SourceConfig") -> str:
    if not source.polled:
        return "listens"
    slowest = f" to {span(source.slowest)}" if source.slowest else ""
    return f"{span(source.every)}{slowest}"


def _show(settings: "Settings", config: "Config") -> None:
    say(f"{settings.config} is good", "green")
    heading("Sources")
    if config.sources:
        table(
            ["name", "connector", "every"],
            [[one.name, one.kind, _every(one)] for one in config.sources.values()],
        )
    else:
        say("none yet: `hub connectors list` names what can be read")
    heading("Roles")
    table(
        ["name", "hears from", "sees up to", "description"],
        [
            [one.name, f"{one.threshold:g}", _sees(one), one.description]
            for one in config.roles.values()
        ],
        numbers={"hears from"},
        whole={"name", "hears from"},
    )
    heading("Endpoints")
    if config.endpoints:
        table(
            ["name", "role", "host", "kinds", "from"],
            [
                [
                    one.name,
                    one.role,
                    _host(one),
                    ", ".join(sorted(one.kinds)),
                    f"{_least(one, config):g}",
                ]
                for one in config.endpoints.values()
            ],
        )
    else:
        say("none yet: signals are read in the dashboard and over GraphQL")


def _least(endpoint: "EndpointConfig", config: "Config") -> float:
    if endpoint.min_score is None:
        return config.roles[endpoint.role].threshold
    return endpoint.min_score


def _sees(role: "Role") -> str:
    level = role.sees.classification.name.lower()
    if role.sees.restricted:
        return f"{level}, all of {', '.join(sorted(role.sees.restricted))}"
    return level


def _host(endpoint: "EndpointConfig") -> str:
    """Name where an endpoint is; the rest of its address may be a secret."""
    url = endpoint.url
    return f"{url.host}:{url.port}" if url.port not in {80, 443} else str(url.host)
