"""An application's server on a free port: receives challenges, events and authorization codes.

It runs in a thread, for tests that block or start processes. Tests in an event loop use
`cloud/async_callback.py`.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TIMEOUT_S = 20.0
PAGE = b"<!doctype html><title>Back</title>Back at the application"


class CallbackServer(ThreadingHTTPServer):
    """Answers challenges correctly and acknowledges every event, unless a test sets another answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/oura?key=hidden"
        """The callback URL; its query is a secret."""
        self.redirect_uri = f"http://localhost:{self.server_port}/callback"
        self.token: str | None = None
        """The only verification token that it answers with the challenge; None accepts any."""
        self.statuses: list[int | None] = []
        """The statuses for the next events, before `status` applies; None closes the connection instead."""
        self.status = 200
        self.response_body = b""
        self.redirect_target = "http://127.0.0.1:9/elsewhere"
        """The `Location` of an answer with a 3xx status."""
        self.challenges: list[dict[str, list[str]]] = []
        """The query of each challenge."""
        self.events: list[tuple[dict[str, str], bytes]] = []
        """Headers, by names in lower case, and body of each event."""
        self.redirect_queries: list[dict[str, list[str]]] = []
        """The queries with which browsers were redirected here after consent."""

    def wait_for_events(self, events: int) -> None:
        """Wait until at least `events` events have arrived."""
        deadline = time.monotonic() + TIMEOUT_S
        while len(self.events) < events:
            assert time.monotonic() < deadline, f"{len(self.events)} of {events} events arrived"
            time.sleep(0.02)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback if a client closes its connection early."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CallbackServer

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        query = parse_qs(where.query, keep_blank_values=True)
        if where.path == "/callback":
            self.server.redirect_queries.append(query)
            self._answer(200, PAGE, "text/html")
        elif "challenge" in query:
            self.server.challenges.append(query)
            accepted = self.server.token in (None, *query["verification_token"])
            proof = json.dumps({"challenge": query["challenge"][0]}).encode()
            self._answer(200 if accepted else 401, proof, "application/json")
        else:
            self._answer(204)  # a browser asks for an icon

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.events.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status = self.server.statuses.pop(0) if self.server.statuses else self.server.status
        if status is None:
            self.close_connection = True
        else:
            self._answer(status, self.server.response_body)

    def _answer(self, status: int, body: bytes = b"", media_type: str = "text/plain") -> None:
        self.send_response(status)
        if status // 100 == 3:
            self.send_header("location", self.server.redirect_target)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
