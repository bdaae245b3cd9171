"""Debian's packages, for the tests that need more than wheels: installed where that is allowed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# What a system's daemon needs is not always on a user's PATH.
PATH = f"{os.defpath}:/usr/sbin:/sbin"


class MissingSystem(Exception):
    """The system is not installed, and whoever runs this may not install it."""


def install(what: str, packages: Sequence[str], service: str | None = None) -> None:
    """Install what is missing of `packages`; without root, say what to run.

    `service`, which Debian would start now and at every boot, is masked; `systemctl unmask` gives
    it back.
    """
    if not (missing := [package for package in packages if not _is_installed(package)]):
        return
    command = ("apt-get", "install", "--yes", "--no-install-recommends", *missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingSystem(
            f"{what} is not installed. Run as root on Debian or Ubuntu:\n"
            f"  apt-get update && {' '.join(command)}"
        )
    if service is not None:
        mask = Path("/etc/systemd/system") / f"{service}.service"
        mask.parent.mkdir(parents=True, exist_ok=True)
        if not mask.is_symlink():
            mask.symlink_to("/dev/null")
    for words in (("apt-get", "update"), command):
        done = subprocess.run(
            words,
            # At run level 1 no package starts its daemon, with or without systemd.
            env={"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {(done.stdout + done.stderr)[-2000:]}")


def _is_installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout == "installed"
