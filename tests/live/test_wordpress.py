"""Posts and comments of a real WordPress, read by the hub."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.twins.wordpress import Twin
from tests.live.hub import reading
from tests.live.shapes import differences
from tests.live.wordpress import EDITOR, Blog, WordPress
from tests.running import until
from tests.servers import serve

pytestmark = pytest.mark.live

SEES_ALL = '[roles.executive.sees]\nclassification = "restricted"\nrestricted = ["live"]'


@pytest.fixture
def blog(wordpress: WordPress) -> Iterator[Blog]:
    with wordpress.blog() as blog:
        yield blog


def source(wordpress: WordPress, *settings: str, since: datetime | None = None) -> str:
    begin = since or datetime.now(UTC) - timedelta(seconds=2)  # without what earlier tests left
    signs_in = f'user = "{EDITOR}"\npassword = "${{PASSWORD}}"'
    who = () if 'user = ""' in settings else (signs_in,)
    more = [one for one in settings if one != 'user = ""']
    lines = ['connector = "wordpress"', f'url = "{wordpress.url}"', *who, *more]
    return "\n".join([*lines, f'since = "{begin.isoformat()}"'])


def secret(wordpress: WordPress) -> dict[str, str]:
    return {"PASSWORD": wordpress.password(EDITOR)}


async def test_a_post_is_shown_edited_and_withdrawn(
    wordpress: WordPress, blog: Blog, tmp_path: Path
) -> None:
    # The site's zone is New York: a connector that takes its times for UTC loses posts here.
    async with reading(tmp_path, source(wordpress), secret(wordpress)) as hub:
        events = blog.term("categories", "Events")
        content = "<p>Meet us in Darmstadt &amp; online.</p>"
        post = blog.write("We speak at PyCon \u2013 DE", content, categories=[events])
        shown = await hub.shows(f"post/{post}", title="We speak at PyCon \u2013 DE")
        assert shown["kind"] == "content.post"
        assert shown["body"] == "Meet us in Darmstadt & online."
        assert (shown["labels"], shown["classification"]) == (["Events"], "PUBLIC")
        assert shown["author"]["name"] == "admin"
        page = httpx2.get(shown["url"], trust_env=False, follow_redirects=True, timeout=30)
        assert f"?p={post}>; rel=shortlink" in page.headers["link"], "the link leads to the post"

        blog.change(post, content="<p>Moved to 15 April.</p>")
        shown = await hub.shows(f"post/{post}", body="Moved to 15 April.")
        assert len(shown["history"]["edges"]) == 2
        blog.drop("posts", post)
        shown = await hub.shows(f"post/{post}", status="DELETED", body=None)
        assert not hub.keeps("Darmstadt")


async def test_comments_follow_their_post_and_vanish_with_it(
    wordpress: WordPress, blog: Blog, tmp_path: Path
) -> None:
    async with reading(tmp_path, source(wordpress), secret(wordpress)) as hub:
        post = blog.write("Acme 2.3 is out", "<p>Setup takes five minutes.</p>")
        said = blog.comment(post, "Can we invite Acme?")
        other = blog.comment(post, "First!")
        shown = await hub.shows(f"comment/{said}", title="Can we invite Acme?")
        assert (shown["thread"], shown["summary"]) == (f"post/{post}", "On Acme 2.3 is out")
        assert shown["author"]["name"] == "Robin Weber"
        blog.http.post(f"/comments/{said}", json={"content": "Can we invite Globex?"})
        await hub.shows(f"comment/{said}", title="Can we invite Globex?")
        blog.drop("comments", other)
        await hub.shows(f"comment/{other}", status="DELETED")
        blog.drop("posts", post, for_good=True)
        await hub.shows(f"post/{post}", status="DELETED")
        await hub.shows(f"comment/{said}", status="DELETED")


async def test_private_posts_are_for_those_that_hub_toml_names(
    wordpress: WordPress, blog: Blog, tmp_path: Path
) -> None:
    asked = source(wordpress, "private = true")
    async with reading(tmp_path, asked, secret(wordpress), SEES_ALL) as hub:
        post = blog.write("Salaries", "<p>Psst.</p>", status="private")
        said = blog.comment(post, "That much?")
        shown = await hub.shows(f"post/{post}", "executive", classification="RESTRICTED")
        assert shown["body"] == "Psst."
        await hub.shows(f"comment/{said}", "executive", classification="RESTRICTED")
        assert await hub.signals("sales") == {}


async def test_what_is_published_needs_no_user(
    wordpress: WordPress, blog: Blog, tmp_path: Path
) -> None:
    async with reading(tmp_path, source(wordpress, 'user = ""'), {}) as hub:
        hidden = blog.write("Draft", "<p>Not yet.</p>", status="draft")
        post = blog.write("Hello", "<p>World.</p>")
        await hub.shows(f"post/{post}", title="Hello")
        blog.change(post, status="draft")
        await hub.shows(f"post/{post}", status="DELETED")
        assert f"post/{hidden}" not in await hub.signals()


async def test_nothing_written_while_the_hub_was_down_is_lost(
    wordpress: WordPress, blog: Blog, tmp_path: Path
) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=2)
    asked = source(wordpress, since=begin)
    posts = [blog.write("before", "<p>0</p>")]
    async with reading(tmp_path, asked, secret(wordpress)) as hub:
        await hub.shows(f"post/{posts[0]}")
    posts += [blog.write(f"post {number}", "<p>x</p>") for number in range(120)]
    blog.change(posts[3], title="corrected in the meantime")
    async with reading(tmp_path, asked, secret(wordpress)) as hub:

        async def whole() -> bool:
            return (await hub.signals()).keys() >= {f"post/{post}" for post in posts}

        await until(whole, within=60)
        await hub.shows(f"post/{posts[3]}", title="corrected in the meantime")


async def test_a_wrong_password_is_told_to_the_owner(wordpress: WordPress, tmp_path: Path) -> None:
    async with reading(tmp_path, source(wordpress), {"PASSWORD": "abcd efgh ijkl mnop"}) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "efgh" not in found["lastError"]


async def test_the_twin_answers_as_wordpress_does(wordpress: WordPress, blog: Blog) -> None:
    name = f"Twin {uuid.uuid4().hex[:8]}"
    post = blog.write(name, "<p>One.</p>", categories=[blog.term("categories", "Events")])
    said = blog.comment(post, "Two.")
    twin = Twin(user=EDITOR, password=wordpress.password(EDITOR))
    twin.emit({"title": name, "content": "<p>One.</p>", "categories": ["Events"]})
    twin.emit({"post": 1, "comment": "Two."})
    async with serve(twin.app) as url:
        theirs = await _answers(wordpress.url, wordpress.password(EDITOR), post, said)
        ours = await _answers(url, twin.password, 1, 1)
    assert theirs.keys() == ours.keys()
    for asked, (status, body) in ours.items():
        assert status == theirs[asked][0], asked
        assert differences(body, theirs[asked][1]) == [], asked


async def _answers(url: str, password: str, post: int, comment: int) -> dict[str, tuple[int, Any]]:
    long_ago = "2020-01-01T00:00:00Z"
    posts = f"posts?include={post}&per_page=100&page=1"
    asked = {
        "posts": f"{posts}&_embed=author,wp:term&orderby=modified&order=asc"
        f"&modified_after={long_ago}&status=publish,trash",
        "ids": f"{posts}&_fields=id,content.protected&after={long_ago}&orderby=date",
        "comments": f"comments?include={comment}&_embed=up&after={long_ago}&orderby=date_gmt",
        "past the end": f"posts?include={post}&page=7",
        "me": "users/me",
    }
    base, found = f"{url}/wp-json/wp/v2/", dict[str, tuple[int, Any]]()
    async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
        for name, path in asked.items():
            answer = await client.get(path, auth=(EDITOR, password))
            body = answer.json()
            found[name] = answer.status_code, body if answer.is_success else body.get("code")
        for name, auth in (("nobody", None), ("a stranger", (EDITOR, "wrong"))):
            trash = await client.get("posts?status=publish,trash", auth=auth)
            me = await client.get("users/me", auth=auth)
            found[name] = trash.status_code, [trash.json()["code"], me.status_code]
    return found
