"""The archive: a SQLite file or PostgreSQL database with the user's data, byte for byte as Oura sent it."""

from ._archive.archive import Archive, Change, Counts, Observer, Packed, TypeOverview, User, default_place

__all__ = ["Archive", "Change", "Counts", "Observer", "Packed", "TypeOverview", "User", "default_place"]
