"""The page's files: vendored as pinned, complete, and without anything from elsewhere."""

import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from graphql import parse

from hub.graphql.schema import make_schema
from hub.web.dashboard import vendor
from hub.web.dashboard.documents import FILE, page_documents

STATIC = vendor.HERE / "static"
OWN = sorted([vendor.HERE / "index.html", *STATIC.glob("css/*.css"), *STATIC.glob("js/*.js")])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the vendored files to where a test may spoil them, at the same depth."""
    here = tmp_path / "hub" / "web" / "dashboard"
    shutil.copytree(vendor.HERE, here)
    tests = vendor.folder(vendor.HERE, vendor.pinned(vendor.HERE)["axe-core"])
    shutil.copytree(tests, tmp_path / "tests" / "e2e" / "vendor")
    assert list(vendor.differences(here)) == []
    return here


def test_the_vendored_files_are_as_pinned() -> None:
    assert list(vendor.differences()) == []


def test_a_changed_file_is_found(copy: Path) -> None:
    with (copy / "static" / "vendor" / "preact.js").open("a") as file:
        file.write("\n")
    assert list(vendor.differences(copy)) == ["preact: preact.js differs from vendor.lock"]


def test_a_missing_and_a_foreign_file_are_found(copy: Path) -> None:
    (copy / "static" / "vendor" / "htm.js").unlink()
    (copy / "static" / "vendor" / "more.js").write_text("")
    assert list(vendor.differences(copy)) == [
        "htm: htm.js is missing",
        "more.js: no package in vendor.toml lists it",
    ]


def test_another_integrity_than_the_locked_one_is_found(copy: Path) -> None:
    pins = copy / "vendor.toml"
    pins.write_text(pins.read_text().replace("sha512-983V", "sha512-AAAA"))
    assert list(vendor.differences(copy)) == [
        "htm: vendor.toml and vendor.lock disagree on the integrity"
    ]


def test_a_package_with_another_integrity_is_refused_and_changes_nothing(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for npm's client on the PATH, which delivers another archive than the pinned one.
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho forged > "$5/preact.tgz"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    with pytest.raises(SystemExit, match=r"preact .* is not what vendor\.toml pins"):
        vendor.fetch(copy)
    assert list(vendor.differences(copy)) == []


def test_integrity_is_computed_as_npm_publishes_it() -> None:
    # "abc" under SHA-512 is the example of FIPS 180-4, here in the base64 of Subresource Integrity.
    assert vendor.integrity(b"abc") == (
        "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
    )


def test_a_rewrite_that_finds_nothing_is_refused() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("package/a.js")
        source = b'import "b";\n//# sourceMappingURL=a.js.map\n'
        entry.size = len(source)
        tar.addfile(entry, io.BytesIO(source))
    package = {"files": {"a.js": "a.js"}, "rewrite": {'"b"': '"./b.js"'}}

    assert vendor.unpack(package, archive.getvalue()) == {"a.js": b'import "./b.js";\n'}
    package["rewrite"] = {'"c"': '"./c.js"'}
    with pytest.raises(SystemExit, match="nothing to rewrite"):
        vendor.unpack(package, archive.getvalue())


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_names_no_other_origin_and_keeps_to_its_policy(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.findall(r"""["'(=](?:https?:)?//[a-z0-9-]+\.[a-z]""", source)
    if path.suffix == ".html":
        assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", source)
    if path.suffix == ".js":
        assert not re.findall(r"\beval\(|new Function|innerHTML|\sstyle=", source)


def test_every_module_is_preloaded_so_that_none_waits_for_another() -> None:
    index = (vendor.HERE / "index.html").read_text(encoding="utf-8")
    loaded = set(re.findall(r'(?:href|src)="/static/([^"]+)"', index))
    shipped = {str(path.relative_to(STATIC)) for path in STATIC.rglob("*.js")}
    shipped |= {str(path.relative_to(STATIC)) for path in STATIC.rglob("*.css")}
    assert shipped - loaded == set()
    assert all((STATIC / path).is_file() for path in loaded)


def test_the_page_asks_only_what_the_schema_answers() -> None:
    documents = page_documents()
    exported = re.findall(r"export const (\w+)", FILE.read_text(encoding="utf-8"))
    assert list(documents) == exported
    schema = make_schema()
    for name, document in documents.items():
        assert schema.check(parse(document)) == [], name
