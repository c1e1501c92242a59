"""Renders pages: templates, security headers, the stylesheet, and the page of a refused request.

Rules of this file:
* No other site can show a page in a frame. A page loads nothing from other sites and runs no script.
* A page sends no referrer, because its address may contain an authorization code. No cache stores a page,
  because it may show a secret.
* The address of a static file contains a hash of its content, so browsers may cache the file for ever.
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
    """The stylesheet and images of the pages. The address of each file changes when its content changes."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        self.paths: dict[str, str] = {}
        """The path at which each file is served, by the file's name."""
        for file in sorted((FOLDER / "static").iterdir()):
            content = file.read_bytes()
            address = f"{file.stem}-{hashlib.sha256(content).hexdigest()[:12]}{file.suffix}"
            self._files[address] = content, MEDIA_TYPES[file.suffix]
            self.paths[file.name] = f"/portal/{address}"

    def routes(self) -> list[BaseRoute]:
        """The route that serves all static files."""
        return [Route("/portal/{address}", self.file, methods=["GET"])]

    async def file(self, request: Request) -> Response:
        """Serve a static file; 404 for an unknown address."""
        content, media_type = self._files.get(request.path_params["address"], (b"", ""))
        if not media_type:
            return Response("Not found.", 404)
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "x-content-type-options": "nosniff",
        }
        return Response(content, media_type=media_type, headers=headers)


def day_of(ms: int) -> str:
    """Format the day of an instant (epoch ms) as text, such as `3 March 2026`."""
    day = from_ms(ms)
    return f"{day.day} {day:%B %Y}"


def second_of(ms: int) -> str:
    """Format an instant (epoch ms) as UTC text with a precision of one second, as log lines have it."""
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
    """The headers of a page. `leads_to` is the redirect URI to which its form may redirect, or empty."""
    # Browsers apply `form-action` also to a redirect after a form was sent (CSP level 3). The consent form is
    # answered with a redirect to the application, so the application's origin must be allowed.
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
    """Render a template as a response with the headers of `page_headers`. `context` is what it may show."""
    html = pages.get_template(template).render(context, static_files=static_files.paths)
    return HTMLResponse(html, status_code=status, headers=page_headers(leads_to))


def refusal_page(refused: Refused) -> Response:
    """Render the page that says why a request was refused."""
    response = page("refusal.html", status=refused.status, title=refused.title, detail=refused.detail)
    if refused.retry_after:
        response.headers["retry-after"] = str(refused.retry_after)
    return response
