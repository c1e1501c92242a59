"""Reads an archive that `ringlet sync` filled with Python's `sqlite3` alone: each data type is a view.

ringlet sync --db archive.db
python read_archive.py archive.db
"""

import sqlite3
import sys
from contextlib import closing

AVERAGE_BY_MONTH = """
    SELECT substr(day, 1, 7) AS month, count(*) AS nights, round(avg(score), 1) AS score
    FROM daily_sleep
    GROUP BY month
    ORDER BY month
"""

# mode=ro: another program may be writing to the archive, and this one cannot.
with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as archive:
    for month, nights, score in archive.execute(AVERAGE_BY_MONTH):
        print(f"{month}  {nights:3} nights, average sleep score {score}")
