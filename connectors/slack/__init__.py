"""Slack: what is said in channels and their threads; edits and deletions while it is young.

The app needs channels:history, channels:read, users:read and users:read.email (for private
channels groups:history and groups:read), and has to be invited into each channel.
https://docs.slack.dev/reference/methods/conversations.history (and .replies)
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from connectors.slack.answers import pages, refusal
from connectors.slack.events import SIGNED, deleted, verdict
from connectors.slack.messages import EPOCH, State, author_of, name_of, shown, ts_at, ts_of, when
from hub.connector import (
    Api,
    BadRecord,
    Bearer,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Page,
    Pushed,
    SecretStr,
    SourceMisbehaved,
    Status,
    Verdict,
    now,
)

_ID = re.compile(r"[CDG][A-Z0-9]{8,}")
_UNREAD = {"from": "0", "top": "0", "known": {}, "threads": {}, "deep": EPOCH.isoformat()}


_TIER_2 = ("conversations.list", "users.list")
_TIER_3 = ("auth.test", "conversations.history", "conversations.info", "conversations.replies")


class Slack(Connector):
    token: SecretStr
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    """By name (`general`) or by id (`C012AB3CD`)."""
    url: str = "https://slack.com/api"
    since: AwareDatetime | None = None
    """Read nothing older; else all that Slack still shows."""
    look_back: timedelta = timedelta(hours=1)
    """How old a message may be whose edit or deletion is looked for at every poll."""
    threads: timedelta = timedelta(days=3)
    """How old a message may be whose thread is watched, if it is older every `threads_every`."""
    threads_every: timedelta = timedelta(minutes=10)
    decision_markers: tuple[str, ...] = ("decision:", ":decision:")
    """A message that starts with one of these is a decision."""
    skip: tuple[str, ...] = ("channel_", "group_", "bot_add", "bot_remove", "pinned_", "reminder_")
    """Subtypes that begin so are noise: https://docs.slack.dev/reference/events/message#subtypes"""
    bots: bool = False
    """Whether to read what apps write, too."""
    signing_secret: SecretStr | None = None
    """Of the app. With it the hub looks when Slack's events (`message.channels`) say so."""
    per_minute: Annotated[int, Field(ge=1)] = 50
    """Of each method by itself. Tier 3: https://docs.slack.dev/apis/web-api/rate-limits"""

    kinds: ClassVar[frozenset[str]] = frozenset({"chat.message", "chat.decision"})
    sign_in: ClassVar[str] = "The bot token of an app that was invited to each channel."
    scopes: ClassVar[tuple[str, ...]] = (
        "channels:history",
        "channels:read",
        "users:read",
        "users:read.email",
        "groups:history and groups:read (private channels)",
    )
    limits: ClassVar[str] = (
        "50 requests a minute and method. An edit or deletion is looked for while a message is "
        "younger than `look_back`, a thread while its first message is younger than `threads`."
    )

    def endpoint(self) -> Endpoint:
        lists = max(1, self.per_minute * 2 // 5)  # tier 2: 20 a minute, where tier 3 has 50
        limits = dict.fromkeys(_TIER_3, self.per_minute) | dict.fromkeys(_TIER_2, lists)
        return Http(self.url, Bearer(self.token), per_minute_at=limits, says_no=refusal)

    def verify(self, request: Pushed) -> Verdict:
        SIGNED.check(request, self.signing_secret)
        return verdict(request)

    def read(self, event: Pushed) -> Sequence[Draft]:
        """Read deletions, which no poll sees of what is older than `look_back`.

        What is said comes by the poll that each event asks for: it knows people and channels by
        their names, where an event has ids. So of channels that are listed by name nothing is read.
        """
        if not (gone := deleted(event)):
            return ()
        said, message = gone
        channel, subtype = said["channel"], str(message.get("subtype"))
        if channel not in self.channels or subtype.startswith(self.skip):
            return ()
        if message.get("bot_id") and not self.bots:
            return ()
        version, kind, thread = self._mark(message)
        return [
            Draft(
                kind=kind,
                external_id=f"{channel}/{message['ts']}",
                revision=f"{version}-deleted",
                revised_at=max(when(version), when(said["event_ts"])),
                occurred_at=when(message["ts"]),
                title="A message was deleted",
                status=Status.DELETED,
                classification=Classification.INTERNAL
                if said.get("channel_type") == "channel"
                else Classification.RESTRICTED,
                thread=f"{channel}/{thread}",
            )
        ]

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        saved: State = {"ids": {}, "channels": {}} | deepcopy(dict(cursor))
        # Names are read anew when there is news: a channel may have been made private since.
        state, names, refused = deepcopy(saved), State(people={}), None
        for name, channel in (await self._ids(api, state["ids"])).items():
            mine = state["channels"].setdefault(channel, deepcopy(_UNREAD))
            try:
                async for fresh in self._channel(api, channel, mine):
                    await self._learn(api, channel, names)
                    saved = deepcopy(state)
                    yield Page.read(fresh, partial(self._draft, names, channel), saved, more=True)
            except SourceMisbehaved as error:  # one closed channel does not silence the others
                refused = SourceMisbehaved(f"{name}: {error.message}", error.suggestion)
                state = deepcopy(saved)  # without what was read and not told
        if refused:
            raise refused
        yield Page((), state)

    async def _ids(self, api: Api, known: dict[str, str]) -> dict[str, str]:
        wanted = [name.removeprefix("#") for name in self.channels]
        if any(name not in known and not _ID.fullmatch(name) for name in wanted):
            types = "public_channel,private_channel"
            async for body in pages(api, "conversations.list", types=types):
                listed = [one for one in body["channels"] if one.get("id")]
                found = {channel.get("name"): channel["id"] for channel in listed}
                known |= {name: found[name] for name in wanted if name in found.keys() - known}
        # A name once found stays with its channel; of one that is not found Slack says so.
        return {name: known.get(name, name) for name in wanted}

    async def _channel(self, api: Api, channel: str, mine: State) -> AsyncIterator[list[Any]]:
        """Walk down from the newest message; only at the bottom does the watermark move."""
        window = mine.setdefault("window", self._window(mine))
        async for fresh in self._threads(api, channel, mine):  # where an earlier walk was cut off
            yield fresh
        where = {"channel": channel, "oldest": window["oldest"], "latest": window["latest"]}
        if not window["end"]:
            async for body in pages(api, "conversations.history", **where):
                messages = body["messages"]
                times = sorted(filter(None, map(ts_of, messages)), key=Decimal)
                window["latest"] = next(iter(times), window["latest"])
                window["top"] = max([window["top"], *times[-1:]], key=Decimal)
                window["todo"] = self._changed(mine, messages)
                window["lost"] = [ts for ts in window["lost"] if ts not in times]
                window["end"] = not body["after"]
                fresh = self._sift(mine, messages, mine["from"])
                if fresh:
                    yield fresh[::-1]
                async for fresh in self._threads(api, channel, mine):
                    yield fresh
        top = Decimal(window["top"])
        floor, oldest = max(top - ts_at(self.look_back), Decimal(0)), top - ts_at(self.threads)
        gone = [ts for ts, mark in mine["known"].items() if mark[2] in {ts, *window["lost"]}]
        deleted = [{"ts": ts, "was": mine["known"].pop(ts)} for ts in gone]
        known = (mine["known"] | window["seen"]).items()
        mine |= {"from": f"{floor:.6f}", "top": window["top"]}
        mine["known"] = {ts: mark for ts, mark in known if Decimal(ts) > floor}
        mine["threads"] = {ts: at for ts, at in mine["threads"].items() if Decimal(ts) > oldest}
        mine["deep"] = mine.pop("window")["deep"]
        if deleted:
            yield deleted

    def _window(self, mine: State) -> State:
        """Begin a walk: as far as edits are looked for, at times as far as replies are."""
        today, oldest, deep = now(), Decimal(mine["from"]), mine["deep"]
        if today - datetime.fromisoformat(deep) >= self.threads_every:
            oldest = min(oldest, Decimal(mine["top"]) - ts_at(self.threads))
            deep = today.isoformat()
        oldest = max(oldest, ts_at(self.since or EPOCH))
        lost = [ts for ts in mine["threads"] if Decimal(ts) > oldest]  # until they are seen again
        # `latest` always: without, the method's predecessor gave the messages closest to `oldest`.
        ends = {"oldest": f"{oldest:.6f}", "latest": f"{ts_at(today + timedelta(minutes=1)):.6f}"}
        walk = {"top": mine["top"], "seen": {}, "todo": {}, "lost": lost, "end": False}
        return ends | walk | {"deep": deep}

    def _sift(self, mine: State, messages: Iterable[Any], since: str) -> list[Any]:
        """Take down which versions are there; find those that are new, or cannot be read."""
        fresh, window = [], mine["window"]
        for message in messages:
            if not (ts := ts_of(message)):
                fresh.append(message)
            elif (subtype := str(message.get("subtype"))) != "tombstone":  # what deletion leaves
                mark = self._mark(message)
                before = mine["known"].pop(ts, window["seen"].get(ts))
                if not subtype.startswith(self.skip) and (self.bots or not message.get("bot_id")):
                    window["seen"][ts] = mark
                    is_old = Decimal(ts) <= Decimal(since) and mark[0] == ts
                    fresh += [message] if mark != before and not is_old else []
        floor = Decimal(window["top"]) - ts_at(self.look_back)
        window["seen"] = {ts: mark for ts, mark in window["seen"].items() if Decimal(ts) > floor}
        return fresh

    def _changed(self, mine: State, messages: Iterable[Any]) -> State:
        """Find the parents whose replies have to be read, and what told so."""
        window, changed = mine["window"], State()
        young = Decimal(window["top"]) - ts_at(self.look_back)
        for message in filter(ts_of, messages):
            last = ts_of({"ts": message.get("latest_reply")})
            replies = [last, message.get("reply_count") or 0]
            # An edited reply changes neither: look again, though not at each poll.
            again = window["deep"] != mine["deep"] and last and Decimal(last) > young
            if again or replies != mine["threads"].get(message["ts"], ["", 0]):
                changed[message["ts"]] = replies
        return changed

    async def _threads(self, api: Api, channel: str, mine: State) -> AsyncIterator[list[Any]]:
        todo = mine["window"]["todo"]
        watched = Decimal(mine["window"]["top"]) - ts_at(self.threads)
        for parent, replies in list(todo.items()):
            oldest = min(mine["threads"].get(parent, [""])[0] or parent, mine["from"], key=Decimal)
            where, fresh = {"channel": channel, "ts": parent, "oldest": oldest}, list[Any]()
            async for body in pages(api, "conversations.replies", **where):
                messages = body.get("messages") or ()  # with the parent, whatever `oldest` is
                fresh += self._sift(mine, (one for one in messages if ts_of(one) != parent), "0")
            gone = [ts for ts, mark in mine["known"].items() if mark[2] == parent]
            fresh += [{"ts": ts, "was": mine["known"].pop(ts)} for ts in gone]
            mine["threads"] |= {parent: replies} if Decimal(parent) > watched else {}
            del todo[parent]
            if fresh:
                yield fresh

    def _mark(self, message: State) -> list[str]:
        """Tell the version, the kind and the thread: what to compare, and what a deletion needs."""
        ts, text = message["ts"], str(message.get("text")).lstrip("*_~ ").lower()
        decided = text.startswith(tuple(marker.lower() for marker in self.decision_markers))
        kind = "chat.decision" if decided else "chat.message"
        return [ts_of(message.get("edited")) or ts, kind, str(message.get("thread_ts") or ts)]

    async def _learn(self, api: Api, channel: str, names: State) -> None:
        if "site" not in names:
            names["site"] = (await api.get("auth.test"))["url"].rstrip("/")
            async for body in pages(api, "users.list"):
                names["people"] |= {user["id"]: user for user in body["members"]}
        if channel not in names:
            names[channel] = (await api.get("conversations.info", channel=channel))["channel"]

    def _draft(self, names: State, channel: str, message: State) -> Draft:
        if not (ts := ts_of(message)):
            raise BadRecord("a message without a readable ts")
        version, kind, thread = message.get("was") or self._mark(message)
        info, is_gone, text = names[channel], "was" in message, shown(message, names["people"])
        place = info.get("name") or name_of(names["people"].get(info.get("user"), {}), channel)
        # What does not say that it is public is not: `is_private` is missing for direct messages.
        is_open = info.get("is_private") is False and not info.get("is_mpim")
        link = f"{names['site']}/archives/{channel}/p{ts.replace('.', '')}"
        return Draft(
            kind=kind,
            external_id=f"{channel}/{ts}",
            revision=f"{version}-deleted" if is_gone else version,
            revised_at=max(when(version), now()) if is_gone else when(version),
            occurred_at=when(ts),
            title=next(filter(None, map(str.strip, text.split("\n"))), "A message without text"),
            body=text or None,
            url=link if thread == ts else f"{link}?thread_ts={thread}&cid={channel}",
            status=Status.DELETED if is_gone else Status.INFORMATION,
            classification=Classification.INTERNAL if is_open else Classification.RESTRICTED,
            author=author_of(message, names["people"]),
            labels=(place,),
            attributes={"channel": place, "channel_id": channel, "user_id": message.get("user")},
            thread=f"{channel}/{thread}",
        )
