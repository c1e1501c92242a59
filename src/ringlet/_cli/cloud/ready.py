"""Prints what `ringlet serve` shows when it is ready: a line of JSON for programs, or text for people."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..shared import screen
from ..shared.browser import open_page
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._cloud.wearer.demo import Credentials


@dataclass(frozen=True)
class Ready:
    """The address of a cloud that is ready, and the credentials with which to use it."""

    api: str
    admin_token: str
    users: list[str]
    credentials: Credentials | None = None
    wearer: str = ""
    """A description of the simulated wearer; empty for a cloud without one."""

    def announce(self, ready_as: str | None, open_browser: bool) -> None:
        """Print the JSON line or the text on stdout. With `open_browser`, also open the portal."""
        click.echo(json.dumps(self.document()) if ready_as == "json" else self.text())
        if open_browser:
            open_portal(self.api)

    def document(self) -> dict[str, Any]:
        """The fields of the JSON line that `serve --ready json` prints."""
        document: dict[str, Any] = {"api": self.api, "dashboard": None}
        if self.credentials:
            for name in ("user_id", "access_token", "refresh_token", "client_id", "client_secret"):
                document[name] = getattr(self.credentials, name)
            document["redirect_uris"] = list(self.credentials.redirect_uris)
        return document | {"admin_token": self.admin_token}

    def text(self) -> str:
        """The text for people. It has no borders, so that its lines can be copied."""
        title = click.style("Oura Cloud on this machine", bold=True)
        rows = self._demo_rows() if self.credentials else self._archive_rows()
        lines = [f"{title}  {self.wearer and f'with a simulated wearer ({self.wearer})'}".rstrip()]
        lines += [f"  {click.style(f'{label:<9}', dim=True)}{line}" for label, line in rows]
        return "\n".join(lines)

    def _demo_rows(self) -> list[tuple[str, str]]:
        issued = self.credentials
        assert issued
        return [
            ("API", f"{self.api}/v2/usercollection/daily_sleep"),
            ("try it", f'curl -H "Authorization: Bearer {issued.access_token}" \\'),
            ("", f'     "{self.api}/v2/usercollection/daily_sleep"'),
            ("use it", f"export OURA_API_BASE_URL={self.api} OURA_ACCESS_TOKEN={issued.access_token}"),
            ("", "export RINGLET_DB=demo.db     # keeps the simulated wearer out of your own archive"),
            ("portal", f"{self.api}/portal"),
            ("OAuth2", f"{self.api}/oauth/authorize   {self.api}/oauth/token"),
            ("", f"export OURA_CLIENT_ID={issued.client_id} OURA_CLIENT_SECRET={issued.client_secret}"),
            *(("", f"redirect_uri={uri}") for uri in issued.redirect_uris),
            self._control,
            ("webhooks", "ringlet listen   ringlet trigger sleep.update   ringlet clock advance 1d"),
            ("stop", "^C"),
        ]

    @property
    def _control(self) -> tuple[str, str]:
        return "control", f"export RINGLET_ADMIN_TOKEN={self.admin_token}   # opens {self.api}/_ringlet/"

    def _archive_rows(self) -> list[tuple[str, str]]:
        who = self.users[0] if self.users else "NAME"
        return [
            ("API", f"{self.api}/v2/usercollection/daily_sleep"),
            (
                "wearers",
                ", ".join(map(ascii, self.users)).replace("'", "")
                or f"none yet; {command('sync')} fills the archive",
            ),
            ("token", f'curl -X POST -H "Authorization: Bearer {self.admin_token}" \\'),
            ("", f"     -d {shlex.quote(json.dumps({'user': who}))} {self.api}/_ringlet/tokens"),
            ("use it", f"export OURA_API_BASE_URL={self.api} OURA_ACCESS_TOKEN=...   # the token from there"),
            ("portal", f"{self.api}/portal   # or make one there"),
            self._control,
            ("stop", "^C"),
        ]


def open_portal(api: str) -> None:
    """Open a cloud's portal in the browser, and print its address in case the browser does not open."""
    screen.remark(f"opening {api}/portal")
    open_page(f"{api}/portal")


@contextmanager
def populating(days: int) -> Generator[Callable[[str, int, int], None]]:
    """Show the progress while the days of the demo are created: a bar on a terminal, lines elsewhere.

    Yields a function that is called with an activity, the number of days done and the number of all days.
    """
    if not screen.can_redraw():
        yield _Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"))
    with Progress(*columns, console=screen.remarks(), transient=True) as bar:
        task = bar.add_task("creating the wearer's days", total=days)
        yield lambda does, done, total: bar.update(
            task, description=f"the wearer {does}", completed=done, total=total
        )


class _Lines:
    """Prints the progress as lines where a bar cannot be drawn: one line every `LINE_INTERVAL_S` seconds."""

    LINE_INTERVAL_S = 2.0

    def __init__(self) -> None:
        self._next = time.monotonic() + self.LINE_INTERVAL_S

    def __call__(self, does: str, done: int, total: int) -> None:
        if time.monotonic() >= self._next:
            screen.remark(f"the wearer {does}: {screen.count(done)} of {screen.count(total)} days")
            self._next = time.monotonic() + self.LINE_INTERVAL_S
