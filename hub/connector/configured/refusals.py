"""How an API refuses although it answers with 200, as hub.toml writes it."""

from typing import Any

from hub.connector.described import Described
from hub.connector.paths import Filter, JsonPath, quoted
from hub.errors import AuthFailed, SourceError, SourceMisbehaved

_LONGEST = 200


class Refusal(Described):
    when: Filter
    """What holds of an answer that refuses: `@.ok == false`."""
    auth: Filter | None = None
    """What holds besides where the sign-in is the reason: `@.error == 'invalid_auth'`."""
    message: JsonPath | None = None
    """Where the answer says why."""

    def judge(self, body: Any) -> SourceError | None:
        if not self.when.holds(body):
            return None
        said = self.message.first(body) if self.message else None
        words = said if isinstance(said, str) else quoted(said) if said is not None else "no reason"
        message = f"The API refused: {words[:_LONGEST]}"
        if self.auth is not None and self.auth.holds(body):
            return AuthFailed(message)
        return SourceMisbehaved(message)
