"""The guard of the control API: checks the admin token, and answers requests that cannot be carried out.

Every room of the control API hands its handlers through one `Admin`.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..._api.wire import DECODE_ERRORS
from ..._archive.archive import Archive
from ..._archive.users import choose
from ...errors import ArchiveError, RingletError
from ..core.answers import Refused

WRONG: tuple[type[Exception], ...] = (*DECODE_ERRORS, RingletError, OverflowError)
"""What a request that cannot be carried out raises: answered with 422."""

Handler = Callable[[Request], Awaitable[Response]]


class Admin:
    """The guard of the control API."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def only(self, handler: Handler) -> Handler:
        """A handler that asks for the admin token first, and whose errors are answers."""

        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._expected):
                return JSONResponse({"detail": "The admin token is missing or wrong."}, status_code=401)
            try:
                return await handler(request)
            except Refused as refused:
                return JSONResponse({"detail": refused.detail}, refused.status)
            except HTTPException as missing:
                return JSONResponse({"detail": missing.detail}, missing.status_code)
            except ArchiveError:
                raise  # the request is right: the cloud answers 503, as everywhere
            except WRONG as wrong:
                said = {"detail": str(wrong), "cure": getattr(wrong, "cure", "")}
                return JSONResponse({name: text for name, text in said.items() if text}, status_code=422)

        return guarded


def wearer(archive: Archive, name: str | None) -> int:
    """A wearer by name, or the only one. Raises HTTPException 404."""
    users = archive.users()
    if chosen := choose(users, name):
        return chosen.id
    there = f"there is {', '.join(user.name for user in users) or 'nobody'}"
    raise HTTPException(404, f"no wearer {name!r}; {there}" if name else f"which wearer? {there}")
