"""`ringlet serve`: an Oura Cloud on this machine, over the archive or with a made-up wearer."""

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
"""`login` waits for the browser next door, so that both run at once."""


@click.command()
@click.option("--demo", is_flag=True, help="With a made-up wearer, and credentials to try it.")
@click.option("--days", type=click.IntRange(1, 5000), default=400, show_default=True, help="The demo's days.")
@click.option("--seed", type=int, default=7, show_default=True, help="Which made-up wearer.")
@click.option(
    "--profile",
    "dialect",
    type=click.Choice(["live", "docs"]),
    default="live",
    show_default=True,
    help="Behave as Oura was seen to, or as its documents say.",
)
@options.db
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 for any.")
@click.option("--clock", "clock_text", default="real", metavar="real|frozen:ISO", help="The cloud's time.")
@options.secret("--admin-token", "RINGLET_ADMIN_TOKEN", "What opens /_ringlet/.")
@options.secret("--secret", "RINGLET_SECRET", "What people type to sign in.")
@click.option(
    "--rotation",
    type=click.Choice(["strict", "grace", "none"]),
    default="strict",
    show_default=True,
    help="A refresh token works once; comes back for a minute; stays.",
)
@click.option(
    "--callbacks",
    metavar="dev|public|lan:CIDR,...",
    help="Where events may be sent: here and anywhere; anywhere public; these networks too."
    "  [default: dev on a loopback host, else public]",
)
@click.option("--implicit", is_flag=True, help="Offer response_type=token, for programs without a secret.")
@click.option("--ready", "ready_as", type=click.Choice(["json"]), help="First line on stdout: how to get in.")
@click.option("--open", "open_browser", is_flag=True, help="Open its portal in a browser.")
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

    The wearer of --demo lives on with the clock (`ringlet clock advance 1d`), and webhooks tell of it. With
    --demo and no --db nothing is left behind. RINGLET_DB is not looked at then: a made-up wearer has no
    business in your own archive.
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
    signal.signal(signal.SIGTERM, _leave)  # until the server takes over: the demo takes a while to settle in
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
        ready = _settled(cloud, base_url(listener), days, seed) if demo else _plain(cloud, base_url(listener))
        cloud_server.run(
            cloud,
            listener,
            lambda: ready.announce(ready_as, open_browser),
            clock=cloud.clock,
            shut_down=cloud.shut_down,
        )


def check_host(host: str, admin_token: str | None, secret: str | None) -> None:
    """Let the network in only on purpose. Raises UsageError."""
    chosen = {"RINGLET_SECRET": secret, "RINGLET_ADMIN_TOKEN": admin_token}
    missing = [name for name, value in chosen.items() if len(value or "") < LONG]
    if not is_loopback(host) and missing:
        raise UsageError(
            f"listening on {host} lets others reach health data",
            cure="leave --host out, or choose what people type to sign in (RINGLET_SECRET) and the token that"
            f" opens the controls (RINGLET_ADMIN_TOKEN), {LONG} characters at least;"
            f" still to do: {' and '.join(missing)}",
        )


LONG = 16
"""Characters that cannot be guessed."""


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _archive(db: str | None, demo: bool) -> Archive:
    from ..shared import archives as places

    return places.for_demo(db) if demo else places.for_writing(db)


def _plain(cloud: Cloud, api: str) -> Ready:
    from .ready import Ready

    return Ready(api, cloud.admin_token, [name for _, name in cloud.archive.users()])


def _settled(cloud: Cloud, api: str, days: int, seed: int) -> Ready:
    """The made-up wearer in place, with an application, and a secret and a grant of this start."""
    from ..._cloud.wearer.demo import credentials, wearer
    from .ready import Ready, settling

    life = wearer(
        cloud.archive,
        cloud.clock,
        cloud.publisher,
        seed=seed,
        dialect=cloud.settings.dialect,
        shutdown=cloud.shutdown,
    )
    with settling(days) as progress:
        life.settle_in(days, progress)
    cloud.add_timeline(life)
    names = dict(cloud.archive.users())
    issued = credentials(cloud.grants, life.user, names[life.user])
    ahead = cloud.clock.ahead.total_seconds()
    moved = f", the clock {screen.duration(ahead)} ahead" if ahead else ""
    return Ready(api, cloud.admin_token, list(names.values()), issued, f"seed {seed}, {days} days{moved}")
