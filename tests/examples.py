"""How many examples a property is tried on: few in `make test`, EXAMPLES times as many else."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(number: int, **options: Any) -> Callable[[Any], Any]:
    """Try a property on so many examples; `make examples` tries it on more."""

    def decorated(test: Any) -> Any:
        wanted = settings(max_examples=number * TIMES, deadline=None, **options)
        return pytest.mark.examples(wanted(test))

    return decorated
