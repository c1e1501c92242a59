"""The control API of events and deliveries, `/_ringlet/events` and `/_ringlet/deliveries`.

GET  /_ringlet/events      events with higher numbers: ?after=SEQ&log=ID&limit=N; &wait=SECONDS waits for one
GET  /_ringlet/deliveries  deliveries, newest first: ?state=failed&subscription=ID&before=ID&limit=N
GET  /_ringlet/deliveries/{id}           one delivery with its attempts
POST /_ringlet/deliveries/{id}/replay    sends a delivery again
POST /_ringlet/deliveries/replay         {"failed": true}, or {"from": ISO, "to": ISO}: sends many again

Rules of this file:
* A reader of the event log passes the log's id as `log`, because every log has its own numbers. If the id is
  that of another log, or the number is higher than that of the newest event, the answer comes at once and has
  no events.
* `oldest` in the answer is the number of the oldest stored event. A reader whose `after` is lower than the
  number before it has missed events, which were deleted.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..._api.windows import to_ms
from ...errors import UsageError
from ..core.bodies import read_body
from ..core.shutdown import Shutdown
from ..webhooks.attempts import Attempt
from ..webhooks.deliveries import Deliveries
from ..webhooks.delivery_list import Delivery, DeliveryList
from ..webhooks.delivery_records import STATES
from ..webhooks.event_log import EventLog, LoggedEvent
from .admin import Admin

MAX_WAIT_S = 60.0
"""The most seconds that a request waits for the next event."""
LOG_POLL_S = 0.05
"""Seconds between two reads of the event log while a request waits. Another process may append to the log."""
MAX_ROWS = 1000
"""The most events or deliveries in one answer."""


class _Replay(msgspec.Struct, forbid_unknown_fields=True):
    failed: bool = False
    first: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(default=None, name="from")
    last: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(default=None, name="to")


class ControlEvents:
    """The routes of events and deliveries."""

    def __init__(self, admin: Admin, log: EventLog, deliveries: Deliveries, shutdown: Shutdown) -> None:
        self._admin = admin
        self.log = log
        self.deliveries = deliveries
        self.delivery_list = DeliveryList(deliveries.db)
        self.shutdown = shutdown

    def routes(self) -> list[BaseRoute]:
        """The routes of events and deliveries, which need the admin token."""
        only, root = self._admin.only, "/_ringlet/deliveries"
        return [
            Route("/_ringlet/events", only(self.events), methods=["GET"]),
            Route(root, only(self.list), methods=["GET"]),
            Route(f"{root}/replay", only(self.replay_many), methods=["POST"]),
            Route(f"{root}/{{id:int}}", only(self.get), methods=["GET"]),
            Route(f"{root}/{{id:int}}/replay", only(self.replay), methods=["POST"]),
        ]

    # The log

    async def events(self, request: Request) -> Response:
        """List the events with a number above `after`; with `wait`, wait until there is one.

        Raises UsageError for a malformed number.
        """
        params = request.query_params
        after, limit = _number(params, "after", 0), min(_number(params, "limit", 100), MAX_ROWS)
        until = time.monotonic() + min(_seconds(params, "wait"), MAX_WAIT_S)
        log = self.log.id
        known = params.get("log", log) == log
        while True:
            newest = self.log.newest
            found = self.log.after(after, limit) if known else []
            if found or not known or after > newest or self.shutdown.begun or time.monotonic() >= until:
                break
            await asyncio.sleep(LOG_POLL_S)
            if await request.is_disconnected():
                break
        page = {"log": log, "oldest": self.log.oldest, "newest": newest, "events": list(map(_line, found))}
        return JSONResponse(page)

    # Deliveries

    async def list(self, request: Request) -> Response:
        """List deliveries, newest first. Raises UsageError for an unknown state or a malformed number."""
        params = request.query_params
        state = params.get("state")
        if state is not None and state not in STATES:
            raise UsageError(f"unknown state {state!r}", cure=f"pass one of {', '.join(STATES)}")
        before = _number(params, "before", 0) or None
        limit = min(_number(params, "limit", 100), MAX_ROWS)
        found = self.delivery_list.page(None, params.get("subscription"), state, before, limit)
        counts = self.deliveries.counts()
        return JSONResponse({"counts": counts, "deliveries": [_delivery(one) for one in found]})

    async def get(self, request: Request) -> Response:
        """Show one delivery with its attempts. Raises HTTPException 404 for an unknown delivery."""
        delivery = self._delivery(request)
        attempts = [_attempt(one) for one in self.delivery_list.attempts(delivery.id)]
        return JSONResponse(_delivery(delivery) | {"tries": attempts})

    async def replay(self, request: Request) -> Response:
        """Send one delivery again. Raises HTTPException 404 for an unknown delivery."""
        return self._replayed(int(self.deliveries.replay_one(self._delivery(request).id)))

    async def replay_many(self, request: Request) -> Response:
        """Send all failed deliveries again, or all deliveries of events between two instants.

        Raises UsageError unless the body asks for exactly one of these.
        """
        body = msgspec.json.decode(await read_body(request), type=_Replay)
        if body.failed == (body.first is not None or body.last is not None):
            raise UsageError("say which deliveries", cure='pass {"failed": true}, or both "from" and "to"')
        if body.failed:
            return self._replayed(self.deliveries.replay_failed(None))
        if body.first is None or body.last is None:
            raise UsageError("a range needs both ends", cure='pass both "from" and "to"')
        return self._replayed(self.deliveries.replay_range(None, to_ms(body.first), to_ms(body.last)))

    def _replayed(self, replayed: int) -> Response:
        return JSONResponse({"replayed": replayed})

    def _delivery(self, request: Request) -> Delivery:
        id: int = request.path_params["id"]
        found = self.delivery_list.get(id)
        if found is None:
            raise HTTPException(404, f"no delivery {id}")
        return found


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UsageError(f"{name}={text[:20]!r} is not a number", cure="pass a whole number, 0 or more")
    return int(text)


def _seconds(params: Mapping[str, str], name: str) -> float:
    text = params.get(name) or "0"
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise UsageError(f"{name}={text[:20]!r} is not a time", cure="pass seconds, 0 or more")
    return float(text)


def _line(logged: LoggedEvent) -> dict[str, Any]:
    return {"seq": logged.seq, "event": msgspec.json.decode(logged.body)}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return asdict(delivery) | {"body": delivery.body.decode()}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return asdict(attempt) | {"response": attempt.response.decode("utf-8", "replace")}
