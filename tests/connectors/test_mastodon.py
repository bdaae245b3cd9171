"""Mastodon: mentions and hashtags, read forward by ids, and looked at again while young."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.twins.mastodon import Twin
from hub.connector import AuthFailed, Classification, Draft, PersonRef, Status
from tests.connectors.polling import polling
from tests.servers import serve

NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NINE + timedelta(minutes=minutes)).isoformat()


async def read(*records: dict[str, Any], **settings: Any) -> list[Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return list(source.current.values())


async def test_a_mention_tells_who_says_what_and_where() -> None:
    words = "@acme is Tom & Jerry's <b> supported?\n\nOur team would love it."
    said = {"text": words, "from": "Robin Weber", "tags": ["Dashboards"], "at": at(0)}
    [draft] = await read(said | {"status": {"in_reply_to_id": "7"}})
    assert draft.kind == "brand.mention"
    assert draft.title == "@acme is Tom & Jerry's <b> supported?"
    assert draft.body == words
    assert draft.author == PersonRef(name="Robin Weber", handle="robin")
    assert draft.url == f"https://social.example/@robin/{draft.external_id}"
    assert draft.occurred_at == draft.revised_at == NINE
    assert (draft.labels, draft.thread) == (("dashboards",), "7")
    assert draft.classification is Classification.PUBLIC
    assert draft.attributes == {
        "visibility": "public",
        "language": "en",
        "reply_to": "7",
        "hashtags": ["dashboards"],
    }


@pytest.mark.parametrize(
    ("visibility", "seen_by"),
    [
        ("unlisted", Classification.PUBLIC),
        ("private", Classification.CONFIDENTIAL),
        ("direct", Classification.RESTRICTED),
        ("limited", Classification.RESTRICTED),  # of another software: what nobody here knows
        (None, Classification.RESTRICTED),
    ],
)
async def test_what_is_not_public_is_not_shown_as_if_it_were(
    visibility: str | None, seen_by: Classification
) -> None:
    twin = Twin()
    post = twin.emit({"status": {"visibility": visibility}, "at": at(0)})
    async with polling(twin) as source:
        assert [draft.classification for draft in await source.fresh()] == [seen_by]
        twin.emit({"delete": post["id"]})
        [gone] = await source.fresh()
    assert (gone.status, gone.classification) == (Status.DELETED, seen_by)


async def test_a_content_warning_is_the_title() -> None:
    [draft] = await read({"text": "It ends well.", "status": {"spoiler_text": "Acme's new film"}})
    assert (draft.title, draft.body) == ("Acme's new film", "It ends well.")


async def test_a_post_that_names_us_under_our_hashtag_is_one_signal() -> None:
    drafts = await read({"tags": ["acme"]}, {"mention": False, "tags": ["acme"]}, {"tags": ["x"]})
    assert len(drafts) == 3
    drafts = await read({"mention": False, "tags": ["acme"]}, {"mention": False}, {"tags": ["x"]},
        mentions=False, hashtags=["#Acme"])  # fmt: skip
    assert len(drafts) == 1


async def test_ids_are_compared_as_numbers() -> None:
    twin = Twin(page=4)
    async with polling(twin, hashtags=[]) as source:
        for number in range(1, 13):  # the notifications are 1 to 12: "9" is before "10"
            twin.emit({"text": f"number {number}", "at": at(number)})
            if number in {8, 12}:
                await source.poll()
        assert len(source.current) == 12


async def test_a_burst_between_two_polls_leaves_no_gap() -> None:
    twin = Twin(page=5)
    async with polling(twin) as source:
        twin.emit({"at": at(0)})
        await source.poll()
        for number in range(1, 101):
            twin.emit({"at": at(number), "mention": number % 2, "tags": ["acme"]})
        await source.poll()
        assert len(source.current) == 101


async def test_an_edit_is_a_revision_and_nothing_new_is_nothing() -> None:
    twin = Twin()
    post = twin.emit({"text": "Acme is slow", "at": at(0)})
    async with polling(twin) as source:
        [first] = await source.fresh()
        before = source.cursor
        await source.poll()
        assert (source.cursor, len(source.stored)) == (before, 1)
        twin.emit({"edit": post["id"], "text": "Acme is fast", "at": at(5)})
        await source.poll()
        edited = source.current[first.external_id]
    assert (edited.title, edited.status) == ("Acme is fast", Status.INFORMATION)
    assert edited.revised_at == NINE + timedelta(minutes=5)
    assert edited.occurred_at == first.occurred_at
    assert len(source.stored) == 2


async def test_a_deleted_post_is_withdrawn_and_the_old_ones_are_not() -> None:
    twin = Twin(page=3)
    posts = [twin.emit({"at": at(90 * number), "tags": ["acme"]}) for number in range(8)]
    async with polling(twin, look_back=timedelta(hours=3)) as source:
        await source.poll()
        twin.emit({"delete": posts[7]["id"]})
        twin.emit({"delete": posts[0]["id"]})  # too old to be looked at: it stays as it was
        gone = [draft for draft in await source.fresh() if draft.status is Status.DELETED]
        assert {draft.external_id for draft in gone} == {posts[7]["id"]}
        assert (gone[0].title, gone[0].body) == ("Deleted", None)
        assert source.current[posts[0]["id"]].status is Status.INFORMATION
        twin.emit({"at": at(1000)})
        await source.poll()
        assert [one.status for one in source.current.values()].count(Status.DELETED) == 1


async def test_what_only_seemed_gone_comes_back() -> None:
    twin = Twin()
    post = twin.emit({"at": at(0)})
    async with polling(twin) as source:
        await source.poll()
        kept, told = dict(twin.statuses), dict(twin.notifications)
        twin.emit({"delete": post["id"]})
        await source.poll()
        assert source.current[post["id"]].status is Status.DELETED
        twin.statuses, twin.notifications = kept, told
        await source.poll()
        await source.poll()
        assert source.current[post["id"]].status is Status.INFORMATION
        assert len(source.stored) == 3


async def test_a_post_that_lost_its_hashtag_is_not_called_deleted() -> None:
    twin = Twin()
    post = twin.emit({"at": at(0), "tags": ["acme"], "mention": False})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"edit": post["id"], "text": "No more", "status": {"tags": []}, "at": at(1)})
        await source.poll()
        assert source.current[post["id"]].status is Status.INFORMATION
        del twin.statuses[post["id"]]
        await source.poll()
        assert source.current[post["id"]].status is Status.INFORMATION, "it is not watched any more"


async def test_a_post_that_another_server_delivers_late_is_read_under_its_hashtag() -> None:
    twin = Twin()
    twin.emit({"at": at(60), "tags": ["acme"], "mention": False})
    async with polling(twin) as source:
        await source.poll()
        late = twin.emit({"at": at(61), "late": 1800, "tags": ["acme"], "mention": False})
        await source.poll()
        assert late["id"] in source.current


@pytest.mark.parametrize("size", [1, 2, 3, 7, 80])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(7):
        twin.emit({"at": at(0), "tags": ["acme"], "mention": number % 2})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 7
    async with polling(twin) as source:
        for _ in range(40):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 7
        assert not any(draft.status is Status.DELETED for draft in source.drafts)


async def test_a_deletion_is_noticed_though_the_process_dies_after_each_page() -> None:
    twin = Twin(page=2)
    posts = [twin.emit({"at": at(number)}) for number in range(7)]
    async with polling(twin, hashtags=[]) as source:
        await source.poll()
        twin.emit({"delete": posts[3]["id"]})
        for _ in range(8):
            await source.poll(stop_after=1)
        gone = {one for one, draft in source.current.items() if draft.status is Status.DELETED}
    assert gone == {posts[3]["id"]}


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("language", "url", "edited_at", "spoiler_text", "application", "card"))
    [draft] = await read({"status": nulls | {"tags": None, "quote_v9": [None], "content": ""}})
    assert draft.title == "A post by robin"
    assert draft.url == f"https://social.example/users/robin/statuses/{draft.external_id}"
    assert draft.body is None


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    posts = [twin.emit({"at": at(number)}) for number in range(5)]
    posts[1]["created_at"] = "yesterday"
    posts[2]["account"] = None
    async with polling(twin, hashtags=[]) as source:
        await source.poll()
        assert source.current.keys() == {posts[0]["id"], posts[3]["id"], posts[4]["id"]}
        assert [bad.external_id for bad in source.bad] == ["2", "3"]
        twin.notifications["1"]["created_at"] = None
        twin.emit({"delete": posts[4]["id"]})
        # While there is a record that cannot be told apart, nothing is called gone.
        assert not [one for one in await source.fresh() if one.status is Status.DELETED]
        del twin.notifications["1"]
        gone = {one.external_id for one in await source.fresh() if one.status is Status.DELETED}
        assert gone == {posts[4]["id"]}


async def test_the_first_sync_begins_where_it_is_told() -> None:
    old, new = {"at": at(0), "tags": ["acme"]}, {"at": at(60), "tags": ["acme"]}
    drafts = await read(old, new, since=NINE + timedelta(minutes=30))
    assert [draft.occurred_at for draft in drafts] == [NINE + timedelta(hours=1)]


async def test_a_wrong_token_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="access token is invalid") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize(
    "path",
    [
        "notifications?limit=81",
        "notifications?types=mention",
        "notifications?min_id=abc",
        "timelines/tag/acme?limit=41",
        "timelines/tag/acme?types[]=mention",
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(path: str) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient(base_url=f"{url}/api/v1/") as client:
        answer = await client.get(path, headers={"Authorization": f"Bearer {twin.token}"})
        assert answer.status_code == 400
        assert (await client.get(path)).status_code == 401
