"""Copies of a SQLite database: made while a hub writes to it, checked, and put back whole."""

import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from hub.errors import ConfigError, StoreUnavailable
from hub.store.schema import check_known

PAGES = 4096  # copied at a time: what watches gets to say something
GAP = 1_000_000_000  # numbers left out after a restore: none of the log that is gone comes again

Progress = Callable[[int, int], None]  # pages left, pages in all


def back_up(database: Path, file: Path, *, force: bool, progress: Progress | None = None) -> int:
    """Copy a database, as it is at this moment, into one file; give its size in bytes.

    Writers are not held up. The file is complete or not there. Raises ConfigError,
    StoreUnavailable.
    """
    _check_database(database)
    _check_target(database, file, force=force)
    with _partial(file) as part:
        with _explained(f"the backup {file} cannot be written"):
            _copy(database, part, "rw", progress)
            _check_copy(part)
        _put(part, file, force=force)
    return file.stat().st_size


def check_backup(file: Path) -> str:
    """Give the revision of a backup's schema. Raises ConfigError for what is no backup."""
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", "Name a backup") from None
    try:
        with closing(_opened(file)) as connection:
            _check_integrity(connection)
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(
            f"{file} is no backup of a hub: {error}", "Name a file that hub backup wrote"
        ) from None
    if not found:
        raise ConfigError(f"{file} is empty", "Name a file that hub backup wrote")
    check_known(found[0])
    return str(found[0])


@contextmanager
def restored(file: Path, database: Path, *, force: bool) -> Generator[Path]:
    """Give a copy of a backup to be made ready; at the end it takes the database's place.

    Nobody else may have the database open meanwhile. Raises ConfigError, StoreUnavailable.
    """
    check_backup(file)
    if database.exists() and not force:
        raise ConfigError(
            f"there is a database at {database} already",
            "Add --force to put the backup in its place; back it up before: hub backup FILE",
        )
    if database.exists() and database.samefile(file):
        raise ConfigError(f"{file} is the database itself", "Name a backup")
    with _nobody_else(database), _partial(database) as part:
        with _explained(f"{part.parent} cannot be written"):
            _copy(file, part, "ro")
        yield part
        with _explained(f"{part.parent} cannot be written"):
            _skip_numbers(part)
            _check_copy(part)
        # What the old one had not merged yet must not be merged into the new one.
        for suffix in ("-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        _put(part, database, force=True)


def forgotten_in(database: Path) -> Sequence[tuple[str, str]] | None:
    """Read the list of the forgotten; None where the database is too broken, or too old, for it."""
    try:
        with closing(_opened(database, "rw")) as connection:
            return list(connection.execute("SELECT digest, at FROM forgotten"))
    except sqlite3.Error:
        return None


def add_forgotten(database: Path, rows: Sequence[tuple[str, str]]) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT OR IGNORE INTO forgotten (digest, at) VALUES (?, ?)", rows)


def _check_database(database: Path) -> None:
    if not database.is_file():
        raise ConfigError(
            f"there is no database at {database}", "See whether HUB_DATABASE is right"
        )


def _check_target(database: Path, file: Path, *, force: bool) -> None:
    if not file.parent.is_dir():
        raise ConfigError(f"there is no folder {file.parent}", "Create it")
    if file.is_dir():
        raise ConfigError(f"{file} is a folder", "Name a file in it")
    if not file.exists():
        return
    if file.samefile(database):
        raise ConfigError(f"{file} is the database itself", "Name another file")
    if not force:
        raise ConfigError(f"{file} is there already", "Name another file, or add --force")


@contextmanager
def _partial(file: Path) -> Generator[Path]:
    """Make an empty file beside another, for its owner's eyes; it is gone in the end."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ConfigError(
            f"{file.parent} cannot be written: {error.strerror}", "Name a file elsewhere"
        ) from None
    try:
        yield part
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(
            f"{what}: {error}", "Free some space, or see who may write"
        ) from error


def _copy(source: Path, target: Path, mode: str, progress: Progress | None = None) -> None:
    def told(_: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(remaining, total)

    with closing(_opened(source, mode)) as from_, closing(sqlite3.connect(target)) as to:
        # Within one transaction the pages are those of one moment: writers go on beside it, and
        # the copy does not begin anew whenever they have written.
        from_.execute("BEGIN")
        from_.execute("SELECT count(*) FROM sqlite_master").fetchone()
        from_.backup(to, pages=PAGES, progress=told)
        # A file by itself: readable where nothing beside it can be written.
        to.execute("PRAGMA journal_mode=DELETE")


def _opened(file: Path, mode: str = "ro") -> sqlite3.Connection:
    """Open a file, and never make one. `rw`: what is in its -wal is merged, as when a hub ends."""
    url = f"file:{quote(str(file.resolve()))}?mode={mode}"
    return sqlite3.connect(url, uri=True, isolation_level=None, timeout=5)


def _check_copy(part: Path) -> None:
    with closing(_opened(part)) as connection:
        _check_integrity(connection)
    for path, flags in ((part, os.O_RDWR), (part.parent, os.O_RDONLY)):
        opened = os.open(path, flags)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _check_integrity(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {found}")


def _put(part: Path, file: Path, *, force: bool) -> None:
    if force:
        part.replace(file)
        return
    try:
        os.link(part, file)  # unlike a rename it never replaces what somebody wrote meanwhile
    except FileExistsError:
        raise ConfigError(f"{file} is there already", "Name another file, or add --force") from None
    except OSError:
        part.rename(file)  # a file system without links


@contextmanager
def _nobody_else(database: Path) -> Generator[None]:
    """Keep a database to ourselves. Raises ConfigError where a hub has it open."""
    if not database.exists():
        yield
        return
    with closing(sqlite3.connect(database, isolation_level=None, timeout=1)) as connection:
        try:
            # In WAL mode everybody who has it open is in the way of this, idle or not.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"somebody has {database} open ({error})", "Stop the hub first"
            ) from None
        except sqlite3.DatabaseError:
            pass  # it is broken, which may be why it is restored
        yield


def _skip_numbers(database: Path) -> None:
    """Go on numbering far above: a cursor of the log that is gone then says that it is."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE log_head SET seq = seq + ?", (GAP,))
