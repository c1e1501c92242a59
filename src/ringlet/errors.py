"""The errors that ringlet raises on purpose, and what to do about each.

    RingletError                   everything ringlet raises on purpose
     ├─ UsageError                 the call is wrong; nothing was sent (also a ValueError)
     │   ├─ WindowError            a time window is wrong: start after end, a date instead of a datetime
     │   └─ UnknownField           `fields` names a field that the document does not have
     ├─ NotSignedIn                no access token is stored or configured that may be sent
     ├─ OAuthError                 the OAuth2 server refused; `error` is the RFC 6749 code
     ├─ ConnectionFailed           no answer arrived: the connection was refused, reset, or timed out
     ├─ EventRejected              a webhook request must not be trusted; answer it with `status`
     ├─ ArchiveError               the archive cannot be read or written: locked, full, not an archive
     └─ ApiError                   the API refused the request
         ├─ BadRequest        400  Oura says that the request is wrong; `field` names the parameter
         ├─ InvalidToken      401  the access token is expired, malformed or revoked
         ├─ InsufficientScope 401  the access token is valid but lacks `scope`
         ├─ MembershipEnded   403  the wearer's membership has ended
         ├─ DocumentNotFound  404  the document with this id does not exist, or was deleted
         ├─ RouteNotFound     404  this server does not have the route
         ├─ RateLimited       429  too many requests; `until` is when to try again
         └─ ServerError       5xx  the server failed, or sent an answer that is not the API's

Rules of this file:
* The message of an error says what happened, and `cure` says what to do next.
* The text of a cure does not name a command of `ringlet`, because programs read it too. It names an `Action`,
  and the command line shows the command for it.
* A traceback ends with the cure, as a note (PEP 678), so a program that does not catch the error shows it.
* An ApiError carries the HTTP status: the emulated cloud raises the same classes as the client.
* An error message never contains a token, a secret or an authorization code.
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
    """The step that a `Cure` recommends. A program calls the library for it, a person types a command.

    The values describe the step in words; the text of a `Cure` may be more specific.
    """

    SIGN_IN = "sign in again"
    SHOW_SIGN_IN = "look at the stored sign-in"
    SYNC = "sync into the archive"
    SERVE = "run a cloud"
    REPEAT = "do the same once more, with the options of the cure"


class Cure(str):
    """What to do after an error: a text for people, and for programs the `action` it recommends.

    It is a `str`, so a program that only shows it needs nothing else. `options` are the arguments of the
    action, under the names they have in the library: `Cure("sign in again", Action.SIGN_IN, profile="mum")`.
    `action` is None where the cure is text only.
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
    """Base class of all errors that ringlet raises on purpose.

    `message` says what happened. `cure` says what to do next; it is "" where there is nothing to do, and a
    `Cure` where an `Action` helps.
    """

    exit_code: ClassVar[int] = 1
    """The exit code of the command line after this error."""
    default_cure: ClassVar[str] = ""
    """The cure of an error that was raised without the argument `cure`."""
    _cure = ""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure or self.default_cure

    @property
    def cure(self) -> str:
        """What to do next. Setting it also replaces the note at the end of the traceback."""
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
    """The arguments of a call are wrong; nothing was sent."""

    exit_code = 2


class WindowError(UsageError):
    """The start of a time window is after its end, or a bound has the wrong type or no time zone."""


class UnknownField(UsageError):
    """The argument `fields` names a field that the document does not have; Oura would ignore it silently."""


class NotSignedIn(RingletError):
    """No access token is stored or configured, or the stored one must not be sent or cannot be renewed."""

    exit_code = 4
    default_cure: ClassVar[str] = Cure("set OURA_ACCESS_TOKEN, pass token=..., or sign in", Action.SIGN_IN)


class OAuthError(RingletError):
    """The OAuth2 server refused the request.

    `error` is the code of RFC 6749 section 5.2 such as `invalid_grant`, `description` the server's own words
    (may be ""), and `status` the HTTP status.
    """

    exit_code = 4
    default_cure: ClassVar[str] = Cure("sign in again", Action.SIGN_IN)

    def __init__(self, error: str, description: str = "", *, status: int = 400, cure: str = "") -> None:
        super().__init__(f"{error}: {description}" if description else error, cure=cure)
        self.error = error
        self.description = description
        self.status = status


class ConnectionFailed(RingletError):
    """No answer arrived: the connection was refused, reset, or timed out.

    `sent` is False if the request was certainly not sent, because no connection could be made; otherwise the
    server may have received the request.
    """

    default_cure: ClassVar[str] = "check the network and the base URL, then run it again"

    def __init__(self, message: str, *, sent: bool = True, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.sent = sent


class EventRejected(RingletError):
    """A webhook event or challenge is malformed, or not proven to be from Oura.

    `status` is the HTTP status to answer it with.
    """

    default_cure: ClassVar[str] = (
        "answer with `status`; if Oura did send it, check the client secret and this machine's clock"
    )

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ArchiveError(RingletError):
    """The archive cannot be read or written."""

    exit_code = 6
    default_cure: ClassVar[str] = "check that the file is yours, the disk has space, and no program locks it"


class ApiError(RingletError):
    """The API refused a request. `status` is the HTTP status, `detail` the server's own words (may be "")."""

    status: int = 400

    def __init__(self, detail: str = "", *, status: int | None = None, cure: str = "") -> None:
        if status is not None:
            self.status = status
        self.detail = detail
        super().__init__(f"{self.status}: {detail}" if detail else f"{self.status}", cure=cure)


class BadRequest(ApiError):
    """Oura says that the request is wrong. `field` is the parameter that Oura complains about, or ""."""

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
    """The access token is valid, but the user did not grant it `scope`.

    Oura's service answers 401, although Oura's documentation says 403.
    """

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
    default_cure: ClassVar[str] = "renew the membership in the Oura app; an archive can be read without it"


class DocumentNotFound(ApiError):
    """The document with this id does not exist, or was deleted."""

    status = 404
    default_cure: ClassVar[str] = "list the days around it to see what is there"


class RouteNotFound(ApiError):
    """The server does not have this route, perhaps because its version of the API lacks the data type."""

    status = 404
    default_cure: ClassVar[str] = "leave this data type out, or check the base URL"


class RateLimited(ApiError):
    """The application sent too many requests.

    `until` is the time (UTC) after which to try again; None where the server did not say.
    """

    status = 429
    exit_code = 5

    def __init__(self, detail: str = "", *, until: datetime | None = None) -> None:
        when = f"after {until:%H:%M:%S} UTC" if until else "in a few minutes"
        super().__init__(detail or "too many requests", cure=f"run it again {when}")
        self.until = until


class ServerError(ApiError):
    """The server failed (5xx), or its answer is not what the API returns (`status` 502)."""

    status = 500
    default_cure: ClassVar[str] = "try again later; nothing on this side needs changing"
