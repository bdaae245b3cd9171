"""Alertmanager, and what a monitoring system does with it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests import debian
from tests.live.systems import System

CONFIG = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: nobody}]
"""


class Alertmanager(System):
    """https://prometheus.io/docs/alerting/latest/alertmanager/."""

    name = "alertmanager"

    def install(self) -> None:
        debian.install(self.name, ["prometheus-alertmanager"], "prometheus-alertmanager")

    def command(self) -> Sequence[str | Path]:
        config = self.home / "alertmanager.yml"
        config.write_text(CONFIG)
        return [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={self.home / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def ready(self) -> str:
        return f"{self.url}/-/ready"

    def post(
        self, labels: dict[str, str], summary: str, starts: datetime, ends: datetime | None = None
    ) -> None:
        """Raise, change or clear an alert as Prometheus does.

        https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
        """
        alert: dict[str, Any] = {
            "labels": labels,
            "annotations": {"summary": summary},
            "startsAt": starts.isoformat(),
            "generatorURL": "http://127.0.0.1/graph",
        }
        if ends is not None:
            alert["endsAt"] = ends.isoformat()
        answer = httpx2.post(f"{self.url}/api/v2/alerts", json=[alert], trust_env=False)
        answer.raise_for_status()

    def silence(self, labels: dict[str, str]) -> None:
        """Silence an alert for an hour, as people do in Alertmanager's own page."""
        now = datetime.now(UTC)
        silence = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in labels.items()
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ann",
            "comment": "known",
        }
        answer = httpx2.post(f"{self.url}/api/v2/silences", json=silence, trust_env=False)
        answer.raise_for_status()
