"""The commands that fill and read the archive: sync, status, show, api."""
