"""Parses query parameters and form fields, and detects forms that were sent from another site."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from ...errors import OAuthError
from .answers import Refused
from .bodies import read_body


def single_query(query: bytes) -> dict[str, str]:
    """Parse a query string. Raises Refused 400 if a parameter is repeated (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        raise Refused("Repeated parameter", "Each parameter may be given once.")
    return params


async def read_form(request: Request) -> dict[str, list[str]]:
    """Read a urlencoded form: all values of each field. Raises Refused, as `read_body` does."""
    body = await read_body(request)
    form: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        form.setdefault(name, []).append(value)
    return form


def single_values(form: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the value of each form field. Raises OAuthError invalid_request if a field is repeated.

    RFC 6749 section 3.2 forbids repeated parameters.
    """
    twice = [name for name, values in form.items() if len(values) > 1]
    if twice:
        raise OAuthError("invalid_request", f"{twice[0]} is given twice")
    return {name: values[0] for name, values in form.items()}


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that a page of another site sent this request.

    Current browsers send the header `Sec-Fetch-Site`, older browsers `Origin`, and other programs send
    neither. A form on a page of this cloud is sent with `Origin: null`, because these pages forbid the
    referrer (`pages.page_headers`).
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin", "null")
    return origin != "null" and origin.partition("://")[2] != request.headers.get("host", "")
