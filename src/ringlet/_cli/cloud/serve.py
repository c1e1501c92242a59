"""`ringlet serve`: runs an Oura Cloud on this machine, on the user's archive or with a simulated wearer."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..._net.loopback import HOST_HEADERS, is_loopback
from ...errors import UsageError
from ..shared import options, screen

if TYPE_CHECKING:
    from types import FrameType

    from ..._api.windows import Dialect
    from ..._archive.archive import Archive
    from ..._cloud.app import Cloud
    from ..._cloud.oauth.tokens import Rotation
    from .ready import Ready

PORT = 8765
"""The default port of a cloud.

It differs from the port on which `ringlet login` listens, so that both commands can run at the same time.
"""


@click.command()
@click.option("--demo", is_flag=True, help="With a simulated wearer, and credentials to try it.")
@click.option("--days", type=click.IntRange(1, 5000), default=400, show_default=True, help="The demo's days.")
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Another number is another simulated wearer."
)
@click.option(
    "--profile",
    "dialect",
    type=click.Choice(["live", "docs"]),
    default="live",
    show_default=True,
    help="Behave as Oura does (live), or as its documentation says (docs).",
)
@options.db
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 for any.")
@click.option("--clock", "clock_text", default="real", metavar="real|frozen:ISO", help="The cloud's time.")
@options.secret("--admin-token", "RINGLET_ADMIN_TOKEN", "The token for the control API, /_ringlet/.")
@options.secret("--secret", "RINGLET_SECRET", "The passphrase that people type to sign in.")
@click.option(
    "--rotation",
    type=click.Choice(["strict", "grace", "none"]),
    default="strict",
    show_default=True,
    help="Refresh tokens work once (strict), for a minute more (grace), or always (none).",
)
@click.option(
    "--callbacks",
    metavar="dev|public|lan:CIDR,...",
    help="Where events may be sent: this machine and public addresses; public addresses; the networks, too."
    "  [default: dev on a loopback host, else public]",
)
@click.option("--implicit", is_flag=True, help="Offer response_type=token, for programs without a secret.")
@click.option(
    "--ready", "ready_as", type=click.Choice(["json"]), help="How to reach it, as one line of JSON on stdout."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the portal in a browser.")
@click.pass_context
def serve(
    context: click.Context,
    demo: bool,
    days: int,
    seed: int,
    dialect: Dialect,
    db: str | None,
    host: str,
    port: int,
    clock_text: str,
    admin_token: str | None,
    secret: str | None,
    rotation: Rotation,
    callbacks: str | None,
    implicit: bool,
    ready_as: str | None,
    open_browser: bool,
) -> None:
    """Run an Oura Cloud of your own: API, OAuth2, webhooks, sandbox.

    The simulated wearer of --demo gets new data as time passes (`ringlet clock advance 1d`), and webhooks are
    sent for it. With --demo and without --db nothing is left on disk; RINGLET_DB is not used then, so that
    the simulated wearer stays out of your own archive.
    """
    from ..._cloud import serve as cloud_server
    from ..._cloud.app import Cloud
    from ..._cloud.core.clock import Clock
    from ..._cloud.data.routes import CloudSettings
    from ..._cloud.oauth.grants import OAuthRules
    from ..._net.addresses import AddressPolicy
    from ..._net.listen import base_url, bind

    check_host(host, admin_token, secret)
    allowed = AddressPolicy.parse(callbacks or ("dev" if is_loopback(host) else "public"))
    clock = Clock.parse(clock_text)
    listener = bind(host, port)
    # The server handles SIGTERM only after it has started. A demo creates its data before, which takes a
    # while, so SIGTERM is handled here until then.
    signal.signal(signal.SIGTERM, _leave)
    if demo and context.get_parameter_source("db") is not ParameterSource.COMMANDLINE:
        db = None
    with listener, _archive(db, demo) as archive:
        cloud = Cloud(
            archive,
            settings=CloudSettings(dialect=dialect),
            clock=clock,
            seed=seed,
            admin_token=admin_token,
            secret=secret,
            rules=OAuthRules(rotation=rotation, implicit=implicit),
            hosts=HOST_HEADERS if is_loopback(host) else None,
            callbacks=allowed,
        )
        ready = (
            _demo_ready(cloud, base_url(listener), days, seed)
            if demo
            else _archive_ready(cloud, base_url(listener))
        )
        cloud_server.run(
            cloud,
            listener,
            lambda: ready.announce(ready_as, open_browser),
            clock=cloud.clock,
            shut_down=cloud.shut_down,
        )


def check_host(host: str, admin_token: str | None, secret: str | None) -> None:
    """Raise UsageError if other machines can reach the host and the user did not choose both secrets.

    These are the passphrase and the admin token, each of at least `MIN_SECRET_CHARACTERS`.
    """
    chosen = {"RINGLET_SECRET": secret, "RINGLET_ADMIN_TOKEN": admin_token}
    missing = [name for name, value in chosen.items() if len(value or "") < MIN_SECRET_CHARACTERS]
    if not is_loopback(host) and missing:
        raise UsageError(
            f"listening on {host} lets others reach health data",
            cure="leave --host out, or choose what people type to sign in (RINGLET_SECRET) and the token for"
            f" the control API (RINGLET_ADMIN_TOKEN), of at least {MIN_SECRET_CHARACTERS} characters;"
            f" still to do: {' and '.join(missing)}",
        )


MIN_SECRET_CHARACTERS = 16


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _archive(db: str | None, demo: bool) -> Archive:
    from ..shared import archives

    return archives.for_demo(db) if demo else archives.for_writing(db)


def _archive_ready(cloud: Cloud, api: str) -> Ready:
    from .ready import Ready

    return Ready(api, cloud.admin_token, [name for _, name in cloud.archive.users()])


def _demo_ready(cloud: Cloud, api: str, days: int, seed: int) -> Ready:
    """Create the simulated wearer, and an application with tokens, which are new at each start."""
    from ..._cloud.wearer.demo import credentials, timeline
    from .ready import Ready, populating

    demo = timeline(
        cloud.archive,
        cloud.clock,
        cloud.publisher,
        seed=seed,
        dialect=cloud.settings.dialect,
        shutdown=cloud.shutdown,
    )
    with populating(days) as progress:
        demo.populate(days, progress)
    cloud.add_timeline(demo)
    names = dict(cloud.archive.users())
    issued = credentials(cloud.grants, demo.user, names[demo.user])
    ahead = cloud.clock.ahead.total_seconds()
    moved = f", the clock {screen.duration(ahead)} ahead" if ahead else ""
    return Ready(api, cloud.admin_token, list(names.values()), issued, f"seed {seed}, {days} days{moved}")
