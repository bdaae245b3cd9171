"""Every setting of the process, from the environment (`HUB_*`) and a `.env` file beside it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.errors import ConfigError
from hub.hidden import hide_all

ENV_FILE = Path(".env")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="HUB_", env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database: Annotated[str, Field(repr=False)] = "sqlite:///hub.db"
    """`sqlite:///FILE` or `postgresql://user:password@host/name`."""
    redis: SecretStr | None = None
    """Unset: one process. `redis://host:6379/0`, a database of its own: many processes."""
    config: Path = Path("hub.toml")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    secret_key: SecretStr | None = None
    """Signs sessions and seals tokens; `hub init` makes one. Two, separated by a space, while one
    is replaced: the new one first."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "text"] = "auto"
    """`auto`: lines for people on a terminal, JSON elsewhere."""
    public_url: str | None = None
    """Where people reach the hub, for links: `https://hub.acme.example`."""
    proxy: Annotated[str | None, Field(repr=False)] = None
    """The only proxy the hub uses; HTTP_PROXY and its like are ignored."""
    ca_file: Path | None = None
    response_cache: Annotated[int, Field(ge=0)] = 16
    """MiB of answers to queries that are given again while no data have changed; 0: none."""
    metrics_token: Annotated[SecretStr | None, Field(min_length=16)] = None
    """Who sends it as a bearer token may read /metrics; unset, nobody may."""
    api_key: SecretStr | None = None
    """The key that `hub tail` asks with."""
    max_tokens: Annotated[int, Field(ge=100)] = 2_000
    """Words and signs of a GraphQL document; docs/limits.md has all of these."""
    max_operations: Annotated[int, Field(ge=1)] = 20
    max_fragments: Annotated[int, Field(ge=1)] = 50
    max_directives: Annotated[int, Field(ge=1)] = 50
    max_depth: Annotated[int, Field(ge=5)] = 16
    max_aliases: Annotated[int, Field(ge=1)] = 30
    max_cost: Annotated[int, Field(ge=100)] = 10_000
    max_page: Annotated[int, Field(ge=20, le=1000)] = 100
    max_body: Annotated[int, Field(ge=4)] = 256
    """KiB."""
    max_body_seconds: Annotated[float, Field(gt=0)] = 10
    max_nesting: Annotated[int, Field(ge=5, le=100)] = 20
    max_batch: Annotated[int, Field(ge=0, le=100)] = 0
    """Operations in one request; 0: batches are not taken."""
    max_seconds: Annotated[float, Field(gt=0)] = 10
    """Of a query or a mutation; then it is cancelled."""
    max_requests: Annotated[int, Field(ge=1)] = 600
    """Of one key, a minute; each process counts for itself."""
    max_concurrent: Annotated[int, Field(ge=1)] = 32
    max_streams: Annotated[int, Field(ge=1)] = 20
    """Sockets and event streams of one key."""
    max_subscriptions: Annotated[int, Field(ge=1)] = 100
    """Operations of one socket."""
    max_sockets: Annotated[int, Field(ge=1)] = 10_000
    """Sockets and event streams of one process, whoever opened them."""
    max_message: Annotated[int, Field(ge=4)] = 256
    """KiB of a message on a socket."""
    introspection: Literal["admins", "everyone"] = "admins"
    """Whose keys may ask for the schema, and are told which field they may have meant."""
    documents: Literal["any", "log", "registered"] = "any"
    """`registered`: only documents that `hub documents add` has registered are executed; `log`:
    what would be refused then is executed, and logged."""


def secret_keys(settings: Settings) -> list[str]:
    """Give the key to use, then those that are still accepted. Raises ConfigError without one."""
    given = settings.secret_key.get_secret_value().split() if settings.secret_key else []
    if not given or any(len(key) < 32 for key in given):
        raise ConfigError(
            "HUB_SECRET_KEY is not set or shorter than 32 characters", "Make one with: hub init"
        )
    return given


def load_settings(**overrides: object) -> Settings:
    """Read the settings; what is passed wins over the environment.

    Raises ConfigError that names the variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        part = error.errors(include_url=False)[0]
        name = "HUB_" + "_".join(map(str, part["loc"])).upper()
        raise ConfigError(
            f"{name}: {part['msg']}", "Correct it in the environment or .env"
        ) from None
    hide_all(settings)
    return settings


def environment() -> Mapping[str, str]:
    """Everything `${NAME}` in hub.toml may take: the environment, then `.env`."""
    in_file = {name: value for name, value in dotenv_values(ENV_FILE).items() if value is not None}
    both = in_file | dict(os.environ)
    hide_all(both)
    return both


def telemetry() -> Mapping[str, str]:
    """Give the `OTEL_*` variables; those of `.env` are put where OpenTelemetry looks."""
    found = {name: value for name, value in environment().items() if name.startswith("OTEL_")}
    for name, value in found.items():
        os.environ.setdefault(name, value)
    return found
