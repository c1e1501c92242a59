"""The application that asks for its subscriptions, at a prompt.

Rules of this file:
* What a refusal says to do next can be typed.
* What time it is, the answers say: a cloud of one's own may live in another year.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from ..._api.faces import Runner
from ..._api.wire import Flow, R
from ..._client.client import Client
from ..._net.addresses import ALLOW, AddressPolicy
from ..._sync.server_time import ServerTime
from ..._webhooks.subscriptions import CALLBACK_FIELD, Subscription, Webhooks
from ...errors import BadRequest, DocumentNotFound, InvalidToken, UsageError
from ..shared.next_steps import command

WHO = "export OURA_CLIENT_ID=... OURA_CLIENT_SECRET=..., of the application that subscribes"
CONFLICT = 409
"""There is a subscription for that pair already, which says nothing against the next."""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Heard(Runner):
    """Asks as a client does, and notes what time it is there."""

    client: Client
    server_time: ServerTime

    def run(self, flow: Flow[R]) -> R:
        return self.client.run(self.server_time.heard(flow))


@dataclass(frozen=True)
class Application:
    """The application that asks: its subscriptions, by the time of the server that keeps them."""

    webhooks: Webhooks
    server_time: ServerTime

    def days_left(self, one: Subscription) -> int:
        """The days until a subscription ends, one that has begun included; 0 where it has ended.

        Raises ServerError where what it says of its end is no date.
        """
        return max(0, -((self.server_time.now() - one.expires_at) // DAY))


@contextmanager
def application(base_url: str | None, profile: str | None) -> Generator[Application]:
    """The application that is named. Raises UsageError where none is, and what its subscriptions raise."""
    with Client(base_url=base_url, profile=profile) as client:
        asked = client.webhooks
        if not asked.app.client_secret:
            raise UsageError("subscriptions belong to an application, and none is named", cure=WHO)
        server_time = ServerTime()
        try:
            yield Application(replace(asked, runner=_Heard(client, server_time)), server_time)
        except InvalidToken as refused:
            raise InvalidToken(refused.detail, cure=WHO) from refused
        except DocumentNotFound as refused:
            listed = f"{command('webhooks list')} lists them; name one of those"
            raise DocumentNotFound(refused.detail, status=refused.status, cure=listed) from refused
        except BadRequest as refused:
            refused.cure = cure(refused)
            raise


def check_callback(url: str) -> None:
    """See that a callback's URL can be one, before anybody is asked. Raises UsageError."""
    try:
        AddressPolicy().check_url(url)
    except UsageError as wrong:
        raise UsageError(wrong.message, cure="e.g. --callback https://example.com/oura/") from None


def cure(refused: BadRequest) -> str:
    """What to do about a refusal, at a prompt."""
    if refused.status == CONFLICT:
        update = command("webhooks update", "ID", "--callback", "URL")
        return f"{command('webhooks list')}, then: {update}"
    if refused.field == CALLBACK_FIELD and ALLOW in refused.detail:  # a cloud of one's own guards addresses
        return "start the cloud with the --callbacks that it names, or name another --callback"
    return refused.cure
