"""Runs create or renew for several subscriptions, collects refusals, and prints the result.

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
    """Some requests succeeded and others were refused; the refusals have been printed."""

    exit_code = 3


def carry_out(
    asked: Application,
    requests: Mapping[str, Callable[[], Subscription]],
    as_json: bool,
    *,
    existing: Sequence[Subscription] = (),
) -> None:
    """Send requests, and show the resulting subscriptions together with the `existing` ones.

    Raises RingletError if a request is refused, SomeRefused if others succeeded.
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
            show(asked, [*existing, *granted], as_json)
        raise
    if existing or granted or not refused:
        show(asked, [*existing, *granted], as_json)
    if refused:
        what = f"{len(refused)} of {len(requests)} were refused"
        raise (SomeRefused if existing or granted else RingletError)(what, cure=cure(refused[0]))


def show(asked: Application, found: Sequence[Subscription], as_json: bool) -> None:
    """Print subscriptions: one line for each, or all as JSON."""
    if as_json:
        click.echo(json.dumps({"v": 1, "subscriptions": msgspec.to_builtins(found)}))
        return
    odd = 0
    for one in sorted(found, key=lambda one: (one.data_type, one.event_type)):
        try:
            days = asked.days_left(one)
            ends = f"ends {one.expires_at:%Y-%m-%d}" + (f", in {days} d" if days else "")
        except ServerError:
            odd += 1
            ends = f"ends {json.dumps(one.expiration_time)}"
        name = f"{one.data_type}.{one.event_type}"
        where, query, _ = one.callback_url.partition("?")
        text = f"{one.id:<36}  {name:<31}  {ends:<24}  {where}{query and '?…'}"
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
