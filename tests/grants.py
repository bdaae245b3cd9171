"""A vendor with OAuth2: its tokens end, refresh tokens rotate, and one used twice revokes all."""

import asyncio
from base64 import b64decode
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "the hub", "s3cret: & more"
FIRST = "refresh-0"


class Vendor:
    """`/token` grants, `/me` needs a token. `answers` are given before anything else, in order."""

    def __init__(self, expires_in: object = 3600, *, rotates: bool = True) -> None:
        self.expires_in = expires_in
        self.rotates = rotates
        self.refresh = FIRST
        self.used: set[str] = set()
        self.revoked = False
        self.valid: set[str] = set()
        self.grants = 0
        self.forms: list[dict[str, str]] = []
        self.answers: list[Response] = []
        self.refused: Counter[str] = Counter()
        self.held: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                Route("/me", self.me, methods=["GET", "POST"]),
            ]
        )

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.forms.append(form)
        self.asked.set()
        if self.answers:
            return self.answers.pop(0)
        if (error := self._unknown(request, form)) is not None:
            return error
        if form["grant_type"] == "refresh_token":
            given = form["refresh_token"]
            # https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2: reuse means theft.
            self.revoked |= given in self.used
            if self.revoked or given != self.refresh:
                self.refused["reused" if given in self.used else "unknown"] += 1
                return no("invalid_grant", "expired or revoked refresh token")
            if self.rotates:
                self.used.add(given)
                self.refresh = f"refresh-{len(self.used)}"
        self.grants += 1
        access = f"access-{self.grants}"
        self.valid = {access}
        if self.held is not None:
            await self.held.wait()
        body: dict[str, Any] = {"access_token": access, "token_type": "Bearer"}
        if form["grant_type"] == "refresh_token" and self.rotates:
            body["refresh_token"] = self.refresh
        if self.expires_in is not None:
            body["expires_in"] = self.expires_in
        return JSONResponse(body)

    def _unknown(self, request: Request, form: dict[str, str]) -> Response | None:
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = b64decode(pair).decode().partition(":")
            given = unquote_plus(user), unquote_plus(password)
        else:
            given = form.get("client_id", ""), form.get("client_secret", "")
        return None if given == (CLIENT, SECRET) else no("invalid_client", "who are you?", 401)

    async def me(self, request: Request) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return JSONResponse({"me": "hub"})
        return JSONResponse({"message": "token expired"}, 401)


def no(error: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
