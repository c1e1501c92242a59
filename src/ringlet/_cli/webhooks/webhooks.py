"""`ringlet webhooks`: manages the subscriptions of an application, at Oura or at the user's own cloud.

The application is named by OURA_CLIENT_ID and OURA_CLIENT_SECRET, else by the stored sign-in.

`ringlet webhooks create` is idempotent: it leaves an existing subscription with the same callback URL as it
is, and does not fail.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import click

from ...errors import RingletError, UsageError
from ..shared import options, screen
from ..shared.next_steps import command
from .deliveries import deliveries, resend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .application import Application


@click.group()
def webhooks() -> None:
    """Manage webhook subscriptions, and see what was delivered."""


webhooks.add_command(deliveries)
webhooks.add_command(resend)

callback = click.option("--callback", metavar="URL", help="Where events are posted; it must be reachable.")
token = options.secret(
    "--verification-token",
    "RINGLET_VERIFICATION_TOKEN",
    "The token by which the callback recognises the challenge.",
    metavar="TOKEN",
)
NEEDS_PROOF = "export RINGLET_VERIFICATION_TOKEN, or add --verification-token TOKEN"
ids = click.argument("ids", nargs=-1, metavar="ID...")


@webhooks.command(name="list")
@options.base_url
@options.profile
@options.as_json
def list_(base_url: str | None, profile: str | None, as_json: bool) -> None:
    """List the subscriptions, and when they end."""
    from .application import application
    from .subscriptions import show

    with application(base_url, profile) as app:
        found = app.webhooks.list()
        show(app, found, as_json)
    if not found and not as_json:
        screen.remark("no subscriptions")
        create = command("webhooks create", "--callback", "URL", "--all")
        screen.next_step(f"export RINGLET_VERIFICATION_TOKEN=...; {create}")


@webhooks.command()
@click.argument("id", metavar="ID")
@options.base_url
@options.profile
@options.as_json
def get(id: str, base_url: str | None, profile: str | None, as_json: bool) -> None:
    """Show one subscription."""
    from .application import application
    from .subscriptions import show

    with application(base_url, profile) as app:
        show(app, [app.webhooks.get(id)], as_json)


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
) -> None:
    """Create webhook subscriptions. The callback must be running, because it is sent a challenge.

    Existing subscriptions with the same callback URL stay as they are. Exit code 3 means that some
    subscriptions could not be created; stderr says why.
    """
    from ..._webhooks.events import DATA_TYPES
    from ..shared.event_names import data_types, event_types
    from .application import application, check_callback
    from .subscriptions import carry_out

    if not callback or not verification_token:
        raise UsageError(
            "expected a callback and its verification token",
            cure=f"add --callback URL, and {NEEDS_PROOF}",
        )
    if everything == bool(types):
        raise UsageError("expected data types", cure="add --type TYPE, once for each, or --all")
    pairs = dict.fromkeys(product(DATA_TYPES if everything else data_types(types), event_types(events)))
    check_callback(callback)
    with application(base_url, profile) as app:
        ours = {
            (one.data_type, one.event_type): one
            for one in app.webhooks.list()
            if one.callback_url == callback
        }
        existing = [ours[pair] for pair in pairs if pair in ours]
        if existing:
            screen.remark(f"there already: {len(existing)} of {len(pairs)}")
        create = partial(app.webhooks.create, callback, verification_token)
        requests = {
            f"{data_type}.{event_type}": partial(create, event_type, data_type)
            for data_type, event_type in pairs
            if (data_type, event_type) not in ours
        }
        carry_out(app, requests, as_json, existing=existing)


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
    """Change the callback, data type or event of a subscription."""
    from ..shared.event_names import data_types, event_types
    from .application import application, check_callback
    from .subscriptions import show

    if not verification_token:
        raise UsageError(
            "expected the verification token: the callback must answer the challenge once more",
            cure=NEEDS_PROOF,
        )
    if callback is not None:
        check_callback(callback)
    with application(base_url, profile) as app:
        changed = app.webhooks.update(
            id,
            verification_token,
            callback_url=callback,
            data_type=data_types([data_type])[0] if data_type else None,
            event_type=event_types([event_type])[0] if event_type else None,
        )
        show(app, [changed], as_json)


@webhooks.command()
@ids
@click.option("--all", "everything", is_flag=True, help="Every subscription.")
@options.base_url
@options.profile
@options.as_json
def renew(
    ids: tuple[str, ...], everything: bool, base_url: str | None, profile: str | None, as_json: bool
) -> None:
    """Renew subscriptions for another 90 days."""
    from .application import application
    from .subscriptions import carry_out

    _check_named(ids, everything)
    with application(base_url, profile) as app:
        carry_out(app, {id: partial(app.webhooks.renew, id) for id in _named_or_all(app, ids)}, as_json)


@webhooks.command()
@ids
@click.option("--all", "everything", is_flag=True, help="Every subscription.")
@options.base_url
@options.profile
@options.as_json
def delete(
    ids: tuple[str, ...], everything: bool, base_url: str | None, profile: str | None, as_json: bool
) -> None:
    """Delete subscriptions."""
    from .application import application
    from .subscriptions import show_ended

    _check_named(ids, everything)
    ended: list[str] = []
    try:
        with application(base_url, profile) as app:
            for id in _named_or_all(app, ids):
                app.webhooks.delete(id)
                ended.append(id)
    except RingletError:
        if ended:
            show_ended(ended, as_json)
        raise
    show_ended(ended, as_json)


def _check_named(ids: tuple[str, ...], everything: bool) -> None:
    if everything == bool(ids):
        raise UsageError(
            "expected ids of subscriptions", cure=f"name their ids ({command('webhooks list')}), or --all"
        )


def _named_or_all(app: Application, ids: tuple[str, ...]) -> Sequence[str]:
    found = ids or [one.id for one in app.webhooks.list()]
    if not found:
        screen.remark("no subscriptions")
    return found
