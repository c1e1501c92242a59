"""Options that several verbs share, each written once.

Rules of this file:
* What says which archive, which cloud and whose data is remembered, for what is to be typed next.
* Arguments are seen by every user of a machine (`ps`). A secret among them is taken, and remarked upon.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from . import next_steps, screen

PROFILE = "ringlet.profile"
"""Key of click's `meta` under which the name of the sign-in stands, typed or from the environment."""


def _typed(context: click.Context, option: click.Parameter) -> bool:
    return context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE


def _remembered(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and _typed(context, option):
        next_steps.remember(context.meta, option.opts[0], value)
    return value


def _place(context: click.Context, option: click.Parameter, db: str | None) -> str | None:
    if db and next_steps.may_hold_password(db) and _typed(context, option):
        _remark("a password in --db", "RINGLET_DB")
    return _remembered(context, option, db)


def _whose(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    context.meta[PROFILE] = name
    return _remembered(context, option, name)


def _remark(what: str, variable: str) -> None:
    screen.remark(f"{what} is seen by every user of this machine, as arguments are: better as {variable}")


def secret(
    name: str, variable: str, help: str, *, metavar: str = "TEXT", on_demand: bool = False
) -> Callable[[Any], Any]:
    """An option whose value is a secret, better given in a variable.

    With `on_demand` the variable is looked at only where the option stands without a value.
    """

    def taken(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        if value and _typed(context, option):
            next_steps.hide(context.meta, value)
            _remark(name, variable)
        return os.environ.get(variable, "") if on_demand and value == "" else value

    if not on_demand:
        where = f"{help}  [better as {variable}: others see arguments]"
        return click.option(name, envvar=variable, metavar=metavar, callback=taken, help=where)
    where = f"{help}  [better without a value, as {variable}: others see arguments]"
    return click.option(
        name, metavar=f"[{metavar}]", is_flag=False, flag_value="", callback=taken, help=where
    )


db = click.option(
    "--db",
    envvar="RINGLET_DB",
    callback=_place,
    metavar="PATH|URL",
    help="The archive: a file or postgresql://USER@HOST/NAME.  [RINGLET_DB; default: in your data directory]",
)
base_url = click.option(
    "--base-url",
    callback=_remembered,
    metavar="URL",
    help="The cloud to ask, with or without /v2/usercollection.  [OURA_API_BASE_URL; default: Oura's]",
)
own_cloud = click.option(
    "--base-url",
    callback=_remembered,
    metavar="URL",
    help="The cloud of your own that is meant.  [OURA_API_BASE_URL; opened by RINGLET_ADMIN_TOKEN]",
)
profile = click.option(
    "--profile",
    envvar="RINGLET_PROFILE",
    callback=_whose,
    metavar="NAME",
    help="Whose kept sign-in to use, before OURA_ACCESS_TOKEN.  [RINGLET_PROFILE]",
)
kept_profile = click.option(
    "--profile",
    envvar="RINGLET_PROFILE",
    default="default",
    callback=_whose,
    metavar="NAME",
    help="The name of the sign-in; each may be another person's.  [RINGLET_PROFILE; default: default]",
)
user = click.option(
    "--user",
    callback=_remembered,
    metavar="NAME",
    help="Whose data, where the archive holds several people.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
