"""Wishes about subscriptions, carried out one after the other; and how what came of them is shown.

Rules of this file:
* A list shows no query of a callback, which may hold a secret; `--json` gives what the server says, whole.
* An end that is no date is shown as it came, and hides nothing else.
* Of several wishes, a refusal does not undo what was granted: the rest is tried, and the exit code is 3.
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
    """Of several wishes some were granted; why the others were not has been told."""

    exit_code = 3


def carry_out(
    asked: Application,
    wishes: Mapping[str, Callable[[], Subscription]],
    as_json: bool,
    *,
    there: Sequence[Subscription] = (),
) -> None:
    """Carry wishes out, and show what came of them beside what was there. Raises where one is refused."""
    granted: list[Subscription] = []
    refused: list[BadRequest] = []
    try:
        for name, wish in wishes.items():
            try:
                granted.append(wish())
            except BadRequest as wrong:
                if len(wishes) == 1 or (not granted and wrong.status != CONFLICT):
                    raise
                refused.append(wrong)
                screen.remark(f"{name}: {wrong.message}")
    except RingletError:
        if granted:
            show(asked, [*there, *granted], as_json)
        raise
    if there or granted or not refused:
        show(asked, [*there, *granted], as_json)
    if refused:
        what = f"{len(refused)} of {len(wishes)} were refused"
        raise (SomeRefused if there or granted else RingletError)(what, cure=cure(refused[0]))


def show(asked: Application, found: Sequence[Subscription], as_json: bool) -> None:
    """A line for each, or all as JSON."""
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
        screen.remark(f"{odd} of {len(found)} end at no date that can be read: renewing gives another")


def show_ended(ended: Sequence[str], as_json: bool) -> None:
    """The ids of what was ended."""
    if as_json:
        click.echo(json.dumps({"v": 1, "ended": ended}))
        return
    for id in ended:
        click.echo(screen.printable(f"ended {id}"))
