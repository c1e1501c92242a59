"""The servers that benchmarks measure, each in a process of its own: `python -m bench.servers SPEC`.

cloud      ringlet's cloud over a SQLite archive on disk; {"keep": 0} turns its cache of answers off
receiver   a receiver of webhooks; its "mode" says how it stores events (see `intake`)
raw        a raw ASGI application that returns given bytes and headers: the limit
"""

from __future__ import annotations

import base64
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ringlet._cloud.serve import run
from ringlet._cloud.wearer import demo
from ringlet._net.listen import bind
from ringlet._receiver import group_commit
from ringlet._receiver.receiver import Receiver
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings

SECRET = "the application's secret"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def create_demo_archive(path: str, days: int) -> None:
    """Create an archive on disk with the data of a simulated wearer."""
    with Archive.open(path) as archive:
        cloud = Cloud(archive, clock=Clock(NOW))
        demo.populate(archive, cloud.clock, days=days, seed=7)


def serve_cloud(spec: dict[str, Any]) -> None:
    archive = Archive.open(spec["path"])
    settings = CloudSettings(
        cache_bytes=spec.get("keep", 32 << 20),
        documents_per_page=spec.get("document_page"),
        latency_s=spec.get("latency", 0.0),
    )
    cloud = Cloud(archive, settings=settings, clock=Clock(NOW), admin_token="bench")
    cloud.rate_limit.limit = 10**9  # requests are counted, but the limit is never reached
    cloud.requests = type(cloud.requests)(maxlen=10_000)
    user = archive.users()[0].id
    keys = demo.credentials(cloud.grants, user, "bench")
    listener = bind("127.0.0.1", 0)
    ready = {"port": listener.getsockname()[1], "pid": os.getpid(), "token": keys.access_token}
    run(cloud, listener, lambda: print(json.dumps(ready), flush=True))


def serve_receiver(spec: dict[str, Any]) -> None:
    hook = Receiver(SECRET, "token", inbox=spec["path"])
    if spec["mode"] == "unstored":

        async def forget(event: object) -> None:
            pass

        hook._group_commit.commit = forget  # type: ignore[method-assign]  # only storing is left out
    elif spec["mode"] == "one by one":
        group_commit.MAX_EVENTS_PER_COMMIT = 1
    listener = bind("127.0.0.1", 0)
    ready = {"port": listener.getsockname()[1], "pid": os.getpid(), "token": "none"}
    run(hook, listener, lambda: print(json.dumps(ready), flush=True))


def serve_raw(spec: dict[str, Any]) -> None:
    prepared = {
        target: (base64.b64decode(body), [(name.encode(), value.encode()) for name, value in headers])
        for target, (body, headers) in json.loads(Path(spec["prepared"]).read_text()).items()
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        body, headers = prepared[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = bind("127.0.0.1", 0)
    ready = {"port": listener.getsockname()[1], "pid": os.getpid(), "token": "none"}
    run(app, listener, lambda: print(json.dumps(ready), flush=True))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    {"cloud": serve_cloud, "raw": serve_raw, "receiver": serve_receiver}[given["serve"]](given)
