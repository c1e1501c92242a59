"""The two programs of these tests, each in a process of its own: `python cloud_or_sync.py cloud|sync SPEC`.

cloud   a cloud over a prepared archive; SPEC may add latency or a rate limit, or remove a route
sync    one backfill at a given time; `ringlet sync` does the same at the present time
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, date, datetime
from typing import Any

from ringlet._cloud.serve import run
from ringlet._cloud.wearer import demo
from ringlet._net.listen import bind
from ringlet._sync.backfill import Backfill
from ringlet.archive import Archive
from ringlet.client import AsyncClient
from ringlet.cloud import Clock, Cloud, CloudSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cloud(spec: dict[str, Any]) -> None:
    """Answer until told to stop; the first line on stdout says where, and how to get in."""
    archive = Archive.open(spec["path"])
    cloud = Cloud(archive, settings=CloudSettings(latency_s=spec.get("latency", 0.0)), clock=Clock(NOW))
    cloud.rate_limit.limit, cloud.rate_limit.window_s = spec.get("limit", 5000), spec.get("window", 300)
    absent = "/v2/usercollection/" + spec.get("without", "nothing")

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope.get("path") == absent:
            scope = {**scope, "path": "/v2/usercollection/no_such_type"}
        await cloud(scope, receive, send)

    user = archive.users()[0]
    issued = demo.credentials(cloud.grants, user.id, user.name)
    listener = bind("127.0.0.1", 0)
    ready = {
        "api": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "user_id": user.name,
        "access_token": issued.access_token,
        "admin_token": cloud.admin_token,
    }

    def say() -> None:
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()

    run(app, listener, say)  # type: ignore[arg-type]  # any ASGI app will do


async def sync(spec: dict[str, Any]) -> int:
    """One run; what it ends with."""
    async with AsyncClient(spec["token"], base_url=spec["api"]) as client:
        with Archive.open(spec["path"]) as archive:
            since = date.fromisoformat(spec["since"])
            backfill = Backfill(client, archive, since=since, connections=spec["connections"], now=NOW)
            return (await backfill.run()).exit_code


if __name__ == "__main__":
    role, given = sys.argv[1], json.loads(sys.argv[2])
    if role == "cloud":
        cloud(given)
    else:
        os._exit(asyncio.run(sync(given)))
