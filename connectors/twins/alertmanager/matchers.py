"""Matchers of Alertmanager: `severity=~"critical|page"`, all of which must hold.

https://prometheus.io/docs/alerting/latest/configuration/#matcher
"""

import re
from collections.abc import Mapping

_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*("?)(.*?)\3\s*', re.DOTALL)


def read_matcher(text: str) -> tuple[str, str, str]:
    found = _MATCHER.fullmatch(text)
    if not found:
        raise ValueError(f"bad matcher format: {text}")
    return found[1], found[2], found[4]


def is_matcher(text: str) -> bool:
    return bool(_MATCHER.fullmatch(text))


def match_all(matchers: list[tuple[str, str, str]], labels: Mapping[str, str]) -> bool:
    return all(_matches(*matcher, labels.get(matcher[0], "")) for matcher in matchers)


def _matches(name: str, operator: str, wanted: str, value: str) -> bool:
    del name
    is_same = bool(re.fullmatch(wanted, value)) if operator.endswith("~") else wanted == value
    return is_same is not operator.startswith("!")
