"""Prints the nights of the last seven days with their readiness, fetched at the same time.

Needs OURA_ACCESS_TOKEN, or a sign-in by `ringlet login`; OURA_API_BASE_URL names another cloud than Oura's.
"""

import asyncio
from datetime import date, timedelta

from ringlet import AsyncClient


async def main() -> None:
    today = date.today()
    week = (today - timedelta(days=6), today)
    async with AsyncClient() as client:
        nights, readiness = await asyncio.gather(client.sleep.list(*week), client.daily_readiness.list(*week))
    scores = {one.day: one.score for one in readiness}
    for sleep in nights:
        if sleep.type == "long_sleep" and sleep.total_sleep_duration is not None:
            hours, minutes = divmod(sleep.total_sleep_duration // 60, 60)
            print(f"{sleep.day}  asleep {hours} h {minutes:02} min, readiness {scores.get(sleep.day, '-')}")


asyncio.run(main())
