"""The error tree: what its drawing promises, what each error says, and what comes next."""

import copy
import inspect
import pickle
import re
import traceback
from datetime import UTC, datetime

import pytest

from ringlet import errors
from ringlet.errors import (
    Action,
    ApiError,
    ArchiveError,
    BadRequest,
    ConnectionFailed,
    Cure,
    DocumentNotFound,
    InsufficientScope,
    InvalidToken,
    MembershipEnded,
    NotSignedIn,
    OAuthError,
    RateLimited,
    RingletError,
    RouteNotFound,
    ServerError,
    UnknownField,
    UsageError,
    WindowError,
)

CLASSES = {name: it for name, it in vars(errors).items() if inspect.isclass(it) and issubclass(it, Exception)}


def drawing() -> list[tuple[int, str, str]]:
    """(column of the name, name, status) of each line of the tree."""
    assert errors.__doc__
    lines = (line for line in errors.__doc__.splitlines() if line.startswith("    "))
    found = (re.match(r"([ │├└─]+)(\w+)\s+(\dxx|\d{3})?", line) for line in lines)
    return [(match.start(2), match[2], match[3] or "") for match in found if match]


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    path: list[tuple[int, str]] = []
    drawn: dict[str, str] = {}
    for column, name, _ in drawing():
        path = [step for step in path if step[0] < column]
        drawn[name] = path[-1][1] if path else "Exception"
        path.append((column, name))
    assert drawn == {name: it.__bases__[0].__name__ for name, it in CLASSES.items()}


def test_the_drawing_shows_the_status_of_every_refusal() -> None:
    for _, name, status in drawing():
        if status:
            assert str(CLASSES[name].status).startswith(status.rstrip("x"))


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (RingletError("broken", cure="mend it"), 1),
        (UsageError("unclear", cure="say it"), 2),
        (WindowError("empty", cure="swap"), 2),
        (UnknownField("no such field", cure="look"), 2),
        (NotSignedIn("no token"), 4),
        (OAuthError("invalid_grant"), 4),
        (ConnectionFailed("reset"), 1),
        (ArchiveError("locked"), 6),
        (BadRequest("bad date"), 2),
        (InvalidToken(), 4),
        (InsufficientScope("stress"), 4),
        (MembershipEnded(), 1),
        (DocumentNotFound(), 1),
        (RouteNotFound(), 1),
        (RateLimited(), 5),
        (ServerError(), 1),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else "",
)
def test_every_error_has_its_exit_code_a_message_and_a_cure(error: RingletError, exit_code: int) -> None:
    assert error.exit_code == exit_code
    assert str(error) == error.message != ""
    assert error.cure
    assert "\n" not in error.message + error.cure


def test_a_given_cure_stands_before_the_default() -> None:
    assert NotSignedIn("no token", cure="sign in again").cure == "sign in again"
    assert InvalidToken(cure="wait").cure == "wait"


def test_a_cure_is_text_that_may_name_an_action() -> None:
    error = NotSignedIn("signed out", cure=Cure("sign in again", Action.SIGN_IN, profile="mum"))
    assert error.cure == "sign in again"
    assert isinstance(error.cure, Cure)
    assert (error.cure.action, error.cure.options) == (Action.SIGN_IN, {"profile": "mum"})
    assert (Cure("wait").action, Cure("wait").options) == (None, {})


@pytest.mark.parametrize("error", [NotSignedIn("no token"), InsufficientScope("spo2"), RingletError("odd")])
def test_a_traceback_ends_with_the_cure(error: RingletError) -> None:
    shown = "".join(traceback.format_exception_only(error))
    note = f"What to do: {error.cure}\n" if error.cure else ""
    assert shown == f"ringlet.errors.{type(error).__name__}: {error}\n{note}"


def test_a_traceback_shows_the_cure_once_however_often_it_was_changed_and_raised() -> None:
    error = OAuthError("invalid_client")
    error.add_note("a note of somebody else's")
    for cure in ("wait", "register the application"):
        with pytest.raises(OAuthError) as caught:
            raise error
        caught.value.cure = cure
    assert error.__notes__ == ["a note of somebody else's", "What to do: register the application"]
    error.cure = ""
    assert error.__notes__ == ["a note of somebody else's"]


def test_a_copy_has_the_cure_of_its_original() -> None:
    error = NotSignedIn("signed out", cure=Cure("sign in again", Action.SIGN_IN, profile="mum"))
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(other.cure, Cure)
        assert (other.cure, other.cure.action, other.cure.options) == (
            "sign in again",
            Action.SIGN_IN,
            {"profile": "mum"},
        )
        assert other.__notes__ == error.__notes__ == ["What to do: sign in again"]


def test_a_usage_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="start after end"):
        raise WindowError("start after end")


def test_a_refusal_carries_status_and_the_server_s_words() -> None:
    error = ServerError("upstream timeout", status=504)
    assert (error.status, error.detail, str(error)) == (504, "upstream timeout", "504: upstream timeout")
    assert str(ApiError()) == "400"
    assert ServerError.status == 500, "one error's status does not leak into its class"


def test_what_each_refusal_knows() -> None:
    assert BadRequest("not a date", field="start_date").field == "start_date"
    assert str(BadRequest("not a date", field="start_date")) == "400: start_date: not a date"
    missing = InsufficientScope("spo2", "Token not authorized", status=403)
    assert (missing.scope, missing.status) == ("spo2", 403)
    assert "spo2" in str(missing)
    assert "spo2" in missing.cure
    refused = OAuthError("invalid_grant", "token was used", status=401)
    assert (refused.error, refused.description, refused.status) == ("invalid_grant", "token was used", 401)
    assert str(refused) == "invalid_grant: token was used"


def test_a_rate_limit_says_when_to_come_back() -> None:
    until = datetime(2026, 1, 1, 12, 30, 5, tzinfo=UTC)
    assert RateLimited(until=until).until == until
    assert "12:30:05 UTC" in RateLimited(until=until).cure
    assert RateLimited().until is None
