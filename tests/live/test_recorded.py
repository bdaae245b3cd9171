"""What real systems answer, recorded for certification: written to build/live/recorded.

A recording that is committed (connectors/twins/recorded) is replayed on every machine; these make
it anew, and show that what the systems answer today is still read whole.
"""

import uuid
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.live.alertmanager import Alertmanager
from tests.live.recorder import record
from tests.live.request_tracker import PASSWORD, READER, Desk, RequestTracker
from tests.live.synapse import CLIENT, Synapse

pytestmark = pytest.mark.live


async def test_alertmanager(alertmanager: Alertmanager) -> None:
    name, start = f"Recorded{uuid.uuid4().hex[:8]}", datetime.now(UTC) - timedelta(minutes=2)
    for shop in ("shop-1", "shop-2", "shop-3"):
        labels = {"alertname": name, "severity": "critical", "instance": f"{shop}:9090"}
        alertmanager.post(labels, f"{shop} answers with errors", start)
    alertmanager.silence(labels)
    status = httpx2.get(f"{alertmanager.url}/api/v2/status", trust_env=False).json()
    source = f"Alertmanager {status['versionInfo']['version']} of Debian"
    filters = [f'alertname="{name}"']
    count = await record("alertmanager", alertmanager.url, source, url="{url}", filter=filters)
    assert count == 3


async def test_matrix(synapse: Synapse) -> None:
    some = uuid.uuid4().hex[:8]
    with (
        synapse.register(f"hub-{some}", "The hub") as bot,
        synapse.register(f"ann-{some}", "Ann Archer") as ann,
    ):
        room = ann.open_room("Sales wins", public=True)
        ann.invite(room, bot)
        said = [ann.send(room, f"Won deal {number}") for number in range(4)]
        ann.edit(room, said[0], "Won the first deal, #decision")
        ann.react(room, said[1], "👍")
        ann.redact(room, said[3])
        source = httpx2.get(f"{synapse.url}{CLIENT}/login", trust_env=False).headers["server"]
        count = await record("matrix", synapse.url, source, url="{url}", token=bot.token)
    assert count == 4, "three messages and an edit; what is redacted had never been read"


async def test_request_tracker(request_tracker: RequestTracker) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=2)
    with Desk(request_tracker.url) as desk:
        first = desk.open("Export is empty", "Since today", Requestor="jane@acme.example")
        desk.open("No more mail", "Größe fehlt", Requestor="omar@globex.example")
        desk.reply(first, "We look at it.")
        desk.change(first, Status="resolved")
        version = desk.http.get("/rt").json()["Version"]
    count = await record(
        "request_tracker",
        request_tracker.url,
        f"Request Tracker {version} of Debian",
        url="{url}",
        user=READER,
        password=PASSWORD,
        since=begin.isoformat(),
    )
    assert count >= 4
