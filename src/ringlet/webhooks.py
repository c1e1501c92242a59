"""Oura's webhooks, for programs: events received and verified, and an application's subscriptions.

`receiver` answers challenges, and acknowledges events once they are stored; `answer_challenge` and `verify`
do the same by hand. `client.webhooks` makes and renews subscriptions. `sign` and `signed_headers` make
deliveries for tests of a callback.
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
