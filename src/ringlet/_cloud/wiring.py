"""Puts the parts of a cloud together around one archive, and lists their routes.

Only this file decides which part is given which others. `app` uses the parts to answer requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .._archive.archive import Archive
from .._net.addresses import AddressPolicy
from .._net.dial import Dialer
from .._person.person import Person
from .browser.pages import static_files
from .browser.sessions import Sessions
from .browser.sign_in import SignInPages
from .browser.visitor import Visitors
from .control.admin import Admin
from .control.clock import ControlClock
from .control.faults import Faults
from .control.state import Control, LoggedRequest
from .control.trigger import ControlTrigger
from .control.triggers import Triggers
from .control.webhooks import ControlEvents
from .core.clock import Clock
from .core.rate_limit import RateLimit
from .core.shutdown import Shutdown
from .core.throttle import Throttle
from .data.openapi import document
from .data.routes import CloudSettings, DataRoutes
from .data.sandbox import Sandbox
from .oauth.authorize_endpoint import AuthorizeEndpoint
from .oauth.grants import Grants, OAuthRules
from .oauth.metadata import Metadata
from .oauth.token_endpoint import TokenEndpoint
from .portal.applications import PortalApplications
from .portal.home import PortalHome
from .portal.webhooks import PortalWebhooks
from .webhooks.deliveries import Deliveries
from .webhooks.event_log import EventLog
from .webhooks.publisher import Publisher
from .webhooks.routes import SubscriptionRoutes
from .webhooks.sender import Sender
from .webhooks.subscriptions import Subscriptions

Worker = Callable[[], Coroutine[Any, Any, None]]
"""A background task of a cloud, which runs until it is cancelled."""

REQUESTS_LOGGED = 10_000
"""How many of the last requests `GET /_ringlet/requests` shows."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The objects that a cloud consists of."""

    archive: Archive
    clock: Clock
    rate_limit: RateLimit
    shutdown: Shutdown
    grants: Grants
    subscriptions: Subscriptions
    deliveries: Deliveries
    events: EventLog
    publisher: Publisher
    dialer: Dialer
    data: DataRoutes
    faults: Faults
    control_clock: ControlClock
    requests: deque[LoggedRequest]
    workers: list[Worker] = field(default_factory=list[Worker])
    routes: list[BaseRoute] = field(default_factory=list[BaseRoute])
    """All routes of the cloud except the data routes, which do not use Starlette."""


def assemble(
    archive: Archive,
    *,
    settings: CloudSettings,
    clock: Clock,
    seed: int,
    admin_token: str,
    secret: str | None,
    rules: OAuthRules | None,
    callbacks: AddressPolicy | None,
) -> Parts:
    """Create the parts of a cloud; the arguments are those of `Cloud`.

    From now on, every change of a document through this archive object is published as an event.
    """
    rate_limit, throttle, shutdown = RateLimit(), Throttle(), Shutdown()
    grants = Grants(archive, clock, rate_limit, settings.dialect, rules)
    subscriptions = Subscriptions(archive, clock)
    deliveries = Deliveries(archive, clock, subscriptions)
    events = EventLog(archive, clock)
    publisher = Publisher(archive, clock, events, deliveries)
    archive.observer = publisher.observe
    dialer = Dialer(callbacks)
    sandbox = Sandbox(Person(seed, "sandbox", dialect=settings.dialect, ids="sandbox"), clock)
    data = DataRoutes(archive, grants, sandbox, clock, rate_limit, settings)
    admin, faults = Admin(admin_token), Faults(seed)
    parts = Parts(
        archive=archive,
        clock=clock,
        rate_limit=rate_limit,
        shutdown=shutdown,
        grants=grants,
        subscriptions=subscriptions,
        deliveries=deliveries,
        events=events,
        publisher=publisher,
        dialer=dialer,
        data=data,
        faults=faults,
        control_clock=ControlClock(admin, archive, clock, deliveries, shutdown),
        requests=deque(maxlen=REQUESTS_LOGGED),
    )
    parts.workers.extend([Sender(deliveries, publisher, grants.apps, dialer).run, parts.control_clock.run])
    triggers = Triggers(archive, clock, publisher, settings.dialect)
    subscription_routes = SubscriptionRoutes(
        grants.apps, deliveries, dialer, settings.dialect, throttle, rate_limit
    )
    parts.routes.extend(
        [
            *_browser_routes(parts, throttle, secret),
            *TokenEndpoint(grants, throttle).routes(),
            *subscription_routes.routes(),
            *Metadata(grants.rules).routes(),
            *Control(admin, grants, archive, faults, parts.requests).routes(),
            *parts.control_clock.routes(),
            *ControlTrigger(admin, archive, triggers, shutdown).routes(),
            *ControlEvents(admin, events, deliveries, shutdown).routes(),
            Route("/openapi.json", _openapi),
            Route("/v1/{rest:path}", _sunset, methods=["GET", "POST"]),
        ]
    )
    return parts


def _browser_routes(parts: Parts, throttle: Throttle, secret: str | None) -> list[BaseRoute]:
    """The routes of the pages that people open in a browser: sign-in, consent and the portal."""
    archive, grants = parts.archive, parts.grants
    sessions = Sessions(archive, parts.clock, secret)
    visitors = Visitors(archive, sessions, needs_passphrase=bool(secret))
    return [
        *AuthorizeEndpoint(archive, grants, sessions, visitors, throttle).routes(),
        *SignInPages(archive, sessions, visitors, throttle, secret).routes(),
        *PortalHome(grants, parts.subscriptions, visitors).routes(),
        *PortalApplications(grants, parts.deliveries, visitors).routes(),
        *PortalWebhooks(grants.apps, parts.subscriptions, parts.deliveries, visitors).routes(),
        *static_files.routes(),
    ]


async def _sunset(request: Request) -> Response:
    return JSONResponse({"detail": "Oura API v1 is sunset; use /v2/usercollection."}, status_code=410)


async def _openapi(request: Request) -> Response:
    return Response(msgspec.json.encode(document()), media_type="application/json")
