"""The image of deploy/Dockerfile: built by buildah, which needs no daemon, and run in a chroot.

Its base cannot be fetched here, so debootstrap makes one of the same kind: a small Debian with
Python. Everything after FROM is done as it is written.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli import ROOT
from tests.debian import PATH

HOME = ROOT / "build" / "deploy"
BASE = HOME / "base.tar"
STORE = HOME / "containers"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# What this machine's pip is told, so that the build's finds the same packages.
PIP = [Path("/etc/pip.conf"), Path(AUTHORITIES)]


def buildah(*words: str | Path) -> str:
    places = ("--root", STORE, "--runroot", HOME / "run", "--storage-driver", "overlay")
    return _run("buildah", *places, *words)


def make_base() -> None:
    """Make the base image, once: `localhost/base`."""
    if not BASE.exists():
        folder = HOME / "base"
        shutil.rmtree(folder, ignore_errors=True)
        packages = "--include=python3-venv,ca-certificates"
        _run("debootstrap", "--variant=minbase", packages, "stable", folder)
        for file in PIP:
            if file.exists():
                shutil.copy(file, folder / file.relative_to("/"))
        partial = BASE.with_suffix(".partial")
        _run("tar", "--directory", folder, "--create", "--file", partial, ".")
        partial.rename(BASE)
        shutil.rmtree(folder)
    if "localhost/base" in buildah("images", "--format", "{{.Name}}"):
        return
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, BASE, "/")
    buildah("config", "--env", f"PIP_CERT={AUTHORITIES}", container)
    buildah("commit", "--quiet", container, "localhost/base")
    buildah("rm", container)


@dataclass(frozen=True)
class Image:
    """An image that was built: its files, and how it is to be started."""

    root: Path
    config: dict[str, Any]

    def command(self, *words: str, data: Path, config: Path, **environment: str) -> list[str]:
        """Give what starts it as a container does that is read-only but for /data and /tmp."""
        steps = (
            'mount --rbind "$0" "$0"',
            'mount --bind "$1" "$0/data"',
            'mount --bind "$2" "$0/etc/hub"',
            'mount -o remount,bind,ro "$0/etc/hub"',
            'mount -t tmpfs none "$0/tmp"',
            'mount -t proc none "$0/proc"',
            'mount --bind /dev "$0/dev"',
            'mount -o remount,bind,ro "$0"',
            "root=$0; user=$3; folder=$4; shift 4",
            'exec chroot --userspec="$user" "$root" /usr/bin/env -i --chdir="$folder" "$@"',
        )
        given = [*self.config["Env"], *(f"{name}={value}" for name, value in environment.items())]
        places = (self.root, data, config, self.config["User"], self.config["WorkingDir"])
        return [
            *("unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(steps)),
            *map(str, places),
            *given,
            *words,
        ]

    def hub(self, *words: str) -> list[str]:
        """Give the words that a container begins with; without any, those of CMD."""
        return [*self.config["Entrypoint"], *(words or self.config["Cmd"])]


@contextmanager
def built() -> Generator[Image]:
    make_base()
    file = ROOT / "deploy" / "Dockerfile"
    options = ("--format", "docker", "--isolation", "chroot", "--build-arg", "BASE=localhost/base")
    buildah("bud", "--quiet", *options, "--file", file, "--tag", "localhost/hub", ROOT)
    about = json.loads(buildah("inspect", "--type", "image", "localhost/hub"))
    container = buildah("from", "localhost/hub")
    try:
        yield Image(Path(buildah("mount", container)), about["Docker"]["config"])
    finally:
        buildah("rm", container)
        buildah("rmi", "localhost/hub")


def _run(*words: str | Path) -> str:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PATH": PATH, "BUILDAH_ISOLATION": "chroot"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise RuntimeError(f"{words[0]} ended with {done.returncode}\n{said}")
    return done.stdout.strip()
