"""Opens listening sockets, and returns their URLs."""

from __future__ import annotations

import errno
import socket
import sys

from ..errors import Action, Cure, RingletError

BACKLOG = 2048
"""The most connections that wait for the server to accept them; the system refuses more."""


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; with port 0, at any free port.

    Raises RingletError if the port is in use or this machine does not have the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # A restart must not wait until the system has forgotten the old connections (TIME_WAIT, RFC 9293
            # section 3.6.1). On Windows the option means something else: two servers could share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise RingletError(
                f"port {port} on {host} is taken",
                cure=Cure("ask for port 0, which is any free port", Action.REPEAT, port="0"),
            ) from None
        raise RingletError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            cure=Cure("listen on an address of this machine", Action.SERVE, host="127.0.0.1", port="0"),
        ) from None
    return listener


def base_url(listener: socket.socket) -> str:
    """The URL under which this machine reaches a listening socket, e.g. `http://127.0.0.1:8000`."""
    bound: tuple[str, int] = listener.getsockname()[:2]
    host, port = bound
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
