"""What many of these tests begin with; each module says what its `folder` is."""

from collections.abc import Generator

import pytest

from tests.cli import Folder, Here, in_this_process


@pytest.fixture
def here(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Here]:
    """Give what runs a command in this process, where everything is imported already."""
    with in_this_process(folder, monkeypatch, capsys) as run:
        yield run
