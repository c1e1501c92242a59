"""Options that several commands share.

Rules of this file:
* Options that name the archive, the cloud or the user are remembered, and repeated in suggested commands.
* Every user of a machine can see the arguments of all programs with `ps`. If an argument is a secret, a
  warning names the environment variable to use instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from . import next_steps, screen

PROFILE = "ringlet.profile"
"""Key of click's `context.meta` for the name of the sign-in, typed or from the environment."""


def _typed(context: click.Context, option: click.Parameter) -> bool:
    return context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE


def _remembered(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and _typed(context, option):
        next_steps.remember(context.meta, option.opts[0], value)
    return value


def _check_db(context: click.Context, option: click.Parameter, db: str | None) -> str | None:
    if db and next_steps.may_hold_password(db) and _typed(context, option):
        _warn_of_arguments("a password in --db", "RINGLET_DB")
    return _remembered(context, option, db)


def _note_profile(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    context.meta[PROFILE] = name
    return _remembered(context, option, name)


def _warn_of_arguments(what: str, variable: str) -> None:
    screen.remark(
        f"{what} is seen by every user of this machine, as all arguments are: better set {variable}"
    )


def secret(
    name: str, variable: str, help: str, *, metavar: str = "TEXT", on_demand: bool = False
) -> Callable[[Any], Any]:
    """Return an option whose value is a secret. Its help recommends the environment variable `variable`.

    With `on_demand`, the variable is used only if the user typed the option without a value.
    """

    def taken(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        if value and _typed(context, option):
            next_steps.hide(context.meta, value)
            _warn_of_arguments(name, variable)
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
    callback=_check_db,
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
    help="Your cloud, as `ringlet serve` prints it; needs RINGLET_ADMIN_TOKEN.  [OURA_API_BASE_URL]",
)
profile = click.option(
    "--profile",
    envvar="RINGLET_PROFILE",
    callback=_note_profile,
    metavar="NAME",
    help="The stored sign-in to use; it comes before OURA_ACCESS_TOKEN.  [RINGLET_PROFILE]",
)
stored_profile = click.option(
    "--profile",
    envvar="RINGLET_PROFILE",
    default="default",
    callback=_note_profile,
    metavar="NAME",
    help="The name of the stored sign-in; one for each person.  [RINGLET_PROFILE; default: default]",
)
user = click.option(
    "--user",
    callback=_remembered,
    metavar="NAME",
    help="The user, if the archive has several.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
