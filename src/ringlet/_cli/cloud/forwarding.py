"""Forwards events to a receiver for `ringlet listen`, signed and sent as a cloud sends them.

Rules of this file:
* Events are forwarded one after the other, in the order of the log. An event that the receiver refuses is
  sent again until the receiver accepts it. (A cloud gives up after ten retries. Here a developer is changing
  the receiver, so the event is not given up.)
* As Oura documents, 2xx and 3xx within ten seconds are a success, and 410 ends the subscription. There is one
  exception: a 3xx that only adds or removes the last slash of the path is a failure. Web frameworks send it
  for a route that is spelled differently, and then the receiver's code has not got the event.
* A failure is reported when its reason changes, and at the first, second, fourth, eighth ... attempt. A
  command that skips the event is suggested once.
* Events may be forwarded to any address, because the user names it. (A cloud checks the addresses of
  callbacks, because untrusted clients name them.)
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
TRIES_BEFORE_SKIP_IS_SUGGESTED = 5
"""The number of failed attempts after which `listen --from-now` is suggested. Five attempts take ten seconds,
or a minute if the receiver does not answer."""
SHOWN_CHARACTERS = 100
"""How many characters of a receiver's response are shown."""


class Forwarder:
    """Forwards events to one URL.

    `say` is called with the outcome of attempts, as text. `on_stuck` is called once, when several attempts
    have failed.
    """

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
        """The URL without its query, which may contain a secret."""
        return _without_query(self.url)

    @property
    def receiver(self) -> str:
        """The URL by which the bookmark knows this receiver: without the last slash of the path."""
        path, mark, query = self.url.partition("?")
        return path.rstrip("/") + mark + query

    def prove(self, verification_token: str) -> None:
        """Send the receiver a challenge, as Oura does for a new subscription.

        Raises RingletError if the receiver does not answer the challenge.
        """
        challenge = secrets.token_hex(16)
        seen = self._send("GET", challenge_url(self.url, verification_token, challenge), {})
        if not is_proof(seen.status or 0, seen.body, challenge):
            raise RingletError(
                f"the receiver does not answer its challenge: {_failure(self.url, seen)}",
                cure='let it answer 200 with {"challenge": "..."}, and give it the same verification token',
            )

    def forward(self, event: Event) -> None:
        """Send one event until the receiver accepts it. Raises RingletError if the receiver responds 410."""
        failures, said = 0, ""
        while True:
            body = event.body
            seen = self._send("POST", self.url, signed_headers(self.secret, body, now=time.time()), body)
            if seen.status == GONE:
                raise RingletError(
                    "the receiver answered 410, which ends a subscription",
                    cure="let the receiver answer 200, and run it again: it continues with this event",
                )
            if seen.status is not None and 200 <= seen.status < 400 and not _slash_missed(self.url, seen):
                self.say(f"→ {seen.status}  {seen.took * 1000:.0f} ms")
                return
            failures += 1
            outcome = _failure(self.url, seen)
            wait = self.retry_policy.wait_s(failures)
            if outcome != said or failures & (failures - 1) == 0:
                self.say(f"→ {outcome}, try {failures}; trying again in {wait:.0f} s")
            said = outcome
            if failures == TRIES_BEFORE_SKIP_IS_SUGGESTED and self._on_stuck:
                self._on_stuck()
                self._on_stuck = None
            time.sleep(wait)

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Exchange:
        return self._runner.run(self._dialer.send(method, url, headers, body))


def receiver_url(text: str) -> str:
    """Convert what the user typed to a URL: a URL, HOST:PORT, or a port of this machine.

    Raises UsageError for any other text.
    """
    where = f"localhost:{text}" if text.isdecimal() else text
    url = where if "://" in where else f"http://{where}"
    alone, slash, path = _without_query(text).partition("/")
    if slash and alone.isdecimal():
        raise UsageError(
            f"expected a host or a port, and {alone} alone before a path is neither",
            cure=f"write a port of this machine as --forward-to localhost:{alone}/{path}",
        )
    try:
        ANYWHERE.check_url(url)
    except UsageError as wrong:
        raise UsageError(wrong.message, cure="e.g. --forward-to http://localhost:8000/oura/") from None
    return url


def _failure(url: str, seen: Exchange) -> str:
    """Say why the receiver did not accept a request, as text for the user."""
    if seen.status is None:
        return seen.reason
    if _slash_missed(url, seen):
        target = screen.printable(_without_query(_leads_to(url, seen)))
        return f"{seen.status}, a redirect to {target[:200]}: forward to that URL, redirects are not followed"
    said = _first_line(seen.body) if seen.status >= 400 else ""
    return f"{seen.status}{said and f' {said}'}"


def _slash_missed(url: str, seen: Exchange) -> bool:
    if seen.status is None or not 300 <= seen.status < 400:
        return False
    here, target = urlsplit(url).path, urlsplit(_leads_to(url, seen)).path
    return here != target and here.rstrip("/") == target.rstrip("/")


def _leads_to(url: str, seen: Exchange) -> str:
    """The URL to which a redirect leads, or the requested URL if the Location header is not a valid URL."""
    try:
        target = urljoin(url, seen.headers.get("location", ""))
        urlsplit(target)
    except ValueError:
        return url
    return target


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _first_line(body: bytes) -> str:
    """The first line of a receiver's response; empty if the response is an HTML page."""
    lines = body.decode(errors="replace").strip().splitlines()
    return screen.printable(lines[0])[:SHOWN_CHARACTERS] if lines and not lines[0].startswith("<") else ""
