"""The system of record: every table and every query of the program."""

from sqlalchemy.ext.asyncio import AsyncConnection as Connection

from hub.store.engine import Store, database_url, open_store

__all__ = ["Connection", "Store", "database_url", "open_store"]
