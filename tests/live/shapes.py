"""Holds a twin's answer against the real system's: what the twin says, the system says too."""

from typing import Any


def differences(twin: Any, real: Any, at: str = "") -> list[str]:
    """List where the twin has a field that the system lacks, or one of another type."""
    if isinstance(twin, dict) and isinstance(real, dict):
        missing = [f"{at}.{name}: only the twin has it" for name in twin.keys() - real.keys()]
        shared = twin.keys() & real.keys()
        inner = (differences(twin[name], real[name], f"{at}.{name}") for name in sorted(shared))
        return [*missing, *(found for part in inner for found in part)]
    if isinstance(twin, list) and isinstance(real, list):
        nearest = (
            min((differences(one, other, f"{at}[]") for other in real), key=len, default=[])
            for one in twin
        )
        return [found for part in nearest for found in part]
    if _kind(twin) != _kind(real):
        return [f"{at}: {_kind(twin)} in the twin, {_kind(real)} in the system"]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(type(value).__name__)
    return "number" if isinstance(value, (int, float)) else type(value).__name__
