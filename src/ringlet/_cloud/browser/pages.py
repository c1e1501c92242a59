"""What all pages share: forms read with suspicion, the headers, the stylesheet, refusals.

Rules of this file:
* No parameter counts twice, and no body is read without end.
* A page of ours is framed by nobody, loads nothing from elsewhere, runs no script and sends no referrer: its
  address may hold a code. None is stored by anything on the way: it may show a secret.
* What a page loads is named by its digest, so it may be kept for ever.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from ..._api.windows import from_ms
from ..core.answers import Refused

FOLDER = Path(__file__).parent
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class StaticFiles:
    """The few files that pages load, each under an address that changes with its content."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        self.paths: dict[str, str] = {}
        """Where a file is served, by its name."""
        for file in sorted((FOLDER / "static").iterdir()):
            content = file.read_bytes()
            address = f"{file.stem}-{hashlib.sha256(content).hexdigest()[:12]}{file.suffix}"
            self._files[address] = content, MEDIA_TYPES[file.suffix]
            self.paths[file.name] = f"/portal/{address}"

    def routes(self) -> list[BaseRoute]:
        """One route for all of them."""
        return [Route("/portal/{address}", self.file, methods=["GET"])]

    async def file(self, request: Request) -> Response:
        """A file by its address."""
        content, media_type = self._files.get(request.path_params["address"], (b"", ""))
        if not media_type:
            return Response("There is no such file.", 404)
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "x-content-type-options": "nosniff",
        }
        return Response(content, media_type=media_type, headers=headers)


def day_of(ms: int) -> str:
    """An instant in epoch milliseconds as a day, for people."""
    day = from_ms(ms)
    return f"{day.day} {day:%B %Y}"


def second_of(ms: int) -> str:
    """An instant in epoch milliseconds to the second, for people who compare it with a log."""
    return f"{from_ms(ms):%Y-%m-%d %H:%M:%S} UTC"


static_files = StaticFiles()
pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
pages.filters["day"] = day_of
pages.filters["second"] = second_of


def page_headers(leads_to: str = "") -> dict[str, str]:
    """The headers of every page; `leads_to` is the application's address that its form may end at."""
    # Browsers apply form-action to the redirect that follows a form, so the application's origin is named.
    parts = urlsplit(leads_to)
    origin = (
        f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:" if parts.scheme else ""
    )
    return {
        "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self';"
        f" form-action 'self'{origin}; frame-ancestors 'none'; base-uri 'none'",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def page(template: str, *, status: int = 200, leads_to: str = "", **context: Any) -> Response:
    """A page of ours, with its headers."""
    html = pages.get_template(template).render(context, static_files=static_files.paths)
    return HTMLResponse(html, status_code=status, headers=page_headers(leads_to))


def refusal_page(refused: Refused) -> Response:
    """A page that says why nothing happened."""
    response = page("refusal.html", status=refused.status, title=refused.title, detail=refused.detail)
    if refused.retry_after:
        response.headers["retry-after"] = str(refused.retry_after)
    return response
