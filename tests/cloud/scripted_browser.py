"""Somebody at a browser, in front of one application's authorization request; and what answers look like."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

URI = "http://localhost:8080/callback"
FAMILIES = {
    "older": ("/oauth/authorize", "/oauth/token", "/oauth/revoke"),
    "newer": ("/oauth/v2/ext/oauth-authorize", "/oauth/v2/ext/oauth-token", "/oauth/v2/ext/oauth-revoke"),
}
AUTHORIZE, TOKEN, REVOKE = FAMILIES["older"]


class Form(HTMLParser):
    """What a browser would send of the first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.method = ""
        self.hidden, self.boxes, self.buttons, self.users = {}, [], [], []
        self.texts = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "form":
            self.method = it["method"]
            assert "action" not in it, "it is sent to where it came from, query and all"
        if tag == "input" and it["type"] == "hidden":
            self.hidden[it["name"]] = it["value"]
        if tag == "input" and it["type"] == "checkbox":
            assert it["name"] == "granted"
            assert "checked" in it
            self.boxes.append(it["value"])
        if tag == "button":
            self.buttons.append((it["name"], it["value"]))
        if tag == "option":
            self.users.append(True)

    def handle_data(self, data):
        self.texts.append(data)


@dataclass
class Browser:
    """Somebody with a cookie jar, in front of one application's authorization request."""

    client: object
    client_id: str
    secret: str = field(repr=False)
    path: str = AUTHORIZE
    jar: dict = field(default_factory=dict)

    def query(self, **changes):
        wanted = {"response_type": "code", "client_id": self.client_id, "redirect_uri": URI, "state": "s t&ä"}
        return urlencode({k: v for k, v in (wanted | changes).items() if v is not None})

    def cookies(self):
        return {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}

    def open(self, query):
        answer = self.client(self.path, query, headers=self.cookies())
        if cookie := answer.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value
        return answer

    def decide(self, query, *, untick=(), decision="allow", form=None, **changes):
        page = Form(self.open(query).text)
        assert page.method == "post"
        sent = [
            *(page.hidden | changes).items(),
            *(("granted", one) for one in page.boxes if one not in untick),
        ]
        sent.append(("decision", decision))
        return self.client(self.path, query, method="POST", headers=self.cookies(), form=form or sent)

    def code(self, **changes):
        return back(self.decide(self.query(**changes)))["code"]

    def redeem(self, code, path=TOKEN, **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
        return self.grant(path, **(form | changes))

    def renew(self, token, path=TOKEN, **changes):
        return self.grant(path, **({"grant_type": "refresh_token", "refresh_token": token} | changes))

    def grant(self, path=TOKEN, **form):
        client = {"client_id": self.client_id, "client_secret": self.secret}
        sent = {k: v for k, v in (client | form).items() if v is not None}
        return self.client(path, method="POST", form=sent)


def back(answer):
    """What a redirect to the application carries."""
    assert answer.status == 302
    assert answer.headers["location"].startswith(f"{URI}?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def fragment(answer):
    where = urlsplit(answer.headers["location"])
    assert where.query == ""
    return dict(parse_qsl(where.fragment, keep_blank_values=True))


def stays(answer, *words):
    """An error page: nothing redirects."""
    assert answer.status == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    for word in words:
        assert word in answer.text
    return answer


def refused(answer, error, status=400):
    """RFC 6749 section 5.2 and RFC 7807 in one body."""
    assert answer.status == status
    body = answer.json
    assert body["error"] == error
    assert body["status"] == status
    assert body["title"]
    assert body["detail"] == body["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    return body
