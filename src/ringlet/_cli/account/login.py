"""`ringlet login`: from nothing to a sign-in that lasts, one question at a time.

Rules of this file:
* The listener stands before the browser opens; whoever clicks at once is not too early.
* Nobody is asked anything where nobody can answer: not on a terminal, in CI, or with --no-input.
* No secret is an argument: arguments are seen by everyone on the machine and kept by the shell.
* The redirect URI is printed as it will be sent, to the letter: Oura compares it so.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

import click

from ...errors import NotSignedIn, OAuthError, RingletError, UsageError
from ..shared import options, screen
from ..shared.next_steps import command
from .whoami import application_cure, portal

if TYPE_CHECKING:
    from ..._client.login import LoginAttempt
    from ..._client.sign_ins import SignIn, Store
    from ..._oauth.grant import App, Tokens

REDIRECT_URI = "http://localhost:8766/callback"
PATIENCE = 600.0
"""Seconds to wait for the browser; a code lives no longer."""


@click.command()
@options.kept_profile
@options.base_url
@click.option(
    "--client-id", envvar="OURA_CLIENT_ID", metavar="ID", help="Your application.  [OURA_CLIENT_ID]"
)
@click.option(
    "--client-secret-file",
    type=click.File(),
    metavar="FILE|-",
    help="Its secret, from a file or stdin; else OURA_CLIENT_SECRET, else you are asked.",
)
@click.option(
    "--redirect-uri",
    envvar="OURA_REDIRECT_URI",
    metavar="URI",
    help=f"As you registered it, to the letter.  [OURA_REDIRECT_URI; default: {REDIRECT_URI}]",
)
@click.option("--scopes", metavar="A,B", help="What to ask for.  [default: everything]")
@click.option("--implicit", is_flag=True, help="Without a secret: a token that lives a month, once.")
@click.option("--no-browser", is_flag=True, help="Print the address; paste what the browser ends on.")
@click.option(
    "--store", type=click.Choice(["keyring", "file"]), help="Where to keep it.  [default: keyring, if any]"
)
@click.option("--no-input", is_flag=True, help="Ask nothing.")
def login(
    profile: str,
    base_url: str | None,
    client_id: str | None,
    client_secret_file: TextIO | None,
    redirect_uri: str | None,
    scopes: str | None,
    implicit: bool,
    no_browser: bool,
    store: Store | None,
    no_input: bool,
) -> int:
    """Sign in to Oura, or to the cloud that --base-url names, and keep the sign-in.

    Walks through registering an application (once), opens the browser, and tries at once whether the sign-in
    can be renewed. Over SSH, or without a screen, paste the address that your browser ends on.
    """
    from ..._client.client import Client
    from ..._client.login import LoginAttempt
    from ..._client.sign_ins import SignIn
    from ..._client.token_stores import MemoryTokenStore
    from ..._oauth.scopes import SCOPES, scope_set

    kept = SignIn(profile)
    store = _store(kept, store)
    asking = not no_input and screen.asking()
    with Client(base_url=base_url, token_store=MemoryTokenStore()) as client:
        app = _application(
            kept, client.base_url, client_id, _secret(client_secret_file), redirect_uri, implicit, asking
        )
        under_way = LoginAttempt(
            app=app,
            hosts=client.hosts,
            scopes=scope_set(scopes) if scopes else frozenset(SCOPES),
            implicit=implicit,
        )
        cure = _redirect_cure(app.redirect_uri, client.base_url)
        try:
            returned = _returned(under_way, asking, cure, browser=not no_browser and _has_browser())
        except KeyboardInterrupt:
            screen.remark(f"\nerror: interrupted\nnext: {cure}")
            return 130
        try:
            tokens = client.run(under_way.finish(returned, clock=time.time))
        except OAuthError as refused:
            if refused.error != "invalid_client":
                raise
            raise OAuthError(
                refused.error,
                refused.description,
                status=refused.status,
                cure=application_cure(kept, client.base_url),
            ) from refused
    kept.keep(app, tokens, store)
    _tell(kept, tokens, under_way, base_url)
    return 0


# What is needed before anything is asked of Oura


def _store(kept: SignIn, wanted: Store | None) -> Store:
    """Where to keep it: as wanted, as before, else in the keyring if there is one."""
    if wanted == "file" or (wanted is None and kept.is_kept):
        return wanted or kept.store
    why_not = kept.vault.why_not()
    if not why_not:
        return "keyring"
    if wanted:
        in_a_file = command("login", store="file")
        raise RingletError(why_not, cure=f"pip install 'ringlet[keyring]', or {in_a_file}")
    screen.remark(f"{why_not}: the sign-in is kept in a file that only you can read")
    return "file"


def _secret(file: TextIO | None) -> str | None:
    if file is None:
        return os.environ.get("OURA_CLIENT_SECRET")
    if secret := file.readline().strip():
        return secret
    raise UsageError(
        f"the first line of {file.name} is empty, and the secret was to be there",
        cure="put it there, or leave --client-secret-file out",
    )


def _application(
    kept: SignIn,
    base_url: str,
    client_id: str | None,
    secret: str | None,
    redirect_uri: str | None,
    implicit: bool,
    asking: bool,
) -> App:
    """The application: as given, else as kept, else as typed. Raises UsageError where nobody can type."""
    from ..._oauth.grant import App

    known = kept.app
    if known and client_id in (None, known.client_id):
        return App(
            client_id=known.client_id,
            client_secret=known.client_secret if secret is None else secret,
            redirect_uri=_checked(redirect_uri or known.redirect_uri or REDIRECT_URI),
            token_url=known.token_url,
        )
    redirect_uri = _checked(redirect_uri or REDIRECT_URI)
    missing = [] if client_id else ["OURA_CLIENT_ID"]
    if secret is None and not implicit:
        missing.append("OURA_CLIENT_SECRET")
    if missing and not asking:
        raise UsageError(
            f"{' and '.join(missing)} not set, and nobody can be asked here",
            cure=f"register an application with the redirect URI {redirect_uri} at {portal(base_url)},"
            f" export {' '.join(f'{name}=...' for name in missing)}, and run it again",
        )
    if missing:
        screen.remark("An application of your own is needed: free, once, two minutes.")
        screen.remark(f"  1. open       {portal(base_url)}")
        screen.remark(f"  2. register   any name, and to the letter this redirect URI:   {redirect_uri}")
        screen.remark("  3. paste here what the page then shows")
    client_id = client_id or str(click.prompt("Client ID", err=True)).strip()
    if secret is None:
        secret = "" if implicit else _typed("Client secret (not shown; Enter if it has none)", default="")
    return App(client_id=client_id, client_secret=secret, redirect_uri=redirect_uri)


def _checked(redirect_uri: str) -> str:
    """The redirect URI, if it can be one: whole, and without a fragment (RFC 6749 section 3.1.2).

    Raises UsageError.
    """
    try:
        target = urlsplit(redirect_uri)
        wrong = not target.scheme or not (target.netloc or target.path) or target.fragment or target.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise UsageError(f"{redirect_uri} is no redirect URI", cure=f"write it whole, as in {REDIRECT_URI}")
    return redirect_uri


def _typed(prompt: str, default: str | None = None) -> str:
    """A secret, which is not shown while it is typed."""
    typed = click.prompt(prompt, err=True, hide_input=True, default=default, show_default=False)
    return str(typed).strip()


# The browser, there and back


def _returned(under_way: LoginAttempt, asking: bool, cure: str, *, browser: bool) -> str:
    """What the browser came back with: heard by the listener, or pasted.

    Raises UsageError where it could do neither, and NotSignedIn with `cure` when nothing comes.
    """
    from ..._client.redirect_listener import Listener, is_local

    redirect_uri = under_way.app.redirect_uri
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    listening = is_local(redirect_uri)
    if not asking and (under_way.implicit or not listening):
        raise UsageError(
            "the address that the browser ends on must be pasted, and nobody can be asked here",
            cure=f"run it on a terminal, or sign in by code with a local redirect URI such as {REDIRECT_URI}",
        )
    with contextlib.ExitStack() as while_waiting:
        if listening:
            listener = Listener(redirect_uri, answers.put, fragment=under_way.implicit)
            while_waiting.enter_context(listener)
        screen.remark(f"redirect URI   {redirect_uri}")
        if browser:
            screen.remark("Waiting for the browser. If none opens, open this address by hand:")
            _open(under_way.url)
        else:
            screen.remark("Open this address in any browser, on any machine:")
        screen.remark(f"\n{under_way.url}\n")
        if asking:
            screen.remark(
                "It may end on a page that cannot be shown. Paste the address of that page here."
                if under_way.implicit or not browser
                else "If it ends on a page that cannot be shown, paste the address of that page here."
            )
        if under_way.implicit:
            # The address holds the token itself, so it is not shown.
            return _typed("Address (not shown)")
        if asking:
            _hear_pastes(answers)
        else:
            screen.remark(f"Waiting here for {PATIENCE / 60:.0f} minutes at most.")
        try:
            returned = answers.get(timeout=PATIENCE)
            while asking and not under_way.is_answer(returned):
                screen.remark(
                    "A sign-in does not end on that. Paste the address that the browser shows at the end:"
                )
                returned = answers.get(timeout=PATIENCE)
            return returned
        except queue.Empty:
            raise NotSignedIn(
                f"nothing came back within {PATIENCE / 60:.0f} minutes",
                cure=cure,
            ) from None


def _hear_pastes(answers: queue.SimpleQueue[str]) -> None:
    """Put each line that is pasted among the answers, while the listener goes on listening."""

    def hear() -> None:
        # Not by sys.stdin: a program cannot end cleanly while a thread waits inside it.
        with contextlib.suppress(OSError):
            while text := os.read(sys.stdin.fileno(), 1 << 16):
                if line := text.decode("utf-8", "replace").strip():
                    answers.put(line)

    threading.Thread(target=hear, daemon=True).start()


def _has_browser() -> bool:
    """Whether a browser opened here would be seen by who is asking."""
    if any(name in os.environ for name in ("SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT")):
        return False
    if os.environ.get("BROWSER") or sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    from ..cloud.ready import open_page

    open_page(url)


def _redirect_cure(redirect_uri: str, base_url: str) -> str:
    """What most often is wrong when nothing comes back: the browser then shows a page of Oura's."""
    return (
        f"if the browser showed an error, register exactly {redirect_uri} at {portal(base_url)},"
        f" or name the one you registered: {command('login', redirect_uri='URI')}"
    )


# What came of it


def _tell(kept: SignIn, tokens: Tokens, under_way: LoginAttempt, base_url: str | None) -> None:
    from ..._oauth.scopes import scope_text
    from .whoami import whose

    someone = whose(kept, base_url)
    granted = tokens.scopes or under_way.scopes
    refused = under_way.scopes - granted
    screen.remark(f"signed in{f' as {someone.name}' if someone.name else ''}")
    rows = [("granted", scope_text(granted)), ("not granted", scope_text(refused))]
    if tokens.refresh_token:
        rows.append(("renewal", f"tried, works ({urlsplit(tokens.token_url).netloc})"))
    else:
        rows.append(("renewal", "none: sign in again when the token has expired"))
    rows.append(
        ("kept in", "the system's keyring" if kept.store == "keyring" else str(kept.token_store.path))
    )
    for label, text in rows:
        if text:
            screen.remark(f"  {label:<12} {text}")
    named = {} if kept.is_meant_without_a_name else {"profile": kept.name}
    first = "unset OURA_ACCESS_TOKEN; " if "OURA_ACCESS_TOKEN" in os.environ and not named else ""
    screen.next_step(f"{first}{command('sync', **named)}")
