"""Prints the nights of the last seven days.

Needs OURA_ACCESS_TOKEN, or a sign-in by `ringlet login`; OURA_API_BASE_URL names another cloud than Oura's.
"""

from datetime import date, timedelta

from ringlet import Client

today = date.today()  # the wearer's, if this machine is in the same time zone

with Client() as client:
    # Both days are included. Several periods of a day are possible: a night and naps.
    for sleep in client.sleep.list(today - timedelta(days=6), today):
        if sleep.type == "long_sleep" and sleep.total_sleep_duration is not None:
            hours, minutes = divmod(sleep.total_sleep_duration // 60, 60)
            print(f"{sleep.day}  asleep {hours} h {minutes:02} min, HRV {sleep.average_hrv or '-'} ms")
