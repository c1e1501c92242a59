"""`make bench`, or `python -m bench [client] [server] [backfill] [intake] [delivery]`: runs benchmarks."""

from __future__ import annotations

import subprocess
import sys

BENCHES = ("client", "server", "backfill", "intake", "delivery")


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]!r}; name one of {', '.join(BENCHES)}")
    for name in chosen:
        # Each benchmark runs in a process of its own: it pins itself to a core, and needs a fresh heap.
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
        print()


if __name__ == "__main__":
    main()
