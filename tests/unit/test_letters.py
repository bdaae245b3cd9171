"""Messages as programs and people write them."""

from datetime import UTC, datetime

import pytest

from hub.connector import BadRecord, read_heading, read_letter

SIMPLE = "From: jane@acme.example\r\nContent-Type: text/plain; charset={}\r\n"


def head(**fields: str) -> bytes:
    lines = (f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return "".join(lines).encode() + b"\r\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"=?utf-8?q?Pr=C3=BCfung_der?= =?utf-8?b?IFZlcnRyw6RnZQ==?=", "Prüfung der Verträge"),
        # One letter in two words, as mailers break them that count bytes.
        (b"=?utf-8?q?Pr=C3?=\r\n =?utf-8?q?=BCfung?=", "Prüfung"),
        (b"=?iso-8859-1?q?Pr=FCfung_=80_5?=", "Prüfung € 5"),  # what calls itself Latin-1
        (b"=?x-unknown?q?Pr=C3=BCfung?=", "Prüfung"),
        (b"=?utf-8?b?not base64?=", "=?utf-8?b?not base64?="),
        ("Prüfung".encode(), "Prüfung"),  # bytes that nobody declared
        ("Prüfung".encode("latin-1"), "Prüfung"),
        (b"A long\r\n subject", "A long subject"),
        (b"", ""),
    ],
)
def test_a_subject(written: bytes, read: str) -> None:
    assert read_letter(b"Subject: " + written + b"\r\n\r\n").subject == read


@pytest.mark.parametrize(
    ("subject", "base", "is_answer"),
    [
        ("Re: Terms", "Terms", True),
        ("RE: AW: Fwd: Terms", "Terms", True),
        ("Re[2]: Terms", "Terms", True),
        ("WG: Terms", "Terms", True),
        ("Réf: Terms", "Terms", True),
        ("Reminder: Terms", "Reminder: Terms", False),
        ("Terms re: us", "Terms re: us", False),
    ],
)
def test_an_answer_says_so(subject: str, base: str, *, is_answer: bool) -> None:
    letter = read_letter(head(Subject=subject))
    assert (letter.subject, letter.is_answer) == (base, is_answer)


def test_people() -> None:
    letter = read_letter(
        head(
            From='"Doe, Jane" <Jane@Acme.example>',
            To="=?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <joerg@b.example>, team@b.example",
            Cc="undisclosed-recipients:;",
        )
    )
    assert letter.authors == (("Doe, Jane", "jane@acme.example"),)
    assert letter.others == (
        ("Müller, Jörg", "joerg@b.example"),
        ("team@b.example", "team@b.example"),
    )


def test_what_it_refers_to() -> None:
    letter = read_letter(
        head(
            Message_ID="<4@a>",
            References="<1@a>\r\n\t<2@a> <1@a> junk",
            In_Reply_To="Your message of Monday <3@a>",
        )
    )
    assert (letter.id, letter.refers, letter.answers) == ("4@a", ("1@a", "2@a"), "3@a")


@pytest.mark.parametrize(
    ("date", "read"),
    [
        ("Mon, 4 May 2026 11:00:00 +0200", datetime(2026, 5, 4, 9, tzinfo=UTC)),
        ("4 May 26 09:00 GMT", datetime(2026, 5, 4, 9, tzinfo=UTC)),
        ("Mon, 4 May 2026 09:00:00 -0000", datetime(2026, 5, 4, 9, tzinfo=UTC)),
        ("Mon, 32 May 2026 09:00:00", None),
        ("soon", None),
    ],
)
def test_dates(date: str, read: datetime | None) -> None:
    assert read_letter(head(Date=date)).sent_at == read


@pytest.mark.parametrize(
    ("fields", "listed", "is_bulk"),
    [
        ({"List_Id": '"The Weekly" <w.news.example>'}, ("w.news.example", "The Weekly"), True),
        ({"List_Id": "<w.news.example>"}, ("w.news.example", ""), True),
        ({"List_Id": "=?utf-8?q?B=C3=BCcher?= <b.example>"}, ("b.example", "Bücher"), True),
        ({"List_Unsubscribe": "<https://news.example/out>"}, None, True),
        ({"Precedence": "bulk"}, None, True),
        ({}, None, False),
    ],
)
def test_what_brought_it(
    fields: dict[str, str], listed: tuple[str, str] | None, *, is_bulk: bool
) -> None:
    letter = read_letter(head(**fields))
    assert (letter.list, letter.is_bulk) == (listed, is_bulk)


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-8", "Grüße".encode()),
        ("iso-8859-1", "Grüße".encode("latin-1")),
        ("us-ascii", "Grüße".encode()),  # it lies
        ("windows-1252", "Grüße".encode("cp1252")),
        ("x-nobody-knows", "Grüße".encode()),
        ("utf-8", "Grüße".encode("latin-1")),  # so does this
    ],
)
def test_charsets(charset: str, body: bytes) -> None:
    raw = SIMPLE.format(charset).encode() + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + body
    assert read_letter(raw).text == "Grüße"


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("quoted-printable", b"Gr=C3=BC=C3=9Fe, =\r\nJane", "Grüße, Jane"),
        ("base64", b"R3LDvMOfZQ==", "Grüße"),
        ("base64", b"R3LDvMOfZQ", "Grüße"),  # cut off
        ("quoted-printable", b"50 = 50 =C3", "50 = 50 Ã"),
        ("x-uuencode", b"Plain after all", "Plain after all"),
    ],
)
def test_transfer_encodings(encoding: str, body: bytes, text: str) -> None:
    raw = SIMPLE.format("utf-8").encode()
    raw += f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body
    assert read_letter(raw).text == text


def multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--{kind}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{kind}"\r\n\r\n{body}--{kind}--\r\n'


TEXT = "Content-Type: text/plain\r\n\r\nIn words"
HTML = "Content-Type: text/html\r\n\r\n<p>In <b>HTML</b></p><p>&euro;&nbsp;5</p>"
FILE = (
    "Content-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
    " filename*0*=utf-8''%C3%9Cber; filename*1*=sicht.pdf\r\n\r\nxxx"
)
CALENDAR = 'Content-Type: text/calendar; name="invite.ics"\r\n\r\nBEGIN:VCALENDAR'
FORWARDED = "Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?=C3=9Cber?=\r\n\r\nSecret"


@pytest.mark.parametrize(
    ("message", "text", "files"),
    [
        (multipart("alternative", TEXT, HTML), "In words", ()),
        (
            multipart("alternative", "Content-Type: text/plain\r\n\r\n ", HTML),
            "In HTML\n\n€ 5",
            (),
        ),
        (HTML, "In HTML\n\n€ 5", ()),
        (multipart("mixed", multipart("alternative", TEXT, HTML), FILE), "In words", 1),
        (
            multipart("mixed", TEXT, "Content-Type: text/plain\r\n\r\n-- \r\nThe list"),
            "In words\n\n-- \nThe list",
            (),
        ),
        (multipart("mixed", multipart("related", HTML, FILE)), "In HTML\n\n€ 5", 1),
        (multipart("mixed", TEXT, CALENDAR), "In words", ("invite.ics",)),
        (multipart("mixed", TEXT, FORWARDED), "In words", ("Über.eml",)),
        (FILE, "", 1),
        ("Content-Type: application/octet-stream\r\n\r\nxx", "", ()),
        ('Content-Type: multipart/mixed; boundary="b"\r\n\r\nno parts at all', "", ()),
    ],
)
def test_what_is_to_be_read_and_what_is_attached(
    message: str, text: str, files: tuple[str, ...] | int
) -> None:
    letter = read_letter(message.encode())
    assert letter.text == text
    assert letter.files == (("Übersicht.pdf",) if files == 1 else files)


def test_a_message_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = multipart("mixed", multipart("alternative", TEXT, HTML), FILE)
    letter = read_letter(whole[: whole.index("xxx")].encode())
    assert (letter.text, letter.files) == ("In words", ("Übersicht.pdf",))


def test_lines_that_a_program_broke_are_joined() -> None:
    flowed = (
        "Content-Type: text/plain; format=flowed\r\n\r\n"
        "A long \r\nline.\r\nAnother.\r\n\r\n> quoted \r\n> text\r\n-- \r\nJane"
    )
    assert read_letter(flowed.encode()).text == (
        "A long line.\nAnother.\n\n> quoted \n> text\n-- \nJane"
    )


def test_what_is_new_in_it() -> None:
    text = "Fine.\n\nOn Monday Jane wrote:\n> Is it?\n>> Was it?\nYours\n"
    letter = read_letter(b"Content-Type: text/plain\r\n\r\n" + text.encode())
    assert letter.fresh == "Fine. Yours"


def test_one_without_an_id_is_told_by_its_header() -> None:
    first, again = (read_letter(head(Subject="Hi", Date="today")) for _ in range(2))
    other = read_letter(head(Subject="Hi", Date="tomorrow"))
    assert first.id == again.id != other.id


def test_the_header_alone() -> None:
    whole = head(Subject="Hi", Message_ID="<1@a>") + b"Words"
    assert read_heading(whole).subject == "Hi"
    assert read_heading(whole).text == ""


def test_what_is_no_message() -> None:
    deep = "".join(
        f'Content-Type: multipart/mixed; boundary="{n}"\r\n\r\n--{n}\r\n' for n in range(3000)
    )
    with pytest.raises(BadRecord, match="not a message of mail"):
        read_letter(deep.encode())


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\x00\xff\xfe", b"Subject", b": x\r\n\r\n"])
def test_the_worst_is_still_read(raw: bytes) -> None:
    assert read_letter(raw).authors == ()
