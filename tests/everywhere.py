"""Every byte that a database keeps, searched for words that should be in none."""

from pathlib import Path

import asyncpg

from hub.store import Store


async def places(store: Store, *words: str) -> list[str]:
    """Name where the words stand: tables of PostgreSQL, or bytes of SQLite's files."""
    if store.is_sqlite:
        await store.forget_pages()
        file = Path(store.url.database or "")
        texts = {
            path.name: path.read_bytes().decode("latin-1")
            for path in sorted(file.parent.glob(f"{file.name}*"))
            if not path.name.endswith("-shm")
        }
        assert file.name in texts
    else:
        texts = await _tables(store.url.set(drivername="postgresql").render_as_string())
    return [
        f"{name}: …{text[max(0, at - 60) : at + 60]!r}…"
        for name, text in texts.items()
        for word in words
        if (at := text.casefold().find(word.casefold())) >= 0
    ]


async def _tables(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        return {
            name: "\n".join(
                row["all"]
                for row in await connection.fetch(f'SELECT "{name}"::text AS all FROM "{name}"')  # noqa: S608
            )
            for (name,) in names
        }
    finally:
        await connection.close()
