"""Creates or renews several subscriptions, collects the errors of refused requests, and prints the result.

Rules of this file:
* The query of a callback URL may contain a secret and is not shown. `--json` prints what the server sent.
* An expiration time that cannot be parsed is shown as the server sent it.
* After a refusal the other requests are still sent, and the exit code is 3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import click
import msgspec

from ..._webhooks.subscriptions import Subscription
from ...errors import BadRequest, RingletError, ServerError
from ..shared import screen
from .application import CONFLICT, Application, cure


class SomeRefused(RingletError):
    """Raised if some requests succeeded and others were refused. The refused ones have been printed."""

    exit_code = 3


def carry_out(
    app: Application,
    requests: Mapping[str, Callable[[], Subscription]],
    as_json: bool,
    *,
    existing: Sequence[Subscription] = (),
) -> None:
    """Send requests, and print the resulting subscriptions together with the `existing` ones.

    `requests` has a function for each request, by the name that messages show. Raises SomeRefused if some
    requests were refused and others succeeded, another RingletError if none succeeded.
    """
    granted: list[Subscription] = []
    refused: list[BadRequest] = []
    try:
        for name, request in requests.items():
            try:
                granted.append(request())
            except BadRequest as wrong:
                if len(requests) == 1 or (not granted and wrong.status != CONFLICT):
                    raise
                refused.append(wrong)
                screen.remark(f"{name}: {wrong.message}")
    except RingletError:
        if granted:
            show(app, [*existing, *granted], as_json)
        raise
    if existing or granted or not refused:
        show(app, [*existing, *granted], as_json)
    if refused:
        what = f"{len(refused)} of {len(requests)} were refused"
        raise (SomeRefused if existing or granted else RingletError)(what, cure=cure(refused[0]))


def show(app: Application, found: Sequence[Subscription], as_json: bool) -> None:
    """Print subscriptions: one line for each, or all as JSON."""
    if as_json:
        click.echo(json.dumps({"v": 1, "subscriptions": msgspec.to_builtins(found)}))
        return
    odd = 0
    for subscription in sorted(
        found, key=lambda subscription: (subscription.data_type, subscription.event_type)
    ):
        try:
            days = app.days_left(subscription)
            ends = f"ends {subscription.expires_at:%Y-%m-%d}" + (f", in {days} d" if days else "")
        except ServerError:
            odd += 1
            ends = f"ends {json.dumps(subscription.expiration_time)}"
        name = f"{subscription.data_type}.{subscription.event_type}"
        where, query, _ = subscription.callback_url.partition("?")
        text = f"{subscription.id:<36}  {name:<31}  {ends:<24}  {where}{query and '?…'}"
        click.echo(screen.printable(text))
    if odd:
        screen.remark(
            f"{odd} of {len(found)} have an expiration time that cannot be read; renewing gives another"
        )


def show_ended(ended: Sequence[str], as_json: bool) -> None:
    """Print the ids of deleted subscriptions."""
    if as_json:
        click.echo(json.dumps({"v": 1, "ended": ended}))
        return
    for id in ended:
        click.echo(screen.printable(f"ended {id}"))
