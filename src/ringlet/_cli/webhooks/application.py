"""The application whose subscriptions the `webhooks` commands manage.

Rules of this file:
* Every error that the server causes has a cure with a command or a step for the user.
* The time comes from the `Date` header of responses: the clock of the user's own cloud may be in another
  year.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from ..._api.runners import Runner
from ..._api.wire import Flow, R
from ..._client.client import Client
from ..._net.addresses import ALLOW, AddressPolicy
from ..._sync.server_time import ServerTime
from ..._webhooks.subscriptions import CALLBACK_FIELD, Subscription, Webhooks
from ...errors import BadRequest, DocumentNotFound, InvalidToken, UsageError
from ..shared.next_steps import command

NAME_APPLICATION = "export OURA_CLIENT_ID=... OURA_CLIENT_SECRET=... of the application that subscribes"
CONFLICT = 409
"""The HTTP status if there is a subscription for this pair of data type and event type already.

After this status, requests for other pairs may still succeed.
"""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _TimedRunner(Runner):
    """Sends requests as the client does, and reads the server's time from the responses."""

    client: Client
    server_time: ServerTime

    def run(self, flow: Flow[R]) -> R:
        return self.client.run(self.server_time.observe(flow))


@dataclass(frozen=True)
class Application:
    """The subscriptions of an application, and the time of the server that has them."""

    webhooks: Webhooks
    server_time: ServerTime

    def days_left(self, one: Subscription) -> int:
        """The days until a subscription expires, rounded up; 0 if it has expired.

        Raises ServerError if the expiration time of the subscription cannot be parsed.
        """
        return max(0, -((self.server_time.now() - one.expires_at) // ONE_DAY))


@contextmanager
def application(base_url: str | None, profile: str | None) -> Generator[Application]:
    """Open the application that the environment or the sign-in names.

    Raises UsageError if neither names one.
    """
    with Client(base_url=base_url, profile=profile) as client:
        webhooks = client.webhooks
        if not webhooks.app.client_secret:
            raise UsageError(
                "subscriptions need the id and the secret of an application", cure=NAME_APPLICATION
            )
        server_time = ServerTime()
        try:
            yield Application(replace(webhooks, runner=_TimedRunner(client, server_time)), server_time)
        except InvalidToken as refused:
            raise InvalidToken(refused.detail, cure=NAME_APPLICATION) from refused
        except DocumentNotFound as refused:
            listed = f"{command('webhooks list')} lists them; name one of those"
            raise DocumentNotFound(refused.detail, status=refused.status, cure=listed) from refused
        except BadRequest as refused:
            refused.cure = cure(refused)
            raise


def check_callback(url: str) -> None:
    """Check a callback URL before it is sent to the server. Raises UsageError if it is malformed."""
    try:
        AddressPolicy().check_url(url)
    except UsageError as wrong:
        raise UsageError(wrong.message, cure="e.g. --callback https://example.com/oura/") from None


def cure(refused: BadRequest) -> str:
    """Return the cure for a refused request: a command or a step for the user."""
    if refused.status == CONFLICT:
        update = command("webhooks update", "ID", "--callback", "URL")
        return f"{command('webhooks list')}, then: {update}"
    # The user's own cloud refuses private addresses unless it is started with `--callbacks`.
    if refused.field == CALLBACK_FIELD and ALLOW in refused.detail:
        return "start the cloud with the --callbacks that it names, or name another --callback"
    return refused.cure
