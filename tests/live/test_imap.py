"""Mail in a real Dovecot, read by the hub."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.imap import Mails
from connectors.twins import imap as twin
from hub.connector import Imap, SecretStr
from hub.http import Clients
from hub.imap import mailbox
from tests.connectors.polling import Poller
from tests.live.dovecot import PASSWORD, Box, Dovecot
from tests.live.hub import reading
from tests.live.imap_recording import Recording
from tests.live.systems import HOME

pytestmark = pytest.mark.live

SECRETS = {"PASSWORD": PASSWORD}
SHIPPED = Path(twin.__file__).parent / "recorded" / "imap.json"


@pytest.fixture
def box(dovecot: Dovecot) -> Iterator[Box]:
    box = Box(dovecot, f"{uuid.uuid4().hex[:8]}@hub.example")
    yield box
    box.imap.logout()


def source(dovecot: Dovecot, box: Box, *folders: str, level: str = "internal") -> str:
    return (
        f'connector = "imap"\nhost = "127.0.0.1"\nport = {dovecot.port}\ntls = "none"\n'
        f'user = "{box.user}"\npassword = "${{PASSWORD}}"\nclassification = "{level}"\n'
        f"folders = {json.dumps(folders or ('INBOX',))}\n"
        'customers = { "acme.example" = "Acme" }\n'
    )


async def test_a_conversation_and_a_newsletter(dovecot: Dovecot, box: Box, tmp_path: Path) -> None:
    box.put(
        Message_ID="<1@acme>",
        Subject="Prüfung der Verträge",
        text="Können Sie?\n",
        Cc="b@x.example",
    )
    async with reading(tmp_path, source(dovecot, box), SECRETS) as hub:
        shown = await hub.shows("thread/1@acme", title="Prüfung der Verträge")
        assert (shown["kind"], shown["body"]) == ("mail.thread", "Können Sie?")
        assert (shown["author"]["name"], shown["account"]["name"]) == ("Jane Doe", "Acme")

        box.put(
            From="joe@hub.example",
            Message_ID="<2@hub>",
            Subject="Re: Prüfung der Verträge",
            In_Reply_To="<1@acme>",
            text="Ja.",
        )
        box.put(Message_ID="<3@acme>", Subject="Re: x", In_Reply_To="<2@hub>", text="Danke.")
        shown = await hub.shows("thread/1@acme", body="Danke.")
        assert len(shown["history"]["edges"]) == 3

        # Neither tells what it answers: the second is found by a search for what is not ASCII.
        box.put(Message_ID="<4@acme>", Subject="Größe", text="Wie groß?")
        box.put(Message_ID="<5@acme>", Subject="AW: Größe", text="So groß.")
        await hub.shows("thread/4@acme", body="So groß.")

        box.put(Message_ID="<6@news>", Subject="News", List_Id='"Weekly" <weekly.news.example>')
        shown = await hub.shows("thread/6@news", labels=["Weekly"])
        assert shown["attributes"]["list"] == "weekly.news.example"
    assert not any(b"Seen" in flags for flags in box.flags())


async def test_a_mailbox_is_seen_by_those_alone_who_are_named_for_it(
    dovecot: Dovecot, box: Box, tmp_path: Path
) -> None:
    box.put(Message_ID="<1@acme>", Subject="In confidence")
    named = '[roles.sales.sees]\nrestricted = ["live"]\nclassification = "restricted"'
    without = source(dovecot, box).replace('classification = "internal"\n', "")
    async with reading(tmp_path, without, SECRETS, named) as hub:
        await hub.shows("thread/1@acme", classification="RESTRICTED")
        assert await hub.signals("support") == {}


async def test_the_rights_that_docs_ask_for_are_enough(
    dovecot: Dovecot, box: Box, tmp_path: Path
) -> None:
    reader = f"{uuid.uuid4().hex[:8]}@hub.example"
    folder = box.share("INBOX", reader, "lr")
    box.put(Message_ID="<1@acme>", Subject="Größe", text="Wie groß?")
    asked = source(dovecot, box, folder).replace(box.user, reader, 1)
    async with reading(tmp_path, asked, SECRETS) as hub:
        await hub.shows("thread/1@acme", body="Wie groß?")
        box.put(Message_ID="<2@acme>", Subject="AW: Größe", text="So groß.")
        await hub.shows("thread/1@acme", body="So groß.")
    assert not any(b"Seen" in flags for flags in box.flags())


async def test_a_folder_that_is_made_anew_is_read_anew(
    dovecot: Dovecot, box: Box, tmp_path: Path
) -> None:
    folder, coded = "Kunden & Übersicht", '"Kunden &- &ANw-bersicht"'
    box.imap.create(coded)
    for number in range(3):
        box.put(coded, Message_ID=f"<{number}@old>", Subject=f"Old {number}")
    async with reading(tmp_path, source(dovecot, box, "INBOX", folder), SECRETS) as hub:
        await hub.shows("thread/2@old", title="Old 2")
        box.anew(coded)
        box.put(coded, Message_ID="<0@new>", Subject="New")  # has a UID that was another's
        await hub.shows("thread/0@new", title="New")


async def test_a_wrong_password_stops_the_source(
    dovecot: Dovecot, box: Box, tmp_path: Path
) -> None:
    async with reading(tmp_path, source(dovecot, box), {"PASSWORD": "not the right one"}) as hub:
        said = await hub.state("AUTH_FAILED")
    assert "AUTHENTICATIONFAILED" in said["lastError"]


async def test_a_message_of_many_megabytes(dovecot: Dovecot, box: Box) -> None:
    box.put(Subject="Large", text="A line.\n" * 3_000_000)
    there = Imap("127.0.0.1", box.user, SecretStr(PASSWORD), "none", dovecot.port)
    async with Clients() as clients, mailbox(there, clients) as opened:
        folder = await opened.examine("INBOX")
        assert folder.next == 2
        [mail] = await opened.fetch(await opened.search(1))
    assert (len(mail.content), mail.whole) == (1 << 20, False)
    assert mail.size > 24_000_000


async def test_what_dovecot_answers_is_recorded(dovecot: Dovecot, box: Box) -> None:
    """Writes build/live/recorded/imap.json: look through it, and put it beside the twin."""
    box.put(Message_ID="<1@acme>", Subject="Prüfung der Verträge", text="Können Sie?")
    box.put(Message_ID="<2@hub>", Subject="Re: Prüfung", In_Reply_To="<1@acme>", text="Ja.")
    box.put(Message_ID="<3@acme>", Subject="Re: Prüfung", In_Reply_To="<2@hub>", text="Danke.")
    box.put(Message_ID="<4@acme>", Subject="Größe", text="Wie groß?")
    box.put(Message_ID="<5@acme>", Subject="AW: Größe", text="So groß.")
    box.put(Message_ID="<6@news>", Subject="News", List_Id='"Weekly" <weekly.news.example>')
    recording = Recording(dovecot.port)
    async with recording.serve() as port, Clients() as clients:
        given = {"host": "127.0.0.1", "user": box.user, "password": PASSWORD, "tls": "none"}
        source = Poller(Mails.model_validate({**given, "port": port, "page": 25}), clients)
        drafts = await source.fresh()
    assert len(source.current) == 3
    told = {
        "source": f"Dovecot {dovecot.version}, with messages of ours, by tests/live/test_imap.py",
        "licence": "Apache-2.0",
        "signals": len(drafts),
        "settings": {"page": 25},
        "exchanges": recording.exchanges,
    }
    written = HOME / "recorded" / "imap.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    shipped = json.loads(SHIPPED.read_text())
    assert [(one["method"], one["path"]) for one in shipped["exchanges"]] == [
        (one["method"], one["path"]) for one in recording.exchanges
    ], "another server, or another client: look at what differs"
