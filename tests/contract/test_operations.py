"""docs/operations.md and the alerts speak of the numbers that there are, each of them."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from hub import metrics
from hub.tallies import Counts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}


def shown(name: str, labels: tuple[str, ...]) -> str:
    return f"{name}{{{', '.join(labels)}}}" if labels else name


def rows() -> Iterator[tuple[str, str, str]]:
    """Give (name and labels, type, what it tells) of every number that the code declares."""
    suffix = {"counter": "_total", "info": "_info"}
    for one in metrics.REGISTRY._collector_to_names:
        if isinstance(one, MetricWrapperBase):
            kind = str(one._type)
            name = one._name + suffix.get(kind, "")
            yield shown(name, tuple(one._labelnames)), kind, one._documentation
        elif isinstance(one, metrics.Tallied):
            if isinstance(one.told, Counts):
                yield shown(one.name, one.told.names), "counter", one.help
            else:
                yield shown(one.name, (one.told.name,)), "histogram", one.help
    for state in metrics.STATES:
        yield shown(state.name, state.labels), "state", state.help


def table() -> list[tuple[str, str, str]]:
    found = re.findall(r"^\| `(hub_[^`]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    return [(name, kind, told.strip()) for name, kind, told in found]


def test_the_page_lists_every_number_as_the_code_declares_it() -> None:
    declared = {(name, kind, told.rstrip(".")) for name, kind, told in rows()}
    written = table()
    assert len(set(written)) == len(written)
    assert set(written) == declared


def test_names_follow_prometheus() -> None:
    """https://prometheus.io/docs/practices/naming/."""
    for name, kind, told in rows():
        base = name.partition("{")[0]
        assert re.fullmatch(r"hub(_[a-z0-9]+)+", base), base
        assert base.endswith("_total") == (kind == "counter"), base
        if kind == "histogram":
            assert base.endswith("_seconds"), base
        assert told.endswith("."), base


def test_labels_are_names_that_somebody_declared() -> None:
    allowed = {"source", "endpoint", "chore", "route", "method", "status"}
    allowed |= {"type", "outcome", "work", "use", "state"}
    for name, _, _ in rows():
        labels = re.findall(r"\w+", name.partition("{")[2])
        assert set(labels) <= allowed, name


def test_alerts_and_examples_ask_for_numbers_that_there_are() -> None:
    known = {name.partition("{")[0] for name, _, _ in rows()}
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    for text in (ALERTS, PAGE):
        for name in re.findall(r"\bhub_[a-z_]+\b(?![-.\w])", text):
            assert name in known or name == "hub_wrong", name
    for name in re.findall(r"\bprocess_[a-z_]+\b", ALERTS + PAGE):
        assert name in PROCESS, name


def test_every_alert_says_what_it_means_and_stands_on_the_page() -> None:
    alerts = re.findall(r"^      - alert: (\w+)$", ALERTS, re.MULTILINE)
    assert len(alerts) >= 8
    parts = ALERTS.split("- alert: ")[1:]
    for name, part in zip(alerts, parts, strict=True):
        assert "summary:" in part, name
        assert re.search(r"^        (for|expr): ", part, re.MULTILINE), name
        assert f"`{name}`" in PAGE, name
