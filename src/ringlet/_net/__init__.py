"""Sockets: requests to untrusted servers, and serving untrusted clients, in bounded time and memory."""
