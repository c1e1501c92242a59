"""`make bench`, or `python -m bench [client] [server] [backfill] [intake]`: every figure, as ratios."""

from __future__ import annotations

import subprocess
import sys

BENCHES = ("client", "server", "backfill", "intake", "delivery")


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        sys.exit(f"no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    for name in chosen:
        # A process each: the benches pin themselves to a core, and one's heap is none of another's business.
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
        print()


if __name__ == "__main__":
    main()
