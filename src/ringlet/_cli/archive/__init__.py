"""Commands about the archive: sync, status, show, api."""
