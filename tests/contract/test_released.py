"""What was released stays: the schema's names, and the migrations that users' databases ran.

Compared with the last tag `v*`, or where a clone has none with the last commit `Release 1.2.3`. A
change that must break says so in a decision record, on a line of its own: `breaks: schema
Signal.url` or `breaks: migration 0002_add_stories.py`.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes

ROOT = Path(__file__).parents[2]
SCHEMA = "schema.graphql"
MIGRATIONS = "hub/store/migrations/versions"
DECISIONS = "docs/decisions"
COMMIT = r"^Release [0-9]+\.[0-9]+\.[0-9]+$"

# A hook's variables point at the hook's repository, and a person's settings may sign commits.
GIT = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass(frozen=True)
class Release:
    """The last release that can be reached from what is checked out."""

    root: Path
    tag: str

    @classmethod
    def last(cls, root: Path) -> Self | None:
        """Find it; None where nothing was released, or a clone is too shallow to know."""
        found = git(root, "describe", "--tags", "--abbrev=0", "--match", "v*")
        found = found or git(root, "log", "-1", "--format=%H", "-E", "--grep", COMMIT)
        return cls(root, found.strip()) if found else None

    def files(self, folder: str) -> Iterator[str]:
        yield from (git(self.root, "ls-tree", "-r", "--name-only", self.tag, folder) or "").split()

    def text(self, path: str) -> str | None:
        return git(self.root, "show", f"{self.tag}:{path}")

    def breaks(self) -> Mapping[str, str]:
        """Name everything that broke since, with what happened to it."""
        old, new = self.text(SCHEMA), self.root / SCHEMA
        broken = schema_breaks(old, new.read_text()) if old is not None else {}
        for path in self.files(MIGRATIONS):
            now = self.root / path
            if not now.exists():
                broken[f"migration {now.name}"] = "deleted"
            elif now.read_text() != self.text(path):
                broken[f"migration {now.name}"] = "changed"
        return broken


def git(root: Path, *words: str) -> str | None:
    """Run git; None where it has no answer (no repository, no such tag or file)."""
    command = ["git", "-c", "safe.directory=*", *words]
    done = subprocess.run(command, cwd=root, env=GIT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def schema_breaks(old: str, new: str) -> dict[str, str]:
    changes = find_breaking_changes(
        *(build_schema(one, assume_valid_sdl=True) for one in (old, new))
    )
    return {f"schema {coordinate(one.description)}": one.description for one in changes}


def coordinate(description: str) -> str:
    """Take the schema coordinate out of a sentence such as "Field A.b was removed."."""
    if member := re.match(r"(\w+) was removed from union type (\w+)", description):
        return f"{member[2]}.{member[1]}"
    kind = r"(?:Field|Argument|Enum value|Directive|An? required \w+(?: \w+)?) "
    if named := re.match(rf"{kind}(\S+)", description) or re.search(r"(@\w+)", description):
        return named[1]
    return description.partition(" ")[0]


def admitted(root: Path) -> set[str]:
    pages = (page.read_text() for page in sorted((root / DECISIONS).glob("*.md")))
    lines = (line for page in pages for line in re.findall(r"^breaks: (.+)$", page, re.MULTILINE))
    return {line.strip() for line in lines}


def test_nothing_released_is_broken() -> None:
    release = Release.last(ROOT)
    if release is None:
        pytest.skip("nothing was released yet, or this clone is too shallow to know")
    broken = {name: why for name, why in release.breaks().items() if name not in admitted(ROOT)}
    advice = "\n".join(f"breaks: {name}" for name in broken)
    assert not broken, f"since {release.tag}; if it must be, a decision record says:\n{advice}"


def test_the_schema_keeps_its_own_names() -> None:
    text = (ROOT / SCHEMA).read_text()
    assert schema_breaks(text, text) == {}
    gone = re.sub(r'^  """[^"]*"""\n  url: String$', "", text, count=1, flags=re.MULTILINE)
    [broken] = schema_breaks(text, gone)
    assert broken.endswith(".url")


RELEASED = """
type Query { deal(id: ID!, at: Int): Deal  found: Found  size: Size  list(by: By): Int }
type Deal { id: ID!  amount: Int }
type Ticket { id: ID! }
union Found = Deal | Ticket
enum Size { BIG SMALL }
input By { size: Size  name: String }
directive @live(every: Int) on FIELD
"""


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("amount: Int", "amount: Int  currency: String", []),
        ("BIG SMALL", "BIG SMALL HUGE", []),
        ("at: Int", "at: Int, by: By", []),
        ("amount: Int", "", ["schema Deal.amount"]),
        ("amount: Int", "amount: String", ["schema Deal.amount"]),
        (", at: Int", "", ["schema Query.deal(at:)"]),
        ("at: Int", "at: Int!", ["schema Query.deal(at:)"]),
        ("at: Int", "at: Int, by: By!", ["schema Query.deal(by:)"]),
        ("BIG SMALL", "BIG", ["schema Size.SMALL"]),
        ("= Deal | Ticket", "= Deal", ["schema Found.Ticket"]),
        ("name: String", "", ["schema By.name"]),
        ("name: String", "name: String  age: Int!", ["schema By.age"]),
        ("enum Size { BIG SMALL }", "scalar Size", ["schema Size"]),
        ("@live(every: Int)", "@live", ["schema @live(every:)"]),
        ("directive @live(every: Int) on FIELD", "", ["schema @live"]),
    ],
)
def test_a_planted_change_is_named(old: str, new: str, broken: list[str]) -> None:
    assert RELEASED.count(old) == 1
    assert list(schema_breaks(RELEASED, RELEASED.replace(old, new))) == broken


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Make a repository with one release in it."""
    for path, text in {
        SCHEMA: RELEASED,
        f"{MIGRATIONS}/0001_begin.py": "begin = 1\n",
        f"{MIGRATIONS}/0002_stories.py": "stories = 1\n",
        f"{DECISIONS}/0001-begin.md": "# 0001. Begin\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    me = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for words in (
        ("init", "--quiet"),
        ("add", "."),
        (*me, "commit", "--quiet", "-m", "Begin"),
        (*me, "tag", "-a", "v1.0.0", "-m", "one"),
        (*me, "tag", "-a", "other-9", "-m", "not a release"),
    ):
        assert git(tmp_path, *words) is not None, words
    return tmp_path


def test_only_what_broke_since_the_release_is_named(released: Path) -> None:
    release = Release.last(released)
    assert release is not None
    assert release.tag == "v1.0.0"
    assert release.breaks() == {}
    (released / MIGRATIONS / "0003_new.py").write_text("new = 1\n")
    assert release.breaks() == {}
    (released / SCHEMA).write_text(RELEASED.replace(" | Ticket", ""))
    (released / MIGRATIONS / "0001_begin.py").write_text("begin = 2\n")
    (released / MIGRATIONS / "0002_stories.py").unlink()
    assert set(release.breaks()) == {
        "schema Found.Ticket",
        "migration 0001_begin.py",
        "migration 0002_stories.py",
    }


def test_a_decision_record_admits_a_break(released: Path) -> None:
    record = released / DECISIONS / "0002-tickets-are-not-found.md"
    record.write_text("# Tickets are not found\n\nbreaks: schema Found.Ticket\n\nBecause.\n")
    assert admitted(released) == {"schema Found.Ticket"}


def test_a_clone_without_tags_knows_the_commit_of_the_release(released: Path) -> None:
    for tag in ("v1.0.0", "other-9"):
        assert git(released, "tag", "--delete", tag) is not None
    assert Release.last(released) is None
    me = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for subject in ("Release 1.0.0", "Release the lock"):
        assert git(released, *me, "commit", "--quiet", "--allow-empty", "-m", subject) is not None
    release = Release.last(released)
    assert release is not None
    assert git(released, "log", "-1", "--format=%s", release.tag) == "Release 1.0.0\n"
