"""Vendor the dashboard's browser libraries from npm packages.

`python hub/web/dashboard/vendor.py` fetches what vendor.toml pins (with `npm pack`, which only the
person who renews a library needs) and writes vendor.lock; `--check` compares the committed files
with both, offline. A package is refused unless its archive has the integrity that vendor.toml pins.
"""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def pinned(here: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads((here / "vendor.toml").read_text(encoding="utf-8"))


def folder(here: Path, package: dict[str, Any]) -> Path:
    into: str = package.get("into", "static/vendor")
    return (here / into).resolve()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def integrity(archive: bytes) -> str:
    """Compute what npm publishes as `dist.integrity` (Subresource Integrity, SHA-512)."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


def download(name: str, version: str) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", place]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - no shell, our own pins
        (archive,) = Path(place).iterdir()
        return archive.read_bytes()


def rewritten(source: bytes, rewrites: dict[str, str]) -> bytes:
    for before, after in rewrites.items():
        source = source.replace(before.encode(), after.encode())
    # The map is not vendored; the line would make every developer console ask for it.
    lines = source.split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def unpack(package: dict[str, Any], archive: bytes) -> dict[str, bytes]:
    """Read the listed files out of a package; a rewrite that finds nothing to change is refused."""
    files: dict[str, bytes] = {}
    rewrites: dict[str, str] = package.get("rewrite", {})
    unused = set(rewrites)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for path, name in package["files"].items():
            member = tar.extractfile(f"package/{path}")
            if member is None:
                sys.exit(f"{path} is no file in the package")
            content = member.read()
            if name.endswith(".js"):
                unused -= {before for before in rewrites if before.encode() in content}
                content = rewritten(content, rewrites)
            files[name] = content
    if unused:
        sys.exit(f"nothing to rewrite for {sorted(unused)}: has the package changed its layout?")
    return files


def fetch(here: Path = HERE) -> None:
    lock: dict[str, Any] = {}
    for name, package in pinned(here).items():
        archive = download(name, package["version"])
        if (found := integrity(archive)) != package["integrity"]:
            sys.exit(
                f"{name} {package['version']} is not what vendor.toml pins:\n"
                f"  pinned      {package['integrity']}\n  downloaded  {found}\n"
                "compare with `npm view NAME@VERSION dist.integrity` before you change the pin"
            )
        files = unpack(package, archive)
        place = folder(here, package)
        place.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (place / file).write_bytes(content)
        lock[name] = {
            "version": package["version"],
            "integrity": found,
            "files": {file: sha256(content) for file, content in files.items()},
        }
    (here / "vendor.lock").write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")


def differences(here: Path = HERE) -> Iterator[str]:
    """Tell every way in which the committed files, vendor.lock and vendor.toml disagree."""
    pins = pinned(here)
    lock: dict[str, Any] = json.loads((here / "vendor.lock").read_text(encoding="utf-8"))
    known: dict[Path, set[str]] = {}
    for name, package in pins.items():
        place = folder(here, package)
        known.setdefault(place, set()).update(package["files"].values())
        for wrong in _compared(place, package, lock.pop(name, {"files": {}})):
            yield f"{name}: {wrong}"
    yield from (f"{name}: in vendor.lock, not in vendor.toml" for name in lock)
    for place, files in known.items():
        for path in sorted(place.iterdir() if place.is_dir() else ()):
            if path.name not in files:
                yield f"{path.name}: no package in vendor.toml lists it"


def _compared(place: Path, package: dict[str, Any], locked: dict[str, Any]) -> Iterator[str]:
    for what in ("version", "integrity"):
        if package[what] != locked.get(what):
            yield f"vendor.toml and vendor.lock disagree on the {what}"
    files = set(package["files"].values())
    if files != set(locked["files"]):
        yield "vendor.toml and vendor.lock list different files"
    if not any(".LICENSE" in file for file in files):
        yield "its licence is not beside it"
    for file, digest in locked["files"].items():
        path = place / file
        if not path.is_file():
            yield f"{file} is missing"
        elif sha256(path.read_bytes()) != digest:
            yield f"{file} differs from vendor.lock"


def main(arguments: list[str]) -> None:
    if arguments not in ([], ["--check"]):
        sys.exit("usage: vendor.py [--check]")
    if not arguments:
        fetch()
    if wrong := list(differences()):
        sys.exit("\n".join(["vendored files are not as pinned:", *wrong]))
    sys.stdout.write("vendored files match vendor.lock and vendor.toml\n")


if __name__ == "__main__":
    main(sys.argv[1:])
