"""Options that several verbs share, each written once."""

from __future__ import annotations

import click


def _whose(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Remember whose sign-in it is about, for what a failure says to do next."""
    context.meta[WHOSE] = name
    return name


WHOSE = "ringlet.profile"
"""Under which name that is remembered, in the `meta` of click's context."""

db = click.option(
    "--db",
    envvar="RINGLET_DB",
    metavar="PATH|URL",
    help="The archive: a file or postgresql://USER@HOST/NAME.  [RINGLET_DB; default: in your data directory]",
)
base_url = click.option(
    "--base-url",
    metavar="URL",
    help="The cloud to ask, with or without /v2/usercollection.  [OURA_API_BASE_URL; default: Oura's]",
)
own_cloud = click.option(
    "--base-url",
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
user = click.option("--user", metavar="NAME", help="Whose data, where the archive holds several people.")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
