"""What the pages of the authorization server share: forms read with suspicion, headers, refusals.

Rules of this file:
* No parameter counts twice, and no body is read without end.
* A page of ours is framed by nobody, loads nothing from elsewhere and sends no referrer: its address may hold
  a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..errors import GrantError

MAX_BODY = 64 * 1024

pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
)


class Refused(Exception):
    """A request to a page that must not go on, nor redirect."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail


def once(query: bytes) -> dict[str, str]:
    """Query parameters, none given twice (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        raise Refused("Repeated parameter", "Each parameter may be given once.")
    return params


async def form_of(request: Request) -> dict[str, list[str]]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise Refused("Too large", "The request body is too large.")
    form: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        form.setdefault(name, []).append(value)
    return form


def single_values(form: Mapping[str, list[str]]) -> dict[str, str]:
    twice = [name for name, values in form.items() if len(values) > 1]
    if twice:
        raise GrantError("invalid_request", f"{twice[0]} is given twice")
    return {name: values[0] for name, values in form.items()}


def is_foreign(request: Request) -> bool:
    """Whether a browser says that another site sent this form.

    `Origin: null` is what our own page sends, because it asks for no referrer.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin", "null")
    return origin != "null" and urlsplit(origin).netloc != request.headers.get("host", "")


def page_headers(redirect_uri: str = "") -> dict[str, str]:
    # Browsers apply form-action to the redirect that follows a form, so the application's origin is named.
    parts = urlsplit(redirect_uri)
    origin = (
        f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:" if parts.scheme else ""
    )
    return {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline';"
        f" form-action 'self'{origin}; frame-ancestors 'none'; base-uri 'none'",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def refusal_page(refused: Refused) -> Response:
    page = pages.get_template("refusal.html").render(title=refused.title, detail=refused.detail)
    return HTMLResponse(page, status_code=400, headers=page_headers())
