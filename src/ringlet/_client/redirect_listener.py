"""Listens at a loopback redirect URI for one authorization response (RFC 8252 section 7.3).

Rules of this file:
* The listener binds all loopback addresses that the host name of the URI stands for (`localhost`: 127.0.0.1
  and ::1). Otherwise another program could bind the other address and receive the code.
* A request is accepted if it is a GET of exactly the URI's path and host, with an OAuth response in its
  query. Any other request (a favicon, a web page that guesses the port) is answered 404.
* Only one response is accepted. The browser is sent a page before `take` is called with the response. The
  caller compares the `state`, to see whether the response belongs to its sign-in.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from .._net.loopback import FAMILIES
from .._oauth.grant import LOCAL_REDIRECT_URIS
from ..errors import Action, Cure, RingletError

ADDRESS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ringlet</title><style>body{{font:1.1rem/1.5 system-ui;margin:4rem auto;max-width:34rem;padding:0 1rem}}
:root{{color-scheme:light dark}}</style><h1>{title}</h1><p>{words}</p></html>
"""
RECEIVED_PAGE = ("Back to the terminal", "The answer has arrived, and you can close this page.")
PASTE_ADDRESS_PAGE = (
    "One step more",
    "Copy the address of this page, all of it, and paste it into the terminal.",
)
NOT_FOUND_PAGE = ("Nothing here", "This address waits for one answer of a sign-in.")


def is_local(redirect_uri: str) -> bool:
    """Whether a redirect URI is a loopback address of this machine, at which `Listener` can listen."""
    target = urlsplit(redirect_uri)
    return target.scheme == "http" and target.hostname in FAMILIES


class Listener:
    """Listens at a local redirect URI in a `with` block, and calls `take` with the query of the response.

    With `fragment` (for the implicit flow) the response is in the fragment of the URL, which browsers do not
    send to servers. So `take` is not called, and the page asks the user to paste the URL into the terminal.
    Entering the `with` block raises RingletError if the port cannot be opened.
    """

    def __init__(self, redirect_uri: str, take: Callable[[str], None], *, fragment: bool = False) -> None:
        self.redirect_uri = redirect_uri
        self.fragment = fragment
        self._take = take
        self._first = threading.Lock()
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> Self:
        target = urlsplit(self.redirect_uri)
        try:
            for family in FAMILIES[target.hostname or ""]:
                server = _bound(family, target.port or 80, self._handler())
                if server:
                    self._servers.append(server)
                    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        except OSError as broken:
            self._close()
            words = (
                "is in use" if broken.errno == errno.EADDRINUSE else f"cannot be opened: {broken.strerror}"
            )
            other = next(uri for uri in LOCAL_REDIRECT_URIS if urlsplit(uri).port != target.port)
            raise RingletError(
                f"port {target.port or 80} of the redirect URI {words}",
                cure=Cure(
                    f"end the program that uses it, or register {other} as well and sign in with that",
                    Action.SIGN_IN,
                    redirect_uri=other,
                ),
            ) from broken
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self
        target = urlsplit(self.redirect_uri)

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                requested = urlsplit(self.path)
                # A request with another host name may come from a web page that uses DNS rebinding.
                if requested.path != (target.path or "/") or self.headers.get("host") != target.netloc:
                    self._say(404, NOT_FOUND_PAGE)
                elif listener.fragment:
                    self._say(200, PASTE_ADDRESS_PAGE)
                elif not _is_answer(requested.query) or not listener._first.acquire(blocking=False):
                    self._say(404, NOT_FOUND_PAGE)
                else:
                    self._say(200, RECEIVED_PAGE)
                    listener._take(requested.query)

            def _say(self, status: int, page: tuple[str, str]) -> None:
                title, words = page
                body = PAGE.format(title=title, words=words).encode()
                self.send_response_only(status)
                for name, value in {**_HEADERS, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Logs nothing, because the request line contains the code."""

        return Handler


_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "connection": "close",
}


def _is_answer(query: str) -> bool:
    """Whether a query is an authorization response, or an error response (RFC 6749 section 4.1.2)."""
    names = parse_qs(query, keep_blank_values=True).keys()
    return "state" in names and bool({"code", "error"} & names)


def _bound(
    family: socket.AddressFamily, port: int, handler: type[BaseHTTPRequestHandler]
) -> ThreadingHTTPServer | None:
    """A server on the loopback address of a family (IPv4, IPv6); None if this machine lacks the family."""

    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True
        # On Windows, address reuse would let another program listen on the same port.
        allow_reuse_address = os.name != "nt"

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Logs nothing, since the only errors here are those of browsers that disconnect."""

    try:
        return Server((ADDRESS[family], port), handler)
    except OSError as broken:
        if family == socket.AF_INET6 and broken.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise
