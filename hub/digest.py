"""Digests of settings that every process gives alike."""

from hashlib import sha256

import orjson
from pydantic import SecretStr


def digest_of(settings: object) -> str:
    """Digest settings; the order of a set is each process's own, and does not count."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return sha256(orjson.dumps(settings, default=_written, option=options)).hexdigest()


def _written(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return value.get_secret_value() if isinstance(value, SecretStr) else repr(value)
