"""Protects the control API: checks the admin token, and turns errors of handlers into answers.

Every handler of the control API is wrapped by `Admin.only`.
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

INVALID_REQUEST_ERRORS: tuple[type[Exception], ...] = (*DECODE_ERRORS, RingletError, OverflowError)
"""The errors of a handler that mean an invalid request; they are answered with 422."""

Handler = Callable[[Request], Awaitable[Response]]


class Admin:
    """Checks the admin token for all handlers of the control API."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def only(self, handler: Handler) -> Handler:
        """Wrap a handler: require the admin token, and answer the errors that the handler raises."""

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
                raise  # the request is valid; the handler in `Cloud` answers 503
            except INVALID_REQUEST_ERRORS as wrong:
                said = {"detail": str(wrong), "cure": getattr(wrong, "cure", "")}
                return JSONResponse({name: text for name, text in said.items() if text}, status_code=422)

        return guarded


def wearer(archive: Archive, name: str | None) -> int:
    """The id of the user with a name, or of the only user if `name` is None.

    Raises HTTPException 404 if no user has this name, or if no name is given and there is not just one user.
    """
    users = archive.users()
    if chosen := choose(users, name):
        return chosen.id
    names = f"this cloud has {', '.join(user.name for user in users) or 'no users'}"
    raise HTTPException(404, f"unknown user {name!r}; {names}" if name else f"name a user; {names}")
