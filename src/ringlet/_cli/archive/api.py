"""`ringlet api`: sends one authorized GET and prints the body of the answer unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import click

from ...errors import ServerError, UsageError
from ..shared import options, screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._api.wire import Flow, Request, Response
    from ...errors import ApiError

ROOTS = ("v2/", "v1/", "oauth/", "_ringlet/", "openapi.json")
"""Prefixes of paths that are sent unchanged.

Any other path is taken for a data type, and /v2/usercollection/ is put before it.
"""


@click.command()
@click.argument("path")
@click.option("-f", "--field", "fields", multiple=True, metavar="KEY=VALUE", help="A query parameter.")
@click.option("--paginate", is_flag=True, help="Follow next_token; one line per page.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers too.")
@options.base_url
@options.profile
def api(
    path: str,
    fields: tuple[str, ...],
    paginate: bool,
    include: bool,
    base_url: str | None,
    profile: str | None,
) -> None:
    """Send one GET and print the body of the answer.

    \b
    ringlet api personal_info
    ringlet api daily_sleep -f start_date=2026-11-01 -f end_date=2026-11-19
    ringlet api /v2/usercollection/heartrate -f latest=true
    """
    from ..._api.wire import RetryPolicy, with_retries
    from ..._client.client import Client
    from ..shared.wait_notices import notifying

    current = request(path, fields)
    # The client itself does not retry. The retries are made here, so that the user is notified of waits.
    with Client(base_url=base_url, profile=profile, retry_policy=RetryPolicy(max_tries=1)) as client:
        while True:
            response = client.run(notifying(with_retries(_send(current), RetryPolicy()), _tell_wait))
            _print(response, include, paginate)
            if response.status >= 400:
                raise _refused(current, response)
            following = _following(current, response) if paginate else None
            if following is None:
                return
            current = following


def request(path: str, fields: tuple[str, ...]) -> Request:
    """Build the request from the path and the `-f KEY=VALUE` fields that the user typed.

    Raises UsageError if the path is a URL or empty, or a field has no `=`.
    """
    from ..._api.catalog import TYPES
    from ..._api.kinds import ROOT
    from ..._api.wire import Request

    if "://" in path:
        raise UsageError(
            f"expected a path, and {path} is a URL", cure="give the path, and the host with --base-url"
        )
    bare, _, query = path.partition("?")
    bare = bare.strip("/").removeprefix("usercollection/")
    if not bare:
        raise UsageError("expected a path or a data type", cure=f"e.g. {command('api', 'personal_info')}")
    params = dict(parse_qsl(query, keep_blank_values=True))
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise UsageError(f"-f takes KEY=VALUE, and {field} has no '='", cure=f"write -f {field}=VALUE")
        params[name] = value
    whole = f"/{bare}" if bare.startswith(ROOTS) else f"{ROOT}/{bare}"
    kind = TYPES.get(whole.removeprefix(f"{ROOT}/").partition("/")[0])
    return Request(path=whole, params=params, scope=kind.scope if kind else "")


def _refused(current: Request, response: Response) -> ApiError:
    """Build the error for a refused request. For an unknown data type the cure suggests a similar one."""
    from ..._api.catalog import TYPES
    from ..._api.kinds import ROOT
    from ..._api.wire import refusal
    from ...errors import RouteNotFound
    from ..shared.suggest import nearest

    said = refusal(current, response)
    name = current.path.removeprefix(f"{ROOT}/").partition("/")[0]
    if isinstance(said, RouteNotFound) and current.path.startswith(f"{ROOT}/") and name not in TYPES:
        return RouteNotFound(said.detail, status=said.status, cure=nearest(name, list(TYPES)))
    return said


def _send(current: Request) -> Flow[Response]:
    return (yield current)


def _tell_wait(why: str, seconds: float) -> None:
    screen.remark(f"{why}; asking again in {seconds:.0f} s   ^C ends it")


def _print(response: Response, include: bool, paginate: bool) -> None:
    """Print a response. The body of an error is not printed, because the error message has its text."""
    if include:
        head = [f"HTTP {response.status}", *(f"{name}: {value}" for name, value in response.headers.items())]
        click.echo("\n".join(head) + "\n")
    if response.status < 400:
        screen.raw(response.body + b"\n" if paginate else response.body)


def _following(current: Request, response: Response) -> Request | None:
    """Build the request for the next page; None after the last page."""
    from dataclasses import replace

    import msgspec

    from ..._api.kinds import RawPage
    from ..._api.wire import DECODE_ERRORS

    try:
        token = msgspec.json.decode(response.body, type=RawPage).next_token
    except DECODE_ERRORS:
        return None  # The response is not a list of documents, so it has no next page.
    if token and token == current.params.get("next_token"):
        raise ServerError("the page token repeats", status=502)
    return replace(current, params={**current.params, "next_token": token}) if token else None
