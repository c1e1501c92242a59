"""The archive: everything Oura answered, byte for byte, in a SQLite file or a PostgreSQL database."""

from ._archive.archive import Archive, Change, Counts, Observer, Packed, TypeOverview, User, default_place

__all__ = ["Archive", "Change", "Counts", "Observer", "Packed", "TypeOverview", "User", "default_place"]
