"""Receivers that verify the bytes that came, from Oura's documents and the standard library: nothing of ours.

    python raw_bytes.py PATTERN CLIENT_SECRET VERIFICATION_TOKEN

PATTERN is how integrations were seen to do it: `documents` compares exactly, `tidepool` does so and refuses
a challenge with 403, `open-wearables` takes either case. The first line on stdout is the port, then one line
for each event: what came, and whether it was believed.
"""

import base64
import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATTERN, CLIENT_SECRET, VERIFICATION_TOKEN = sys.argv[1:]
DENIED = {"documents": 401, "tidepool": 403, "open-wearables": 401}[PATTERN]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def is_signed(timestamp: str, signature: str, body: bytes) -> bool:
    expected = hmac.new(CLIENT_SECRET.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest().upper()
    if PATTERN == "open-wearables":
        signature = signature.upper()
    return hmac.compare_digest(expected.encode(), signature.encode())


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: two would wait for each other on the way

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if query.get("verification_token") == [VERIFICATION_TOKEN]:
            self._answer(200, json.dumps({"challenge": query["challenge"][0]}).encode())
        else:
            self._answer(DENIED, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        timestamp, signature = (
            self.headers.get(f"x-oura-{name}") or "" for name in ("timestamp", "signature")
        )
        believed = is_signed(timestamp, signature, body)
        self._answer(200 if believed else 401, b"")
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"believed": believed, "headers": headers, "body": base64.b64encode(body).decode()}
        say(json.dumps(told))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a cloud opens more than five connections at once


server = Server(("127.0.0.1", 0), Receiver)
say(str(server.server_port))
server.serve_forever()
