"""Sealing: what the database keeps and who reads the database may not know."""

import base64
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE = 12  # bytes, as https://csrc.nist.gov/pubs/sp/800/38/d/final wants them


class NotOurs(Exception):
    """It was sealed with a key that is not given here, or for another place."""


class Seal:
    """AES-256-GCM with keys made of HUB_SECRET_KEY: the first seals, every one opens."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._keys = [AESGCM(_derived(secret)) for secret in secret_keys]

    def seal(self, text: str, place: str) -> str:
        """Seal a text for one place: at another it does not open."""
        nonce = os.urandom(NONCE)
        sealed = self._keys[0].encrypt(nonce, text.encode(), place.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, place: str) -> tuple[str, bool]:
        """Give the text, and whether it is sealed with the first key. Raises NotOurs."""
        raw = base64.b64decode(sealed)
        for number, key in enumerate(self._keys):
            try:
                opened = key.decrypt(raw[:NONCE], raw[NONCE:], place.encode())
            except InvalidTag:
                continue
            return opened.decode(), number == 0
        raise NotOurs


def _derived(secret: str) -> bytes:
    """Make a key for this use alone: sessions are signed with another of the same secret."""
    return HKDF(SHA256(), 32, salt=None, info=b"hub tokens 1").derive(secret.encode())
