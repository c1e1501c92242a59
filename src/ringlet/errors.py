"""The errors that ringlet raises on purpose, and what to do about each.

    RingletError                   everything ringlet raises on purpose
     ├─ UsageError                 the call is wrong; nothing was sent (also a ValueError)
     │   ├─ WindowError            a time window is wrong: start after end, a date for a datetime
     │   └─ UnknownField           `fields` names a field that the document does not have
     ├─ NotSignedIn                an access token to send is missing
     ├─ OAuthError                 the OAuth2 server refused; `error` is the RFC 6749 code
     ├─ ConnectionFailed           no answer arrived: the connection was refused, reset, or timed out
     ├─ EventRejected              a webhook delivery must not be trusted; `status` is what to answer
     ├─ ArchiveError               the archive cannot be read or written: locked, full, not an archive
     └─ ApiError                   the API refused
         ├─ BadRequest        400  Oura says that the request is wrong; `field` says where
         ├─ InvalidToken      401  the access token is expired, malformed or revoked
         ├─ InsufficientScope 401  the token is valid but may not read this; `scope` is what it lacks
         ├─ MembershipEnded   403  the wearer's membership has ended
         ├─ DocumentNotFound  404  the document with this id does not exist, or was deleted
         ├─ RouteNotFound     404  this server does not have the route
         ├─ RateLimited       429  too many requests; `until` is when to try again
         └─ ServerError       5xx  the server failed, or did not answer as the API does

Rules of this file:
* Each error says what happened, and `cure` says what to do next, in words for the calling program.
* A cure names no command of `ringlet`: a `Cure` names an action, and the command line shows its command.
* A traceback ends with the cure (PEP 678), so that a program that catches nothing says what to do, too.
* Each class knows its HTTP status, so a server can raise what a client will catch.
* No message ever carries a token, a secret or a code.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Action",
    "ApiError",
    "ArchiveError",
    "BadRequest",
    "ConnectionFailed",
    "Cure",
    "DocumentNotFound",
    "EventRejected",
    "InsufficientScope",
    "InvalidToken",
    "MembershipEnded",
    "NotSignedIn",
    "OAuthError",
    "RateLimited",
    "RingletError",
    "RouteNotFound",
    "ServerError",
    "UnknownField",
    "UsageError",
    "WindowError",
]


class Action(Enum):
    """What a cure asks for, where a program calls the library for it and a person types a command.

    The values are its words; a `Cure` may say more.
    """

    SIGN_IN = "sign in again"
    SHOW_SIGN_IN = "look at the stored sign-in"
    SYNC = "sync into the archive"
    SERVE = "run a cloud"
    REPEAT = "do the same once more, with the options of the cure"


class Cure(str):
    """What to do next: text, which stands on its own, and the action that it asks for.

    It is a `str`, so a program that only shows it needs nothing else. `options` are the values that the
    action takes, under the names they have in the library:
    `Cure("sign in again", Action.SIGN_IN, profile="mum")`.
    """

    __slots__ = ("action", "options")

    action: Action | None
    options: dict[str, str]

    def __new__(cls, text: str, action: Action | None = None, **options: str) -> Self:
        self = super().__new__(cls, text)
        self.action = action
        self.options = options
        return self


class RingletError(Exception):
    """Base of everything ringlet raises on purpose.

    `message` says what happened. `cure` says what to do next; it is empty where nothing helps, and a `Cure`
    where an action does.
    """

    exit_code: ClassVar[int] = 1
    """What the command line exits with."""
    default_cure: ClassVar[str] = ""
    """The cure of an error that was raised without one."""
    _cure = ""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure or self.default_cure

    @property
    def cure(self) -> str:
        """What to do next. Setting it changes the note under the traceback, too."""
        return self._cure

    @cure.setter
    def cure(self, cure: str) -> None:
        if self._cure:
            self.__notes__.remove(_note(self._cure))
        self._cure = cure
        if cure:
            self.add_note(_note(cure))


def _note(cure: str) -> str:
    return f"What to do: {cure}"


class UsageError(RingletError, ValueError):
    """The call itself is wrong; nothing was sent."""

    exit_code = 2


class WindowError(UsageError):
    """A time window that is empty or ambiguous."""


class UnknownField(UsageError):
    """`fields` names something the document does not have; Oura would ignore it silently."""


class NotSignedIn(RingletError):
    """An access token to send is missing."""

    exit_code = 4
    default_cure: ClassVar[str] = Cure("set OURA_ACCESS_TOKEN, pass token=..., or sign in", Action.SIGN_IN)


class OAuthError(RingletError):
    """The OAuth2 server refused. `error` is the RFC 6749 section 5.2 code, `status` the HTTP status."""

    exit_code = 4
    default_cure: ClassVar[str] = Cure("sign in again", Action.SIGN_IN)

    def __init__(self, error: str, description: str = "", *, status: int = 400, cure: str = "") -> None:
        super().__init__(f"{error}: {description}" if description else error, cure=cure)
        self.error = error
        self.description = description
        self.status = status


class ConnectionFailed(RingletError):
    """No answer arrived: the connection was refused, reset, or timed out.

    `sent` is False where the request certainly never left: there was no connection to send it over.
    """

    default_cure: ClassVar[str] = "check the network and the base URL, then run it again"

    def __init__(self, message: str, *, sent: bool = True, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.sent = sent


class EventRejected(RingletError):
    """A webhook delivery, or a challenge, that must not be believed. `status` is what to answer it with."""

    default_cure: ClassVar[str] = (
        "answer with `status`; if it is Oura's after all, look at the client secret and the clock"
    )

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ArchiveError(RingletError):
    """The archive cannot be read or written."""

    exit_code = 6
    default_cure: ClassVar[str] = "see that the file is yours, on a disk with space, and not open elsewhere"


class ApiError(RingletError):
    """A refusal by the API. `status` is the HTTP status, `detail` the server's own words."""

    status: int = 400

    def __init__(self, detail: str = "", *, status: int | None = None, cure: str = "") -> None:
        if status is not None:
            self.status = status
        self.detail = detail
        super().__init__(f"{self.status}: {detail}" if detail else f"{self.status}", cure=cure)


class BadRequest(ApiError):
    """Oura refuses the request itself. `field` is the parameter it points at, where it names one."""

    exit_code = 2
    default_cure: ClassVar[str] = "correct the request"

    def __init__(
        self, detail: str = "", *, field: str = "", status: int | None = None, cure: str = ""
    ) -> None:
        super().__init__(f"{field}: {detail}" if field else detail, status=status, cure=cure)
        self.field = field


class InvalidToken(ApiError):
    """The access token is expired, malformed or revoked."""

    status = 401
    exit_code = 4
    default_cure: ClassVar[str] = Cure("pass a fresh token, or sign in again", Action.SIGN_IN)


class InsufficientScope(ApiError):
    """The token is alive but was not granted `scope`. Oura answers 401 in practice, 403 by its documents."""

    status = 401
    exit_code = 4

    def __init__(self, scope: str, detail: str = "", *, status: int | None = None) -> None:
        named = f"the scope {scope!r} was not granted"
        super().__init__(
            f"{named} ({detail})" if detail else named,
            status=status,
            cure=Cure(f"sign in again and tick {scope!r} on the consent page", Action.SIGN_IN),
        )
        self.scope = scope


class MembershipEnded(ApiError):
    """The wearer's Oura membership has ended; their data is not available through the API."""

    status = 403
    default_cure: ClassVar[str] = "the wearer renews the membership; what is in the archive stays readable"


class DocumentNotFound(ApiError):
    """The document with this id does not exist, or was deleted."""

    status = 404
    default_cure: ClassVar[str] = "list the days around it to see what is there"


class RouteNotFound(ApiError):
    """This server has no such route; data types come and go between versions of the API."""

    status = 404
    default_cure: ClassVar[str] = "leave this data type out, or check the base URL"


class RateLimited(ApiError):
    """Too many requests. `until` is when to come back, where the server said so."""

    status = 429
    exit_code = 5

    def __init__(self, detail: str = "", *, until: datetime | None = None) -> None:
        when = f"after {until:%H:%M:%S} UTC" if until else "in a few minutes"
        super().__init__(detail or "too many requests", cure=f"run it again {when}")
        self.until = until


class ServerError(ApiError):
    """The server failed, or answered something that is not its own API."""

    status = 500
    default_cure: ClassVar[str] = "try again later; nothing on this side needs changing"
