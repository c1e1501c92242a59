"""The receiver inside other people's frameworks, mounted as docs/webhooks.md shows it, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
import uvicorn

from ringlet import webhooks

pytestmark = pytest.mark.interop

SECRET, TOKEN = "the application's secret", "a long random text"
PATIENT = 10
EVENT = webhooks.Event(
    event_type="create",
    data_type="sleep",
    object_id="5f2e0c1a",
    event_time="2026-02-02T02:40:00+00:00",
    user_id="wearer",
)


@contextlib.contextmanager
def asgi(app: Any) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENT)
        listener.close()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def wsgi(app: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENT)


def fastapi(hook: webhooks.Receiver) -> Any:
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/oura", hook)
    return asgi(app)


def starlette(hook: webhooks.Receiver) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return asgi(Starlette(routes=[Mount("/oura", app=hook)]))


def flask_route(hook: webhooks.Receiver) -> Any:
    from flask import Flask, request

    app = Flask("receiving")

    @app.route("/oura/", methods=["GET", "POST"])
    def oura() -> Any:
        reply = hook.handle(request.method, request.args, request.headers, request.get_data())
        return reply.body, reply.status, reply.headers

    return wsgi(app)


def flask_mount(hook: webhooks.Receiver) -> Any:
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    return wsgi(DispatcherMiddleware(Flask("receiving"), {"/oura": hook.wsgi}))


def django(hook: webhooks.Receiver) -> Any:
    from django import setup
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    def oura(request: HttpRequest) -> HttpResponse:
        reply = hook.handle(request.method or "", request.GET, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    urls = (path("oura/", oura),)
    settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["127.0.0.1"], LOGGING_CONFIG=None)
    setup()
    return wsgi(WSGIHandler())


@pytest.mark.parametrize("mounted", [fastapi, starlette, flask_route, flask_mount, django])
def test_a_receiver_works_wherever_it_is_mounted(mounted: Callable[[Any], Any], tmp_path: Path) -> None:
    handled: list[str] = []

    def handler(event: webhooks.Event) -> None:
        handled.append(event.object_id)

    body = EVENT.body
    signed = webhooks.signed_headers(SECRET, body, now=time.time())
    hook = webhooks.receiver(SECRET, TOKEN, inbox=tmp_path / "inbox.db", handler=handler)
    with hook, mounted(hook) as base, requests.Session() as oura:

        def status(method: str, **sent: Any) -> int:
            return oura.request(method, f"{base}/oura/", timeout=PATIENT, **sent).status_code

        question = {"verification_token": TOKEN, "challenge": "c=1&"}
        answer = oura.get(f"{base}/oura/", params=question, timeout=PATIENT)
        assert (answer.status_code, answer.json()) == (200, {"challenge": "c=1&"})
        assert status("GET", params=question | {"verification_token": "other"}) == 401
        assert status("POST", data=body) == 401
        assert status("POST", data=body + b"\n", headers=signed) == 401
        assert status("POST", data=b"x" * (64 * 1024 + 1), headers=signed) == 413
        assert [status("POST", data=body, headers=signed) for _ in range(2)] == [200, 200]
        late = time.monotonic() + PATIENT
        while not handled:
            assert time.monotonic() < late, "the handler was not called"
            time.sleep(0.005)
        assert status("PUT") == 405
    assert handled == [EVENT.object_id]
