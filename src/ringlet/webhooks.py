"""The public names for Oura's webhooks: receiving and verifying events, and managing subscriptions.

`receiver` returns an application for a web server that answers Oura's challenges, and acknowledges an event
once it is stored. A program with a web server of its own calls `answer_challenge` and `verify` instead.
`client.webhooks` creates and renews subscriptions. `sign` and `signed_headers` sign a request body as Oura
does, for tests of a callback.
"""

from ._receiver.answers import Reply
from ._receiver.receiver import Receiver, receiver
from ._webhooks.events import (
    DATA_TYPES,
    EVENT_TYPES,
    Event,
    EventType,
    answer_challenge,
    sign,
    signed_headers,
    verify,
)
from ._webhooks.subscriptions import AsyncWebhooks, Subscription, Webhooks

__all__ = [
    "DATA_TYPES",
    "EVENT_TYPES",
    "AsyncWebhooks",
    "Event",
    "EventType",
    "Receiver",
    "Reply",
    "Subscription",
    "Webhooks",
    "answer_challenge",
    "receiver",
    "sign",
    "signed_headers",
    "verify",
]
