"""`hub documents`: what is registered, and what is not, with the place of each error."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.store.documents import digest
from tests.cli import Folder, Here
from tests.prepared import write_migrated

WHO = "query Who { viewer { name } }\n"
WRONG = """query Wrong {
  viewer { name }
  nonsense
  roles { nme }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    write_migrated(tmp_path / "hub.db")
    return Folder(tmp_path)


def test_documents_are_added_listed_and_removed(folder: Folder, here: Here) -> None:
    assert "Register them: hub documents add" in here("documents", "list").out
    (folder.path / "who.graphql").write_text(WHO)
    id_ = f"sha256:{digest(WHO)}"
    assert here("documents", "add", "who.graphql").out == f"registered who ({id_})\n"
    assert here("documents", "add", "who.graphql").out == f"registered already: who ({id_})\n"
    [one] = here("documents", "list", "--json").json
    assert one.pop("registered_at").endswith("Z")
    assert one == {
        "name": "who", "id": id_, "operations": ["query Who"], "errors": [], "text": WHO,
    }  # fmt: skip
    assert "query Who" in here("documents", "list").out

    (folder.path / "who.graphql").write_text("{ viewer { roles } }")
    here("documents", "add", "who.graphql").said(1, "another text is registered", "--replace")
    done = here("documents", "add", "who.graphql", "--replace", "--json").json
    assert done == [
        {"name": "who", "id": f"sha256:{digest('{ viewer { roles } }')}", "changed": True}
    ]
    assert here("documents", "list", "--json").json[0]["operations"] == ["query"]

    assert "removed who" in here("documents", "remove", "who").out
    here("documents", "remove", "who").said(1, "no document is named 'who'", "hub documents list")
    acts = [one["act"] for one in here("audit", "--json").json]
    assert acts == ["document_removed", "document_registered", "document_registered"]


def test_every_error_has_its_place_and_nothing_is_registered(folder: Folder, here: Here) -> None:
    (folder.path / "who.graphql").write_text(WHO)
    (folder.path / "wrong.graphql").write_text(WRONG)
    (folder.path / "cut.graphql").write_text("query Cut {\n  viewer {\n")
    deep = "{ " + " { ".join(["node"] * 17) + " }" * 17
    (folder.path / "deep.graphql").write_text(deep)
    names = ("who.graphql", "wrong.graphql", "cut.graphql", "deep.graphql")
    done = here("documents", "add", *names)
    assert (done.code, done.out) == (2, "")
    *others, error, fix = done.err.splitlines()
    assert [one.partition(": ")[0] for one in others] == [
        "wrong.graphql:3:3",
        "wrong.graphql:4:11",
        "cut.graphql:3:1",
    ]
    assert "'nonsense'" in others[0]
    assert error.startswith("error: deep.graphql: The depth of the document is over 16")
    assert "hub schema" in fix
    assert "Nothing was registered" in fix
    assert here("documents", "list", "--json").json == []


def test_what_no_longer_fits_is_listed(folder: Folder, here: Here) -> None:
    text = "{ viewer { name } " + " ".join(f"a{one}: __typename" for one in range(20)) + " }"
    (folder.path / "many.graphql").write_text(text)
    assert here("documents", "add", "many.graphql").code == 0
    assert here("documents", "list", "--json").json[0]["errors"] == []
    tighter = {"HUB_MAX_ALIASES": "10"}
    [said] = here("documents", "list", "--json", **tighter).json[0]["errors"]
    assert "more than 10 aliases" in said
    assert "failing" in here("documents", "list", **tighter).out


def test_what_clients_builds_write_is_read(folder: Folder, here: Here) -> None:
    apollo = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": digest(WHO), "name": "Who", "type": "query", "body": WHO}],
    }
    (folder.path / "apollo.json").write_text(json.dumps(apollo))
    other = "{ viewer { roles } }"
    plain = {f"sha256:{digest(other)}": other, "md5-of-it": other, digest(WHO): WHO}
    (folder.path / "plain.json").write_text(json.dumps(plain))
    assert here("documents", "add", "apollo.json", "plain.json").code == 0
    found = {one["name"]: one["text"] for one in here("documents", "list", "--json").json}
    assert found == {digest(WHO): WHO, digest(other): other, "md5-of-it": other}

    (folder.path / "wrong.json").write_text(json.dumps({"wrong": WRONG}))
    assert "wrong.json: wrong:3:3: " in here("documents", "add", "wrong.json").err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a b.graphql", WHO, "cannot be a name"),
        ("who.json", "[]", "no list of documents"),
        ("who.json", "{", "is not JSON"),
        ("who.json", {"a": 5}, "no list of documents"),
        ("who.json", {"a/b": WHO}, "cannot be a name"),
        ("who.json", {"sha256:" + "0" * 64: WHO}, "is not the hash of its text"),
        ("who.json", {"format": "apollo-persisted-query-manifest", "version": 1,
                      "operations": [5]}, "no list of documents"),
        ("who.json", {"format": "apollo-persisted-query-manifest", "version": 2,
                      "operations": []}, "no list of documents"),
        ("who.graphql", b"\xff", "not UTF-8"),
        ("who.graphql", WHO + "#\0", "NUL"),
        ("who.graphql", WHO + "#" * 300_000, "larger than 256 KiB"),
        ("other/twice.graphql", "{ viewer { roles } }", "another text of the name 'twice'"),
    ],
)  # fmt: skip
def test_files_that_hold_no_documents(
    folder: Folder, here: Here, name: str, content: Any, said: str
) -> None:
    (folder.path / "other").mkdir()
    (folder.path / "twice.graphql").write_text(WHO)
    if isinstance(content, dict):
        content = json.dumps(content)
    written = content if isinstance(content, bytes) else content.encode()
    (folder.path / name).write_bytes(written)
    here("documents", "add", "twice.graphql", name).said(2, said)
    here("documents", "add", "nowhere.graphql").said(2, "nowhere.graphql cannot be read")
