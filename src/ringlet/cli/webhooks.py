"""`ringlet webhooks`: an application's subscriptions, at Oura or at a cloud of one's own.

Who asks is an application: OURA_CLIENT_ID and OURA_CLIENT_SECRET, else the one that was signed in with.

Rules of this file:
* A list shows no query of a callback, which may hold a secret; `--json` gives what the server says, whole.
* Of several wishes, a refusal does not undo what was granted: the rest is tried, and the exit code is 3.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING

import click

from ..errors import RequestWrong, RingletError, TokenDead, UsageError
from . import options, screen
from .deliveries import deliveries, resend

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..subscriptions import Subscription, Webhooks

PARTIAL = 3


@click.group()
def webhooks() -> None:
    """Subscriptions to what changes, and what was delivered."""


webhooks.add_command(deliveries)
webhooks.add_command(resend)

callback = click.option("--callback", metavar="URL", help="Where events are posted; it must be reachable.")
token = click.option(
    "--verification-token",
    envvar="RINGLET_VERIFICATION_TOKEN",
    metavar="TOKEN",
    help="What the callback knows the challenge by.  [RINGLET_VERIFICATION_TOKEN]",
)
ids = click.argument("ids", nargs=-1, metavar="ID...")


@webhooks.command(name="list")
@options.base_url
@options.profile
@options.as_json
def list_(base_url: str | None, profile: str | None, as_json: bool) -> None:
    """All subscriptions, and when they end."""
    with _application(base_url, profile) as subscribed:
        found = subscribed.list()
    _show(found, as_json)
    if not found and not as_json:
        screen.remark("no subscriptions")
        screen.next_step("ringlet webhooks create --callback URL --verification-token TOKEN --all")


@webhooks.command()
@click.argument("id", metavar="ID")
@options.base_url
@options.profile
@options.as_json
def get(id: str, base_url: str | None, profile: str | None, as_json: bool) -> None:
    """One subscription."""
    with _application(base_url, profile) as subscribed:
        _show([subscribed.get(id)], as_json)


@webhooks.command()
@callback
@token
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="A data type; several times for several."
)
@click.option(
    "--event", "events", multiple=True, metavar="EVENT", help="create, update, delete; default all."
)
@click.option("--all", "everything", is_flag=True, help="Every data type.")
@options.base_url
@options.profile
@options.as_json
def create(
    callback: str | None,
    verification_token: str | None,
    types: tuple[str, ...],
    events: tuple[str, ...],
    everything: bool,
    base_url: str | None,
    profile: str | None,
    as_json: bool,
) -> int:
    """Subscribe. The callback is asked for its challenge meanwhile."""
    from ..events import DATA_TYPES
    from .event_names import data_types, event_types

    if not callback or not verification_token:
        raise UsageError(
            "a callback and the token it knows the challenge by are needed",
            cure="add --callback URL --verification-token TOKEN",
        )
    if everything == bool(types):
        raise UsageError("say which data types", cure="add --type TYPE, once for each, or --all")
    wishes = list(product(DATA_TYPES if everything else data_types(types), event_types(events)))
    with _application(base_url, profile) as subscribed:
        return _each(
            [f"{data_type}.{event_type}" for data_type, event_type in wishes],
            lambda n: subscribed.create(callback, verification_token, wishes[n][1], wishes[n][0]),
            as_json,
        )


@webhooks.command()
@click.argument("id", metavar="ID")
@callback
@token
@click.option("--type", "data_type", metavar="TYPE", help="Another data type.")
@click.option("--event", "event_type", metavar="EVENT", help="Another event.")
@options.base_url
@options.profile
@options.as_json
def update(
    id: str,
    callback: str | None,
    verification_token: str | None,
    data_type: str | None,
    event_type: str | None,
    base_url: str | None,
    profile: str | None,
    as_json: bool,
) -> None:
    """Another callback, data type or event for a subscription."""
    from .event_names import data_types, event_types

    if not verification_token:
        raise UsageError(
            "the callback is asked for its challenge again", cure="add --verification-token TOKEN"
        )
    with _application(base_url, profile) as subscribed:
        changed = subscribed.update(
            id,
            verification_token,
            callback_url=callback,
            data_type=data_types([data_type])[0] if data_type else None,
            event_type=event_types([event_type])[0] if event_type else None,
        )
    _show([changed], as_json)


@webhooks.command()
@ids
@click.option("--all", "everything", is_flag=True, help="Every subscription.")
@options.base_url
@options.profile
@options.as_json
def renew(
    ids: tuple[str, ...], everything: bool, base_url: str | None, profile: str | None, as_json: bool
) -> int:
    """Another 90 days for subscriptions."""
    with _application(base_url, profile) as subscribed:
        meant = _meant(subscribed, ids, everything)
        return _each(meant, lambda n: subscribed.renew(meant[n]), as_json)


@webhooks.command()
@ids
@click.option("--all", "everything", is_flag=True, help="Every subscription.")
@options.base_url
@options.profile
def delete(ids: tuple[str, ...], everything: bool, base_url: str | None, profile: str | None) -> None:
    """End subscriptions."""
    with _application(base_url, profile) as subscribed:
        for id in _meant(subscribed, ids, everything):
            subscribed.delete(id)
            screen.remark(f"ended {id}")


@contextmanager
def _application(base_url: str | None, profile: str | None) -> Generator[Webhooks]:
    """The subscriptions of the application that asks. Raises TokenDead where it cannot prove itself."""
    from ..client import Client

    with Client(base_url=base_url, profile=profile) as client:
        try:
            yield client.webhooks
        except TokenDead as refused:
            raise TokenDead(
                refused.detail,
                cure="set OURA_CLIENT_ID and OURA_CLIENT_SECRET to the application that subscribes",
            ) from refused


def _each(names: Sequence[str], ask: Callable[[int], Subscription], as_json: bool) -> int:
    """Carry wishes out, show what came of them; the exit code. Raises where the first is refused."""
    granted: list[Subscription] = []
    refused: list[str] = []
    try:
        for n, name in enumerate(names):
            try:
                granted.append(ask(n))
            except RequestWrong as wrong:
                if len(names) == 1 or (not granted and wrong.status != CONFLICT):
                    raise
                refused.append(f"{name}: {wrong.message}")
    except RingletError:
        if granted:
            _show(granted, as_json)
        raise
    _show(granted, as_json)
    for reason in refused:
        screen.remark(reason)
    return PARTIAL if refused else 0


CONFLICT = 409
"""There is one already, which says nothing against the next."""


def _meant(subscribed: Webhooks, ids: tuple[str, ...], everything: bool) -> list[str]:
    if everything == bool(ids):
        raise UsageError("say which subscriptions", cure="name their ids (ringlet webhooks list), or --all")
    return [one.id for one in subscribed.list()] if everything else list(ids)


def _show(found: list[Subscription], as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(json.dumps({"v": 1, "subscriptions": msgspec.to_builtins(found)}))
        return
    now = datetime.now(UTC)
    for one in sorted(found, key=lambda one: (one.data_type, one.event_type)):
        days = (one.expires_at - now).days
        ends = f"ends {one.expires_at:%Y-%m-%d}" + (f", in {days} d" if days >= 0 else "")
        name = f"{one.data_type}.{one.event_type}"
        where, query, _ = one.callback_url.partition("?")
        text = f"{one.id:<36}  {name:<31}  {ends:<24}  {where}{query and '?…'}"
        click.echo(screen.printable(text))
