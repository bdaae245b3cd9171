"""Dovecot, and what people and their servers do with a mailbox."""

import imaplib
import shutil
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

from tests import debian
from tests.live.systems import System

PASSWORD = "not-a-real-password"
CONFIG = """\
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{home}/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
# What somebody may do in a folder of another's: RFC 4314.
mail_plugins = acl
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
namespace shared {{
  type = shared
  prefix = shared/%%u/
  separator = /
  location = maildir:{home}/mail/%%u
  subscriptions = no
  list = no
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail/%u
}}
"""


class Dovecot(System):
    """https://doc.dovecot.org/2.3/. Every user has a mailbox, and the same password."""

    name = "dovecot"

    def install(self) -> None:
        debian.install(self.name, ["dovecot-imapd"], "dovecot")

    def command(self) -> Sequence[str | Path]:
        self.version = self.run("dovecot", "--version").split()[0]
        if not self.version.startswith("2.3"):
            raise debian.MissingSystem(f"The configuration is for Dovecot 2.3, not {self.version}")
        mail = self.home / "mail"
        mail.mkdir(exist_ok=True)
        shutil.chown(mail, "nobody", "nogroup")
        config = self.home / "dovecot.conf"
        config.write_text(CONFIG.format(home=self.home, port=self.port, password=PASSWORD))
        return ["dovecot", "-F", "-c", config]

    def ready(self) -> str:
        return f"imap://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                return connection.recv(4) == b"* OK"
        except OSError:
            return False


class Box:
    """A user's mailbox, as another program of theirs uses it."""

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        self.user = user
        self.imap = imaplib.IMAP4("127.0.0.1", dovecot.port)
        self.imap.login(user, PASSWORD)

    def put(self, folder: str = "INBOX", text: str = "Words", **fields: str) -> None:
        """Deliver a message; fields of the header are named with underscores."""
        message = EmailMessage()
        given = {"From": "Jane Doe <jane@acme.example>", "To": self.user, **fields}
        for name, value in given.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        assert self.imap.append(folder, "", "", message.as_bytes())[0] == "OK"

    def share(self, folder: str, reader: str, rights: str) -> str:
        """Let another user do so much in a folder; name it as they open it."""
        assert self.imap.setacl(folder, reader, rights)[0] == "OK"
        return f"shared/{self.user}/{folder}"

    def flags(self) -> list[bytes]:
        self.imap.select("INBOX")
        return [line for line in self.imap.uid("FETCH", "1:*", "(FLAGS)")[1] if line]

    def anew(self, folder: str) -> None:
        """Make a folder of the same name again: its UIDs are those of other messages then."""
        assert self.imap.delete(folder)[0] == "OK"
        assert self.imap.create(folder)[0] == "OK"
