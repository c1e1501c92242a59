"""A client of a cloud's control API, `/_ringlet/`, for the commands that operate the user's own cloud.

The address of the cloud comes from `--base-url`, else from OURA_API_BASE_URL. The admin token comes from
RINGLET_ADMIN_TOKEN. `ringlet serve` prints the address and the token.

Rules of this file:
* The admin token is sent only to the cloud that the user named, and never to Oura, which has no control API.
* Every response that refuses a request raises an error whose cure is a command or a step for the user.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from ..._api.wire import DECODE_ERRORS, Request, Response, refusal
from ..._client.client import base_url_from
from ..._client.transport import REQUEST_TIMEOUT_S, HttpcoreTransport
from ..._net.loopback import is_loopback
from ...errors import ApiError, ConnectionFailed, RouteNotFound, ServerError, UsageError
from .next_steps import command

CONTROL = "/_ringlet/"
OURA = "ouraring.com"


class ControlClient:
    """A client of the control API of one cloud.

    Raises UsageError if the admin token is missing, or the address is malformed or Oura's.
    """

    def __init__(
        self, base_url: str | None, admin_token: str | None = None, *, timeout: float = REQUEST_TIMEOUT_S
    ) -> None:
        self.base_url = base_url_from(base_url)
        if _is_ouras(self.base_url):
            raise UsageError("expected the address of a cloud of your own", cure=_start_one())
        token = admin_token or os.environ.get("RINGLET_ADMIN_TOKEN")
        if not token:
            raise UsageError(
                f"expected the admin token of {self.base_url}",
                cure="export RINGLET_ADMIN_TOKEN, as `ringlet serve` printed it",
            )
        self._signed = {"authorization": f"Bearer {token}"}
        self._transport = HttpcoreTransport(self.base_url, timeout=timeout)

    def get(self, path: str, /, **params: str | int | float | None) -> Any:
        """Send GET `/_ringlet/PATH`, and return the decoded JSON. Parameters that are None are not sent.

        Raises ConnectionFailed if the cloud does not answer, ApiError if it refuses the request.
        """
        given = {name: str(value) for name, value in params.items() if value is not None}
        return self._ask(Request(path=CONTROL + path, params=given, headers=self._signed))

    def post(self, path: str, body: Any = None) -> Any:
        """Send POST `/_ringlet/PATH` with `body` as JSON; return the decoded JSON. Raises as `get` does."""
        headers = self._signed | {"content-type": "application/json"}
        sent = msgspec.json.encode(body) if body is not None else b""
        return self._ask(Request(path=CONTROL + path, method="POST", headers=headers, body=sent))

    def delete(self, path: str) -> Any:
        """Send DELETE `/_ringlet/PATH`, and return the decoded JSON. Raises as `get` does."""
        return self._ask(Request(path=CONTROL + path, method="DELETE", headers=self._signed))

    def close(self) -> None:
        """Close the connection to the cloud."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: Request) -> Any:
        try:
            response = self._transport.send(request)
        except ConnectionFailed as lost:
            if lost.sent:
                raise
            raise ConnectionFailed(
                f"no cloud answers at {self.base_url}",
                sent=False,
                cure=unreached(self.base_url)
                or "see that it runs, or name the one that does with --base-url",
            ) from lost
        if response.status >= 300:
            raise self._refused(request, response)
        if not response.body:
            return None
        try:
            return msgspec.json.decode(response.body)
        except DECODE_ERRORS:
            raise ServerError(
                f"{self.base_url} answers, but not as the control API of ringlet does",
                status=502,
                cure="see that the base URL names a cloud that `ringlet serve` runs",
            ) from None

    def _refused(self, request: Request, response: Response) -> ApiError:
        """Build the error for a refused request. Its cure is about the admin token, not about sign-ins."""
        said = refusal(request, response)
        cure = CURES.get(response.status) or _cure(response)
        if not cure:
            return said
        # A 404 for a missing user or delivery has a `detail` that says so. Any other 404 means that the route
        # is missing: the cloud is older than this program, or not a cloud of ringlet's.
        if response.status == 404 and said.detail not in ("", "Not Found", f"no route {request.path}"):
            kind = request.path.removeprefix(CONTROL).partition("/")[0]
            known = (
                f"{command('webhooks deliveries')} lists them"
                if kind == "deliveries"
                else "see what there is"
            )
            return RouteNotFound(said.detail, cure=f"{known}; name one of those")
        return type(said)(said.detail, status=response.status, cure=cure)


CURES = {
    401: (
        "export RINGLET_ADMIN_TOKEN as this start of `ringlet serve` printed it: each start has a new one,"
        " unless it is exported before"
    ),
    404: "see that the base URL names a cloud of ringlet's, and that its version is as new as this one",
    421: "reach the cloud as http://127.0.0.1:PORT, or start it with --host",
}
"""By HTTP status: the cure if the admin token, the address or the version of the cloud is wrong."""


def _start_one() -> str:
    return (
        f"start one: {command('serve', '--demo')}, and export OURA_API_BASE_URL and RINGLET_ADMIN_TOKEN"
        " as it prints them"
    )


def unreached(base_url: str | None) -> str:
    """The cure if a cloud on this machine does not answer; empty for a cloud on another machine."""
    url = urlsplit(base_url_from(base_url))
    host = url.hostname or ""
    if url.scheme != "http" or not is_loopback(host):
        return ""
    host_option = [] if host in ("localhost", "127.0.0.1") else ["--host", host]
    start = command("serve", "--demo", *host_option, "--port", str(url.port or 80))
    return f"start it: {start}   (or name the one that runs with --base-url)"


class _Refusal(msgspec.Struct):
    cure: str = ""


def _cure(response: Response) -> str:
    """The cure that the cloud sent in the body of a refused request; empty if the body has no cure."""
    try:
        return msgspec.json.decode(response.body, type=_Refusal).cure
    except DECODE_ERRORS:
        return ""


def _is_ouras(base_url: str) -> bool:
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    return host == OURA or host.endswith(f".{OURA}")
