"""The data routes, production and sandbox: from the table to stored bytes. No framework.

A request is a path, a query and an Authorization header; the answer is a status, bytes and headers. Documents
are not parsed on the way out, unless `fields` or a scope cuts them: the archive hands their bytes over and
the envelope goes around them.

Rules of this file:
* One order for every route: is there such a route, who asks, may they ask this often, is their membership
  alive, may they read this, does the question parse, what is the answer.
* What differs between `live` and `docs` is named at the place where it differs; bodies and headers stand in
  `profiles`.
* Finished answers are kept until anything in the archive changes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from ..archive import Archive
from ..catalog import ROUTES, AnyKind
from ..errors import (
    ApiError,
    ArchiveError,
    DocumentGone,
    MembershipLapsed,
    NotOffered,
    RequestWrong,
    ScopeMissing,
    TokenDead,
)
from ..kinds import ROOT, SANDBOX, Documents, Inventory, LiveSamples, Samples, Single
from ..windows import FIRST_MS, Profile, Span, default_days, default_instants, parse_bound
from .clock import Clock
from .limits import Exhausted, Limits
from .profiles import Answer, Headers, Invalid, TokenMissing, ok, problem, refuse, unavailable


@dataclass(slots=True)
class Access:
    """What a live token opens, and how much it has been used."""

    user: int
    scopes: frozenset[str]
    expires: float
    """Epoch seconds on the cloud's clock."""
    log: deque[float] = field(repr=False)
    lapsed: bool = False
    """Whether the wearer's membership has ended."""


class Doorkeeper(Protocol):
    """Who knows the tokens."""

    def access(self, token: str) -> Access | None:
        """What a token opens; None when it is unknown, expired or revoked."""
        ...


class Source(Protocol):
    """Where documents come from: the archive, or the simulated person of the sandbox."""

    def texts(
        self, user: int, kind: AnyKind, span: Span, profile: Profile, *, after: str | None, limit: int | None
    ) -> tuple[Sequence[bytes | bytearray], str | None]: ...

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None: ...

    def latest(self, user: int, kind: AnyKind) -> bytes | None: ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a cloud behaves."""

    profile: Profile = "live"
    document_page: int | None = None
    """Documents per page; the real service was seen to return 2,141 in one."""
    sample_page: int = 1000
    """Rows of a series per page."""
    keep: int = 32 << 20
    """How many bytes of finished answers to keep; 0 keeps none."""
    latency: float = 0.0
    """Seconds added to every data answer, to stand in for a network."""


@dataclass(frozen=True, slots=True)
class _Route:
    kind: AnyKind
    sandbox: bool


class Usercollection:
    """All data routes of the table."""

    def __init__(
        self,
        archive: Archive,
        doorkeeper: Doorkeeper,
        sandbox: Source,
        clock: Clock,
        limits: Limits,
        settings: Settings,
    ) -> None:
        self.archive = archive
        self.doorkeeper = doorkeeper
        self.sandbox = sandbox
        self.clock = clock
        self.limits = limits
        self.settings = settings
        self._seal = os.urandom(16)
        self._routes = {
            f"{root}/{path}": _Route(kind, root is SANDBOX)
            for root in (ROOT, SANDBOX)
            for path, kind in ROUTES.items()
            if not (root is SANDBOX and isinstance(kind, Single))  # the sandbox has no personal_info
        }
        self._accesses: dict[bytes, Access] = {}
        self._kept: dict[tuple[int, str, bytes], Answer] = {}
        self._kept_bytes = 0
        self._generation = -1
        self._looked = 0.0

    def answer(self, path: str, query: bytes, authorization: bytes) -> Answer:
        """The answer to a GET."""
        route = self._routes.get(path)
        now = time.monotonic()
        try:
            if route is None:
                return self._single(path, query, authorization, now)
            if route.sandbox:
                return self._sandbox(route.kind, None, query, authorization, now)
            access = self._enter(route.kind, query, authorization, now)
            if not isinstance(access, Access):
                return access
            if isinstance(route.kind, Single):
                return ok(self._personal(route.kind, access))
            key = (access.user, path, query)
            kept = self._kept.get(key)
            if kept is None:
                kept = ok(self._list(self.archive, route.kind, access.user, query))
                if self.settings.keep and _repeatable(route.kind, query):
                    self._keep(key, kept)
            return kept
        except ApiError as error:
            return refuse(self.settings.profile, error)
        except ArchiveError as error:
            return unavailable(self.settings.profile, error)

    # Who asks, and may they

    def _enter(self, kind: AnyKind, query: bytes, authorization: bytes, now: float) -> Access | Answer:
        self._forget_if_changed(now)
        access = self._accesses.get(authorization)
        if access is None or access.expires <= self.clock.seconds():
            access = self._look_up(query, authorization)
        used_up = self.limits.take(access.log, now)
        if used_up is not None:
            return self._too_many(used_up)
        if access.lapsed:
            raise MembershipLapsed("The user's Oura membership has expired.")
        if kind.scope not in access.scopes and not isinstance(kind, Single):
            raise ScopeMissing(kind.scope)
        return access

    def _look_up(self, query: bytes, authorization: bytes) -> Access:
        self._accesses.pop(authorization, None)
        token = _bearer(query, authorization)
        access = self.doorkeeper.access(token) if token else None
        if access is None:
            if not token and not authorization:
                raise TokenMissing("Missing access token")
            raise TokenDead("Invalid access token")
        if authorization:
            if len(self._accesses) >= 10_000:
                self._accesses.clear()
            self._accesses[authorization] = access
        return access

    def forget(self) -> None:
        """Forget who is who: a token was revoked."""
        self._accesses.clear()

    def _too_many(self, used_up: Exhausted) -> Answer:
        reset = int(time.time()) + used_up.retry_after
        extra: Headers = [
            (b"retry-after", b"%d" % used_up.retry_after),
            (b"x-ratelimit-limit", b"%d" % used_up.limit),
            (b"x-ratelimit-window", b"%d" % used_up.window),
            (b"x-ratelimit-reset", b"%d" % reset),
            (b"x-ratelimit-tier", b"access_token"),
        ]
        return problem(self.settings.profile, 429, "Request Rate Limit Exceeded.", extra)

    # Answers that are kept

    def _forget_if_changed(self, now: float) -> None:
        # Another process may have written; looking costs a microsecond, so look twenty times a second.
        if now - self._looked > 0.05:
            self._looked = now
            generation = self.archive.generation
            if generation != self._generation:
                self._generation = generation
                self._kept.clear()
                self._kept_bytes = 0
                self._accesses.clear()

    def _keep(self, key: tuple[int, str, bytes], answer: Answer) -> None:
        size = len(answer.body)
        if size > self.settings.keep // 8:
            return
        self._kept[key] = answer
        self._kept_bytes += size
        while self._kept_bytes > self.settings.keep:
            oldest = next(iter(self._kept))
            self._kept_bytes -= len(self._kept.pop(oldest).body)

    # One document

    def _single(self, path: str, query: bytes, authorization: bytes, now: float) -> Answer:
        parent, _, id = path.rpartition("/")
        route = self._routes.get(parent)
        if route is None or not isinstance(route.kind, Documents | Inventory) or not id:
            raise NotOffered("Not Found")
        if route.sandbox:
            return self._sandbox(route.kind, id, query, authorization, now)
        access = self._enter(route.kind, query, authorization, now)
        if not isinstance(access, Access):
            return access
        return ok(_found(self.archive.document(access.user, route.kind, id)))

    # The sandbox: any non-empty Authorization opens it, and it shares the rate limit

    def _sandbox(
        self, kind: AnyKind, id: str | None, query: bytes, authorization: bytes, now: float
    ) -> Answer:
        token = _bearer(query, authorization) or authorization.strip().decode("latin-1")
        if not token:
            raise TokenMissing("Missing access token")
        used_up = self.limits.take(self.limits.of(token), now)
        if used_up is not None:
            return self._too_many(used_up)
        if id is not None:
            return ok(_found(self.sandbox.document(0, kind, id)))
        return ok(self._list(self.sandbox, kind, 0, query, sparse=False))

    # Lists

    def _list(self, source: Source, kind: AnyKind, user: int, query: bytes, *, sparse: bool = True) -> bytes:
        params = _pairs(query)
        token: str | None = None
        texts: Sequence[bytes | bytearray]
        if self._wants_latest(kind, params):
            newest = source.latest(user, kind)
            texts = [newest] if newest else []
        else:
            where = f"{SANDBOX if source is self.sandbox else ROOT}/{kind.path}"
            span, after = self._question(where, kind, params)
            limit = self.settings.sample_page if isinstance(kind, Samples) else self.settings.document_page
            texts, after = source.texts(user, kind, span, self.settings.profile, after=after, limit=limit)
            token = self._token(where, span, after) if after else None
        if sparse and kind.sparse and params.get("fields"):
            texts = _cut(kind, texts, params["fields"])
        return _envelope(texts, token)

    def _personal(self, kind: Single[Any], access: Access) -> bytes:
        """`personal_info`: the id is open to any token, the e-mail address has a scope of its own."""
        body = _found(self.archive.single(access.user, kind))
        if {"personal", "email"} <= access.scopes:
            return body
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        opens = {name: "email" if name == "email" else "personal" for name in fields if name != "id"}
        return msgspec.json.encode(
            {k: v for k, v in fields.items() if opens.get(k) is None or opens[k] in access.scopes}
        )

    def _wants_latest(self, kind: AnyKind, params: Mapping[str, str]) -> bool:
        # Oura answers `latest` for two series and ignores it everywhere else.
        text = params.get("latest")
        if text is None or not isinstance(kind, LiveSamples):
            return False
        if text.lower() in {"true", "1", "yes", "on", "t", "y"}:
            return True
        if text.lower() in {"false", "0", "no", "off", "f", "n", ""}:
            return False
        message = "Input should be a valid boolean, unable to interpret input"
        raise Invalid("bool_parsing", "latest", message, text)

    def _question(self, where: str, kind: AnyKind, params: Mapping[str, str]) -> tuple[Span, str | None]:
        """What is asked for, and where to go on. A page token alone is enough: it remembers its window."""
        span = Span(0, 0) if isinstance(kind, Inventory) else self._span(kind, params)
        token = params.get("next_token")
        return self._open(where, token) if token else (span, None)

    def _span(self, kind: AnyKind, params: Mapping[str, str]) -> Span:
        first, last = kind.bounds
        start, end = params.get(first), params.get(last)
        if start and end:
            span = Span(_bound(first, start), _bound(last, end))
        else:
            now = self.clock.now()
            usual = default_instants(now) if isinstance(kind, Samples) else default_days(now)
            closes = _bound(last, end) if end else usual.end
            opens = _bound(first, start) if start else max(FIRST_MS, closes - (usual.end - usual.start))
            span = Span(opens, closes)
        if span.start > span.end:
            raise RequestWrong(
                f"Start must not be after end: {first}={start or 'default'} {last}={end or 'default'}"
            )
        return span

    # Page tokens: opaque, sealed so that a made-up one is refused, bound to their route and window

    def _token(self, where: str, span: Span, after: str) -> str:
        body = msgspec.msgpack.encode((where, span.start, span.end, after))
        return urlsafe_b64encode(self._mark(body) + body).rstrip(b"=").decode()

    def _open(self, where: str, token: str) -> tuple[Span, str]:
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            mark, body = raw[:8], raw[8:]
            path, start, end, after = msgspec.msgpack.decode(body, type=tuple[str, int, int, str])
        except (ValueError, msgspec.MsgspecError):
            mark, body, path, start, end, after = b"", b"", "", 0, 0, ""
        if not hmac.compare_digest(mark, self._mark(body)) or path != where:
            raise RequestWrong("Invalid next_token")
        return Span(start, end), after

    def _mark(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=8, key=self._seal).digest()


def _bearer(query: bytes, authorization: bytes) -> str:
    """The token of a request, from its header or else its query; empty where there is none."""
    if authorization:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return _pairs(query).get("access_token", "") if b"access_token=" in query else ""


def _pairs(query: bytes) -> dict[str, str]:
    text = query.decode("latin-1")
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))
    # Nothing is escaped in most queries, and the general parser costs as much as reading the documents.
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {name: value for name, _, value in pairs}


def _envelope(texts: Sequence[bytes | bytearray], token: str | None) -> bytes:
    """The page around the documents, in one copy: they may be a megabyte."""
    tail = b'],"next_token":"%s"}' % token.encode() if token else b'],"next_token":null}'
    if not texts:
        return b'{"data":[' + tail
    parts = list(texts)
    parts[0] = b'{"data":[' + parts[0]
    parts[-1] += tail
    return b",".join(parts)


def _found(body: bytes | None) -> bytes:
    if body is None:
        raise DocumentGone("Document not found.")
    return body


def _bound(name: str, text: str) -> int:
    try:
        return parse_bound(text)
    except (ValueError, OverflowError):
        raise Invalid(
            "datetime_from_date_parsing",
            name,
            "Input should be a valid datetime or date",
            text[:100],
            error="invalid format",
        ) from None


def _repeatable(kind: AnyKind, query: bytes) -> bool:
    """Whether the same question has the same answer later; a window that ends "now" does not."""
    return isinstance(kind, Inventory) or all(map(_pairs(query).get, kind.bounds))


def _cut(kind: AnyKind, texts: Sequence[bytes | bytearray], fields: str) -> Sequence[bytes | bytearray]:
    """The documents with only what `fields` names, and the anchors; the values keep their bytes.

    Unknown names are dropped silently, and when none is left the whole documents come back: so does Oura.
    """
    documents = msgspec.json.decode(b"[%s]" % b",".join(texts), type=list[dict[str, msgspec.Raw]])
    known = set(kind.model.__struct_fields__).union(*documents)
    wanted = {name.strip() for name in fields.split(",")} & known
    if not wanted:
        return texts
    wanted |= {"id", "day", "timestamp", getattr(kind, "instant", "id")}
    slim = [{name: value for name, value in one.items() if name in wanted} for one in documents]
    return [msgspec.json.encode(one) for one in slim]
