"""Who and what there is in a workspace of Slack: its channels and its people."""

import re
from collections.abc import Mapping
from itertools import count

from connectors.twins.slack.messages import Record

TEAM = "T000000001"


class Directory:
    """Opens a channel, and takes somebody on, the first time they are named."""

    def __init__(self) -> None:
        self.channels: dict[str, Record] = {}
        self.users: dict[str, Record] = {}
        self._numbers = count(1)

    def count(self) -> int:
        return next(self._numbers)

    def channel(self, name: str) -> Record:
        """Find a channel by its name or id, or a conversation with `@somebody`."""
        name = name.removeprefix("#")
        for channel in self.channels.values():
            if name in {channel["id"], channel.get("name")}:
                return channel
        if re.fullmatch(r"[CDG][A-Z0-9]{8,}", name):
            raise KeyError(name)
        number = self.count()
        opened: Record = {"created": 1_700_000_000, "is_archived": False}
        if name.startswith("@"):
            user = self.user(name[1:])
            opened |= {"id": f"D{number:09d}", "is_im": True, "user": user}
        else:
            opened |= {"id": f"C{number:09d}", "name": name, "name_normalized": name}
            opened |= {"is_channel": True, "is_im": False, "is_mpim": False, "is_private": False}
            opened |= {"is_member": True, "is_general": name == "general", "num_members": 4}
        self.channels[opened["id"]] = opened
        return opened

    def user(self, given: str | Mapping[str, str]) -> str:
        """Find somebody by their id or name, or take them on."""
        name = given if isinstance(given, str) else given["name"]
        if name in self.users:
            return name
        for user in self.users.values():
            if user["real_name"] == name:
                return str(user["id"])
        handle = re.sub(r"\W+", ".", name.lower()).strip(".")
        email = f"{handle}@acme.example" if isinstance(given, str) else given.get("email")
        number = self.count()
        self.users[f"U{number:09d}"] = {
            "id": f"U{number:09d}",
            "team_id": TEAM,
            "name": handle,
            "real_name": name,
            "deleted": False,
            "is_bot": False,
            "updated": 1_700_000_000,
            "profile": {"real_name": name, "display_name": handle, "email": email},
        }
        return f"U{number:09d}"


def type_of(channel: Record) -> str:
    if channel.get("is_im"):
        return "im"
    return "private_channel" if channel["is_private"] else "public_channel"


def are_types(value: str) -> bool:
    return set(value.split(",")) <= {"public_channel", "private_channel", "mpim", "im"}
