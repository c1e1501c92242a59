"""Answers requests for data of every type of the catalog, on the production and the sandbox routes.

These routes use no web framework, because they are requested thousands of times a second: `DataRoutes.answer`
takes path, query and Authorization header, and returns status, body and headers. Stored documents are sent
byte for byte, without parsing, unless `fields` or a missing scope removes some of their fields (`fields.py`).

Rules of this file:
* Every request is checked in the same order: the route (404), the token (401), the rate limit (429), the
  membership (403), the scope (401 or 403), the query (400 or 422). So an error reveals nothing to a client
  that fails an earlier check.
* Finished answers are cached until anything in the archive changes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from ..._api.catalog import TYPES, AnyKind
from ..._api.kinds import ROOT, SANDBOX
from ..._api.windows import Dialect, Span
from ..._archive.archive import Archive
from ...errors import (
    ApiError,
    ArchiveError,
    DocumentNotFound,
    InsufficientScope,
    InvalidToken,
    MembershipEnded,
    RouteNotFound,
)
from ..core.access import Access, AccessLookup
from ..core.answers import Answer, Headers, TokenMissing, ok, problem, refuse, unavailable
from ..core.clock import Clock
from ..core.rate_limit import Exhausted, RateLimit
from .fields import Texts, select_fields, select_scopes
from .page_tokens import PageTokens
from .query import is_cacheable, parse_query, wants_latest, window_of


class Source(Protocol):
    """Where documents come from: the archive, or the simulated person of the sandbox."""

    def texts(
        self, user: int, kind: AnyKind, span: Span, dialect: Dialect, *, after: str | None, limit: int | None
    ) -> tuple[Texts, str | None]:
        """Return a page of the documents or rows in the window `span`, and the `after` of the next page.

        The second value is None if this page is the last.

        `after` is the position where this page begins, None for the first page. `limit` is the most documents
        or rows on a page, None for all.
        """
        ...

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """Return a document by its id; None if it does not exist."""
        ...

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The newest row of a series; None if it has no rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class CloudSettings:
    """Settings of the data routes."""

    dialect: Dialect = "live"
    documents_per_page: int | None = None
    """The most documents on a page; None for no limit. Oura's service was recorded to send 2,141 at once."""
    samples_per_page: int = 1000
    """The most rows of a series on a page."""
    cache_bytes: int = 32 << 20
    """How many bytes of finished answers are cached; 0 turns the cache off."""
    latency_s: float = 0.0
    """Seconds that every data answer is delayed, to simulate a network."""


@dataclass(frozen=True, slots=True)
class _Route:
    kind: AnyKind
    sandbox: bool


class DataRoutes:
    """Answers GET requests to the data routes."""

    def __init__(
        self,
        archive: Archive,
        lookup: AccessLookup,
        sandbox: Source,
        clock: Clock,
        rate_limit: RateLimit,
        settings: CloudSettings,
    ) -> None:
        self.archive = archive
        self.lookup = lookup
        lookup.access_changed.connect(self.forget_access)
        self.sandbox = sandbox
        self.clock = clock
        self.rate_limit = rate_limit
        self.settings = settings
        self._page_tokens = PageTokens()
        self._routes = {
            f"{root}/{kind.name}": _Route(kind, root is SANDBOX)
            for root in (ROOT, SANDBOX)
            for kind in TYPES.values()
            if not (root is SANDBOX and kind.is_single)  # the sandbox has no personal_info
        }
        self._accesses: dict[bytes, Access] = {}
        self._cache: dict[tuple[int, str, bytes], Answer] = {}
        self._cached_bytes = 0
        self._generation = -1
        self._checked_at = 0.0

    def answer(self, path: str, query: bytes, authorization: bytes) -> Answer:
        """Answer a GET request. Catches ApiError and ArchiveError, and returns an error answer for them."""
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
            if route.kind.is_single:
                body = _found(self.archive.single(access.user, route.kind))
                return ok(select_scopes(route.kind, body, access.scopes))
            key = (access.user, path, query)
            cached = self._cache.get(key)
            if cached is None:
                cached = ok(self._list(self.archive, route.kind, access.user, query))
                if self.settings.cache_bytes and is_cacheable(route.kind, query):
                    self._store(key, cached)
            return cached
        except ApiError as error:
            return refuse(self.settings.dialect, error)
        except ArchiveError as error:
            return unavailable(self.settings.dialect, error)

    # Token, rate limit, membership, scope

    def _enter(self, kind: AnyKind, query: bytes, authorization: bytes, now: float) -> Access | Answer:
        self._forget_if_changed(now)
        access = self._accesses.get(authorization)
        if access is None or access.expires <= self.clock.seconds():
            access = self._look_up(query, authorization)
        used_up = self.rate_limit.take(access.log, now)
        if used_up is not None:
            return self._too_many(used_up)
        if access.lapsed:
            raise MembershipEnded("The user's Oura membership has expired.")
        if kind.scope not in access.scopes and not kind.is_single:
            raise InsufficientScope(kind.scope)
        return access

    def _look_up(self, query: bytes, authorization: bytes) -> Access:
        self._accesses.pop(authorization, None)
        token = _bearer(query, authorization)
        access = self.lookup.access(token) if token else None
        if access is None:
            if not token and not authorization:
                raise TokenMissing("Missing access token")
            raise InvalidToken("Invalid access token")
        if authorization:
            if len(self._accesses) >= 10_000:
                self._accesses.clear()
            self._accesses[authorization] = access
        return access

    def forget_access(self) -> None:
        """Drop the cached results of token lookups. The next request with a token looks it up again."""
        self._accesses.clear()

    def _too_many(self, used_up: Exhausted) -> Answer:
        reset = int(time.time()) + used_up.retry_after_s
        extra: Headers = [
            (b"retry-after", b"%d" % used_up.retry_after_s),
            (b"x-ratelimit-limit", b"%d" % used_up.limit),
            (b"x-ratelimit-window", b"%d" % used_up.window_s),
            (b"x-ratelimit-reset", b"%d" % reset),
            (b"x-ratelimit-tier", b"access_token"),
        ]
        return problem(self.settings.dialect, 429, "Request Rate Limit Exceeded.", extra)

    # The cache of finished answers

    def _forget_if_changed(self, now: float) -> None:
        # Another process may have changed the archive. Reading the generation takes a microsecond, so it is
        # read at most twenty times a second.
        if now - self._checked_at > 0.05:
            self._checked_at = now
            generation = self.archive.generation
            if generation != self._generation:
                self._generation = generation
                self._cache.clear()
                self._cached_bytes = 0
                self._accesses.clear()

    def _store(self, key: tuple[int, str, bytes], answer: Answer) -> None:
        size = len(answer.body)
        if size > self.settings.cache_bytes // 8:
            return
        self._cache[key] = answer
        self._cached_bytes += size
        while self._cached_bytes > self.settings.cache_bytes:
            oldest = next(iter(self._cache))
            self._cached_bytes -= len(self._cache.pop(oldest).body)

    # One document

    def _single(self, path: str, query: bytes, authorization: bytes, now: float) -> Answer:
        parent, _, id = path.rpartition("/")
        route = self._routes.get(parent)
        if route is None or not route.kind.has_ids or not id:
            raise RouteNotFound("Not Found")
        if route.sandbox:
            return self._sandbox(route.kind, id, query, authorization, now)
        access = self._enter(route.kind, query, authorization, now)
        if not isinstance(access, Access):
            return access
        return ok(_found(self.archive.document(access.user, route.kind, id)))

    # The sandbox accepts any token that is not empty, as Oura's does. Its requests count for the rate limit.

    def _sandbox(
        self, kind: AnyKind, id: str | None, query: bytes, authorization: bytes, now: float
    ) -> Answer:
        token = _bearer(query, authorization) or authorization.strip().decode("latin-1")
        if not token:
            raise TokenMissing("Missing access token")
        used_up = self.rate_limit.take(self.rate_limit.of(token), now)
        if used_up is not None:
            return self._too_many(used_up)
        if id is not None:
            return ok(_found(self.sandbox.document(0, kind, id)))
        return ok(self._list(self.sandbox, kind, 0, query, sparse=False))

    # Lists

    def _list(self, source: Source, kind: AnyKind, user: int, query: bytes, *, sparse: bool = True) -> bytes:
        params = parse_query(query)
        token: str | None = None
        texts: Texts
        if wants_latest(kind, params):
            newest = source.latest(user, kind)
            texts = [newest] if newest else []
        else:
            where = f"{SANDBOX if source is self.sandbox else ROOT}/{kind.name}"
            span, after = window_of(kind, params, self.clock), None
            if params.get("next_token"):  # the token contains the window of the first request
                span, after = self._page_tokens.open(where, params["next_token"])
            limit = self.settings.samples_per_page if kind.is_series else self.settings.documents_per_page
            texts, after = source.texts(user, kind, span, self.settings.dialect, after=after, limit=limit)
            token = self._page_tokens.make(where, span, after) if after else None
        if sparse and kind.supports_fields and params.get("fields"):
            texts = select_fields(kind, texts, params["fields"])
        return _envelope(texts, token)


def _bearer(query: bytes, authorization: bytes) -> str:
    """The access token in a request's header or query (RFC 6750 sections 2.1 and 2.3); empty without one."""
    if authorization:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return parse_query(query).get("access_token", "") if b"access_token=" in query else ""


def _envelope(texts: Texts, token: str | None) -> bytes:
    """Return the body of a page: `{"data": [...], "next_token": ...}`.

    The parts are joined only once, because a body may have a megabyte.
    """
    tail = b'],"next_token":"%s"}' % token.encode() if token else b'],"next_token":null}'
    if not texts:
        return b'{"data":[' + tail
    parts = list(texts)
    parts[0] = b'{"data":[' + parts[0]
    parts[-1] += tail
    return b",".join(parts)


def _found(body: bytes | None) -> bytes:
    if body is None:
        raise DocumentNotFound("Document not found.")
    return body
