"""Reads the query of a data route: a window, or only the newest row.

Rules of this file:
* A query is read as Oura reads it: bounds are dates or instants in any spelling, a missing bound has a
  default, and unknown parameters are ignored.
* What does not parse is refused with the messages of Oura's validator (FastAPI and Pydantic).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from ..._api.catalog import AnyKind
from ..._api.windows import FIRST_MS, Span, default_days, default_instants, parse_bound
from ...errors import BadRequest
from ..core.answers import Invalid
from ..core.clock import Clock


def parse_query(query: bytes) -> dict[str, str]:
    """The parameters of a query; where one is repeated, the last counts."""
    text = query.decode("latin-1")
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))
    # Most queries have nothing to unescape, and the general parser costs as much as reading the documents.
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {name: value for name, _, value in pairs}


def wants_latest(kind: AnyKind, params: Mapping[str, str]) -> bool:
    """Whether the newest row is asked for. Raises Invalid."""
    # Oura answers `latest` for two series and ignores it everywhere else.
    text = params.get("latest")
    if text is None or not kind.has_latest:
        return False
    if text.lower() in {"true", "1", "yes", "on", "t", "y"}:
        return True
    if text.lower() in {"false", "0", "no", "off", "f", "n", ""}:
        return False
    message = "Input should be a valid boolean, unable to interpret input"
    raise Invalid("bool_parsing", "latest", message, text)


def window_of(kind: AnyKind, params: Mapping[str, str], clock: Clock) -> Span:
    """The window of a request; an empty one for a kind without windows. Raises Invalid and BadRequest."""
    if not kind.has_window:
        return Span(0, 0)
    first, last = kind.bounds
    start, end = params.get(first), params.get(last)
    if start and end:
        span = Span(_bound(first, start), _bound(last, end))
    else:
        now = clock.now()
        usual = default_instants(now) if kind.is_series else default_days(now)
        closes = _bound(last, end) if end else usual.end
        opens = _bound(first, start) if start else max(FIRST_MS, closes - (usual.end - usual.start))
        span = Span(opens, closes)
    if span.start > span.end:
        raise BadRequest(
            f"Start must not be after end: {first}={start or 'default'} {last}={end or 'default'}"
        )
    return span


def is_cacheable(kind: AnyKind, query: bytes) -> bool:
    """Whether the answer stays right until the archive changes: not where a default bound moves with time."""
    return not kind.has_window or all(map(parse_query(query).get, kind.bounds))


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
