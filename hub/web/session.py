"""Signing in to the page: a key, or the word of a provider, for an HttpOnly cookie."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest
from html import escape
from typing import Any

import orjson
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from hub.errors import Code, Refused
from hub.oidc import Flow, needed
from hub.settings import Settings, secret_keys
from hub.signals import now
from hub.store.sessions import Session
from hub.web.auth import KEY_SESSION, Doorkeeper
from hub.web.cookies import FLOW, SESSION

LARGEST = 4096
AT_THE_PROVIDER = timedelta(minutes=10)  # that a sign-in there may take
BACK = "/session/callback"

logger = logging.getLogger(__name__)


class Sessions:
    """`/session`: GET tells how one may sign in, POST opens a session, DELETE ends it.

    `/session/provider` sends a browser to the sign-in provider, `/session/callback` is where it
    comes back to. `demo_keys` are offered on the page of a demo, which serves loopback only.
    """

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        signer: URLSafeTimedSerializer,
        public_url: str | None,
        demo_keys: Mapping[str, str] | None,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._signer = signer
        self._back = public_url.rstrip("/") + BACK if public_url else None
        self._demo_keys = demo_keys

    async def tell(self, request: Request) -> Response:
        try:
            viewer = await self._doorkeeper(request)()
        except Refused:
            viewer = None  # the token that it sent along is none
        told: dict[str, Any] = {
            "demo": self._demo_keys is not None,
            "signedIn": viewer is not None,
            "provider": self._provides(),
        }
        if self._demo_keys is not None:
            told["keys"] = dict(self._demo_keys)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def open(self, request: Request) -> Response:
        key = await _read_key(request)
        if isinstance(key, Response):
            return key
        try:
            viewer = await self._doorkeeper(request, key)()
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, _status(refused))
        if viewer is None or viewer.key_id is None:
            return JSONResponse({"error": "That key is unknown, expired or revoked"}, 401)
        response = Response(status_code=204)
        ends = min(now() + KEY_SESSION, viewer.until or now() + KEY_SESSION)
        await self._opened(request, response, Session(ends, key_id=viewer.key_id))
        return response

    async def end(self, request: Request) -> Response:
        if _is_foreign(request):
            return JSONResponse({"error": "Pages of other sites may not sign out here"}, 403)
        cookies = self._doorkeeper.cookies
        response = Response(status_code=204)
        if (cookie := cookies.read(request, SESSION)) is not None:
            await self._doorkeeper.end(cookie)
        cookies.take(request, response, SESSION)
        return response

    async def leave(self, request: Request) -> Response:
        """Send a browser to the provider, with what it must bring back."""
        if not self._provides() or self._back is None:
            return _said("There is no sign-in by a provider here", 404)
        doorkeeper = self._doorkeeper
        try:
            url, flow = await doorkeeper.sign_in.begin(doorkeeper.config().oidc, self._back)
        except Refused as refused:
            return _said(str(refused), _status(refused))
        response = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
        # Lax: it must come along when the provider sends the browser back.
        kept = self._signer.dumps([flow.state, flow.nonce, flow.verifier])
        text = kept if isinstance(kept, str) else kept.decode()
        doorkeeper.cookies.give(request, response, FLOW, text, AT_THE_PROVIDER, "lax")
        return response

    async def come_back(self, request: Request) -> Response:
        """Open a session for a browser that the provider has sent back."""
        try:
            session = await self._confirmed(request)
        except Refused as refused:
            response: Response = _said(str(refused), _status(refused))
        else:
            # Always to the page: no address that a link could name.
            response = RedirectResponse("/", 303)
            await self._opened(request, response, session)
        response.headers["Cache-Control"] = "no-store"
        self._doorkeeper.cookies.take(request, response, FLOW)
        return response

    async def _confirmed(self, request: Request) -> Session:
        doorkeeper, given = self._doorkeeper, request.query_params
        oidc = doorkeeper.config().oidc
        kept = doorkeeper.cookies.read(request, FLOW)
        if not self._provides() or self._back is None or oidc is None:
            raise Refused(Code.NOT_FOUND, "There is no sign-in by a provider here")
        try:
            seconds = int(AT_THE_PROVIDER.total_seconds())
            flow = Flow(*self._signer.loads(kept or "", max_age=seconds))
        except (BadData, TypeError):
            raise _no("The sign-in took too long, or began in another browser") from None
        if not compare_digest(given.get("state", "").encode(), flow.state.encode()):
            raise _no("The sign-in is not the one that this browser began")
        if given.get("iss", oidc.issuer) != oidc.issuer:
            raise _no("Another provider has answered")
        if "error" in given:
            logger.info("the provider refused a sign-in", extra={"error": given["error"][:100]})
            raise _no("The provider refused the sign-in")
        if not (code := given.get("code")) or len(code) > LARGEST:
            raise _no("The provider gave no code")
        claims = await doorkeeper.sign_in.finish(oidc, flow, code, self._back)
        return Session(now() + oidc.session, issuer=oidc.issuer, claims=needed(claims, oidc))

    async def _opened(self, request: Request, response: Response, session: Session) -> None:
        cookies = self._doorkeeper.cookies
        cookie = await self._doorkeeper.open(session, cookies.read(request, SESSION))
        cookies.give(request, response, SESSION, cookie, session.ends_at - now())

    def _provides(self) -> bool:
        oidc = self._doorkeeper.config().oidc
        return self._back is not None and oidc is not None and oidc.client is not None


def session_signer(settings: Settings) -> URLSafeTimedSerializer:
    """Make the signer of what a browser keeps; the first of two keys signs, both are accepted.

    Raises ConfigError when there is no secret key.
    """
    # itsdangerous signs with the last of its keys and takes any.
    return URLSafeTimedSerializer(list(reversed(secret_keys(settings))), salt="hub-sign-in")


async def _read_key(request: Request) -> str | Response:
    """Read the key that is sent to sign in with, or say why it is none."""
    if _is_foreign(request):
        return JSONResponse({"error": "Pages of other sites may not sign in here"}, 403)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "Send the key as JSON"}, 415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return JSONResponse({"error": "That is too long to be a key"}, 413)
    try:
        key = orjson.loads(bytes(body))["key"]
    except (ValueError, TypeError, KeyError):
        key = None
    if not isinstance(key, str) or not key.strip():
        return JSONResponse({"error": 'Send {"key": "hub_..."}'}, 400)
    return key.strip()


def _is_foreign(request: Request) -> bool:
    """Tell a request that a page of another origin has made: browsers say so themselves."""
    return request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}


def _no(message: str) -> Refused:
    return Refused(Code.UNAUTHENTICATED, message, "Sign in again")


def _status(refused: Refused) -> int:
    return {Code.UNAVAILABLE: 503, Code.NOT_FOUND: 404}.get(refused.code, 401)


def _said(words: str, status: int) -> HTMLResponse:
    """Say it on a page of its own: the browser came here by a link, not by a script."""
    page = (
        f"<!doctype html><title>Sign-in</title><p>{escape(words)}.</p><p><a href='/'>Back</a></p>"
    )
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})
