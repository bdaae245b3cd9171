"""The system of record: every table and every query of the program."""

from hub.store.engine import Store, database_url, open_store

__all__ = ["Store", "database_url", "open_store"]
