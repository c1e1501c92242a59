"""What an editor sees. Checked by mypy strict and pyright strict, never run."""

from datetime import date, datetime
from typing import Any, assert_type

from ringlet import AsyncClient, Catalog, Client, webhooks
from ringlet import models as m
from ringlet._api.async_faces import (
    AsyncDocumentsFace,
    AsyncInventoryFace,
    AsyncLiveSamplesFace,
    AsyncSamplesFace,
    AsyncSingleFace,
)
from ringlet._api.faces import DocumentsFace, InventoryFace, LiveSamplesFace, SamplesFace, SingleFace
from ringlet._api.kinds import Documents, Inventory, LiveSamples, Samples, Single


def rows() -> None:
    assert_type(Catalog.sleep, Documents[m.Sleep])
    assert_type(Catalog.ring_configuration, Inventory[m.RingConfiguration])
    assert_type(Catalog.heartrate, LiveSamples[m.HeartRate])
    assert_type(Client.interbeat_interval, Samples[m.InterbeatInterval])
    assert_type(Catalog.personal_info, Single[m.PersonalInfo])
    assert_type(Catalog.daily_sleep.model, type[m.DailySleep])


def blocking(client: Client, day: date, now: datetime) -> None:
    assert_type(client.daily_sleep, DocumentsFace[m.DailySleep])
    assert_type(client.daily_sleep.list(day, day), list[m.DailySleep])
    assert_type(client.daily_sleep.list(day, day, exact=True), list[m.DailySleep])
    assert_type(client.daily_sleep.list(day, day, fields=["score"]), list[dict[str, Any]])
    assert_type(client.daily_sleep.get("id").score, int | None)
    assert_type(client.vO2_max.get("id"), m.VO2Max)
    assert_type(client.ring_configuration, InventoryFace[m.RingConfiguration])
    assert_type(client.ring_configuration.list(), list[m.RingConfiguration])
    assert_type(client.heartrate, LiveSamplesFace[m.HeartRate])
    assert_type(client.heartrate.list(now, now), list[m.HeartRate])
    assert_type(client.heartrate.latest(), m.HeartRate | None)
    for piece in client.heartrate.windows(now, now):
        assert_type(piece, list[m.HeartRate])
    assert_type(client.interbeat_interval, SamplesFace[m.InterbeatInterval])
    assert_type(client.personal_info, SingleFace[m.PersonalInfo])
    assert_type(client.personal_info.get().age, int | None)
    assert_type(client.run(Catalog.daily_sleep.list(day, day)), list[m.DailySleep])


async def awaited(client: AsyncClient, day: date, now: datetime) -> None:
    assert_type(client.daily_sleep, AsyncDocumentsFace[m.DailySleep])
    assert_type(await client.daily_sleep.list(day, day), list[m.DailySleep])
    assert_type(await client.daily_sleep.list(day, day, fields=["score"]), list[dict[str, Any]])
    assert_type(await client.daily_sleep.get("id"), m.DailySleep)
    assert_type(client.ring_configuration, AsyncInventoryFace[m.RingConfiguration])
    assert_type(client.heartrate, AsyncLiveSamplesFace[m.HeartRate])
    assert_type(await client.heartrate.latest(), m.HeartRate | None)
    async for piece in client.heartrate.windows(now, now):
        assert_type(piece, list[m.HeartRate])
    assert_type(client.interbeat_interval, AsyncSamplesFace[m.InterbeatInterval])
    assert_type(client.personal_info, AsyncSingleFace[m.PersonalInfo])
    assert_type(await client.personal_info.get(), m.PersonalInfo)
    assert_type(await client.run(Catalog.daily_sleep.list(day, day)), list[m.DailySleep])


def refused(client: Client, day: date, now: datetime) -> None:
    """Each line is an error; an ignore that is not needed would itself be reported."""
    client.heartrate.get("id")  # type: ignore[attr-defined]  # samples have no ids
    client.heartrate.list(day, day)  # type: ignore[call-overload]  # nor days
    client.heartrate.list("2026-01-01", "2026-01-02")  # type: ignore[call-overload]  # nor text
    client.sleep.list("2026-01-01", "2026-01-02")  # type: ignore[call-overload]  # days are dates
    client.sleep.list(day)  # type: ignore[call-overload]  # a window has two ends
    client.sleep.latest()  # type: ignore[attr-defined]  # documents have no latest
    client.interbeat_interval.latest()  # type: ignore[attr-defined]  # Oura ignores it here
    client.ring_configuration.list(day, day)  # type: ignore[call-overload]  # no window
    client.personal_info.list()  # type: ignore[attr-defined]  # there is one
    client.daily_slep  # type: ignore[attr-defined]  # misspelled  # noqa: B018
    client.sleep.get("id").scor  # type: ignore[attr-defined]  # misspelled  # noqa: B018


def subscriptions(client: Client, awaited: AsyncClient) -> None:
    assert_type(client.webhooks, webhooks.Webhooks)
    assert_type(client.webhooks.list(), list[webhooks.Subscription])
    assert_type(awaited.webhooks, webhooks.AsyncWebhooks)
    assert_type(webhooks.receiver("secret", "token", handler=print), webhooks.Receiver)
