"""A web application whose users sign in with OAuth2: open http://localhost:8080/ after it has started.

Needs OURA_CLIENT_ID and OURA_CLIENT_SECRET of an application with the redirect URI below. For a cloud of your
own OURA_API_BASE_URL names it; else the hosts are Oura's.
"""

import json
import os
import secrets
from datetime import date, timedelta
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from ringlet import Client

CLIENT_ID, CLIENT_SECRET = os.environ["OURA_CLIENT_ID"], os.environ["OURA_CLIENT_SECRET"]
REDIRECT_URI = os.environ.get("OURA_REDIRECT_URI", "http://localhost:8080/callback")
API = os.environ.get("OURA_API_BASE_URL", "https://api.ouraring.com")
AUTHORIZE = os.environ.get("OURA_API_BASE_URL", "https://cloud.ouraring.com") + "/oauth/authorize"

states: set[str] = set()
"""The sign-ins that were begun here. A real application keeps the state in the user's session."""


def start(request: Request) -> Response:
    """Sends the browser to the consent page."""
    state = secrets.token_urlsafe(16)
    states.add(state)
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "personal daily",
        "state": state,
    }
    return RedirectResponse(f"{AUTHORIZE}?{urlencode(asked)}", 303)


def callback(request: Request) -> Response:
    """Exchanges the code for tokens, and reads what the user has allowed."""
    answer = request.query_params
    if answer.get("state") not in states:
        # Without this check another site could sign a user in as somebody else (RFC 6749, section 10.12).
        return PlainTextResponse("this sign-in was not begun here", 400)
    states.remove(answer["state"])
    if "code" not in answer:
        return PlainTextResponse(f"the sign-in was refused: {answer.get('error')}", 403)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": REDIRECT_URI,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    with urlopen(HttpRequest(f"{API}/oauth/token", urlencode(form).encode())) as reply:
        tokens = json.load(reply)
    # Store the refresh token with your user: a FileTokenStore renews and stores tokens by itself.
    if "daily" not in tokens.get("scope", "daily"):
        return PlainTextResponse("you did not allow daily summaries")
    today = date.today()
    with Client(tokens["access_token"], base_url=API) as client:
        scores = client.daily_sleep.list(today - timedelta(days=6), today)
    return PlainTextResponse("\n".join(f"{one.day} sleep score {one.score}" for one in scores))


app = Starlette(routes=[Route("/", start), Route("/callback", callback)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8080")), log_level="warning")
