"""Sockets: connecting to an address that was checked first, and serving HTTP with bounded time and memory."""
