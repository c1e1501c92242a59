"""Events handed on to a receiver by `ringlet listen`: signed and sent as the cloud sends them.

Rules of this file:
* One after the other, in the log's order. An event that a receiver does not take is sent again until it does:
  a cloud gives up after ten retries, but here somebody is just mending the receiver.
* 2xx and 3xx within ten seconds are a success, 410 is the end: so Oura documents it. But for one: a 3xx that
  leads to the same path with its last slash, or without, comes from a framework that knows no such path, and
  nothing there has seen the event.
* What is told of a failure is sparse: when it changes, and at the first, second, fourth, eighth ... try. How
  to go on without the event is told once.
* Any address may be forwarded to: it is not a stranger's wish, as a callback is, but one's own.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from ipaddress import ip_network
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

from ..._api.wire import RetryPolicy
from ..._net.addresses import AddressPolicy
from ..._net.dial import Dialer
from ..._webhooks.events import Event, challenge_url, is_proof, signed_headers
from ...errors import RingletError, UsageError
from ..shared import screen

if TYPE_CHECKING:
    from ..._net.dial import Exchange

ANYWHERE = AddressPolicy(name="lan", networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
BACK_OFF = RetryPolicy(first_wait_s=1.0, max_wait_s=60.0)
GONE = 410
STUCK = 5
"""Tries of one event after which somebody may want to go on without; they take ten seconds, or a minute."""
SHOWN = 100
"""Characters of a receiver's answer that are told."""


class Forwarder:
    """Hands events on to one URL. `say` is told what became of them, `on_stuck` that one is not taken."""

    def __init__(
        self,
        url: str,
        secret: str,
        say: Callable[[str], None],
        retry_policy: RetryPolicy = BACK_OFF,
        on_stuck: Callable[[], None] | None = None,
    ) -> None:
        self.url = url
        self.secret = secret
        self.say = say
        self.retry_policy = retry_policy
        self._on_stuck = on_stuck
        self._dialer = Dialer(ANYWHERE)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._dialer.close())
        self._runner.close()

    @property
    def shown_url(self) -> str:
        """The URL without its query, which may hold a secret."""
        return _without_query(self.url)

    @property
    def receiver(self) -> str:
        """The URL by which its place is kept: the same with and without the path's last slash."""
        path, mark, query = self.url.partition("?")
        return path.rstrip("/") + mark + query

    def prove(self, verification_token: str) -> None:
        """Let the receiver prove itself, as at the start of a subscription. Raises RingletError."""
        challenge = secrets.token_hex(16)
        seen = self._send("GET", challenge_url(self.url, verification_token, challenge), {})
        if not is_proof(seen.status or 0, seen.body, challenge):
            raise RingletError(
                f"the receiver does not answer its challenge: {_failure(self.url, seen)}",
                cure='let it answer with 200 and {"challenge": "..."}, and know the same verification token',
            )

    def forward(self, event: Event) -> None:
        """Send one event until it is taken. Raises RingletError at 410."""
        failures, said = 0, ""
        while True:
            body = event.body
            seen = self._send("POST", self.url, signed_headers(self.secret, body, now=time.time()), body)
            if seen.status == GONE:
                raise RingletError(
                    "the receiver answered 410, which ends a subscription",
                    cure="let it answer 200, and run it again: it goes on from this event",
                )
            if seen.status is not None and 200 <= seen.status < 400 and not _slash_missed(self.url, seen):
                self.say(f"→ {seen.status}  {seen.took * 1000:.0f} ms")
                return
            failures += 1
            outcome = _failure(self.url, seen)
            wait = self.retry_policy.wait_s(failures)
            if outcome != said or failures & (failures - 1) == 0:
                self.say(f"→ {outcome}, try {failures}; again in {wait:.0f} s")
            said = outcome
            if failures == STUCK and self._on_stuck:
                self._on_stuck()
                self._on_stuck = None
            time.sleep(wait)

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Exchange:
        return self._runner.run(self._dialer.send(method, url, headers, body))


def receiver_url(text: str) -> str:
    """Where to forward to: a URL, host and port, or a port here, as people type them. Raises UsageError."""
    where = f"localhost:{text}" if text.isdecimal() else text
    url = where if "://" in where else f"http://{where}"
    alone, slash, path = _without_query(text).partition("/")
    if slash and alone.isdecimal():
        raise UsageError(
            f"{alone} alone is no host",
            cure=f"a port here is written so: --forward-to localhost:{alone}/{path}",
        )
    try:
        ANYWHERE.check_url(url)
    except UsageError as wrong:
        raise UsageError(wrong.message, cure="e.g. --forward-to http://localhost:8000/oura/") from None
    return url


def _failure(url: str, seen: Exchange) -> str:
    """Why an event was not taken, in words."""
    if seen.status is None:
        return seen.reason
    if _slash_missed(url, seen):
        there = screen.printable(_without_query(_leads_to(url, seen)))
        return f"{seen.status}, leading to {there[:200]}: name that, redirects are not followed"
    said = _first_line(seen.body) if seen.status >= 400 else ""
    return f"{seen.status}{said and f' {said}'}"


def _slash_missed(url: str, seen: Exchange) -> bool:
    if seen.status is None or not 300 <= seen.status < 400:
        return False
    here, there = urlsplit(url).path, urlsplit(_leads_to(url, seen)).path
    return here != there and here.rstrip("/") == there.rstrip("/")


def _leads_to(url: str, seen: Exchange) -> str:
    """Where a redirect leads; nowhere else where that cannot be read."""
    try:
        there = urljoin(url, seen.headers.get("location", ""))
        urlsplit(there)
    except ValueError:
        return url
    return there


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _first_line(body: bytes) -> str:
    """What a receiver says about itself, unless it is a page for browsers."""
    lines = body.decode(errors="replace").strip().splitlines()
    return screen.printable(lines[0])[:SHOWN] if lines and not lines[0].startswith("<") else ""
