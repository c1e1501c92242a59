"""A scripted browser that takes one application through its OAuth flow, and checks of OAuth answers."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

URI = "http://localhost:8080/callback"
ENDPOINT_PATHS = {
    "older": ("/oauth/authorize", "/oauth/token", "/oauth/revoke"),
    "newer": ("/oauth/v2/ext/oauth-authorize", "/oauth/v2/ext/oauth-token", "/oauth/v2/ext/oauth-revoke"),
}
AUTHORIZE, TOKEN, REVOKE = ENDPOINT_PATHS["older"]


class Form(HTMLParser):
    """The first form of a page: the fields and buttons that a browser would send."""

    def __init__(self, page):
        super().__init__()
        self.method = ""
        self.hidden, self.boxes, self.buttons, self.users = {}, [], [], []
        self.texts = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attribute = dict(attributes)
        if tag == "form":
            self.method = attribute["method"]
            assert "action" not in attribute, (
                "without an action the form is sent to the URL of the page, with its query"
            )
        if tag == "input" and attribute["type"] == "hidden":
            self.hidden[attribute["name"]] = attribute["value"]
        if tag == "input" and attribute["type"] == "checkbox":
            assert attribute["name"] == "granted"
            assert "checked" in attribute
            self.boxes.append(attribute["value"])
        if tag == "button":
            self.buttons.append((attribute["name"], attribute["value"]))
        if tag == "option":
            self.users.append(True)

    def handle_data(self, data):
        self.texts.append(data)


@dataclass
class Browser:
    """A browser with cookies, and the application whose authorization request it opens."""

    client: object
    client_id: str
    secret: str = field(repr=False)
    path: str = AUTHORIZE
    jar: dict = field(default_factory=dict)

    def query(self, **changes):
        """The query of an authorization request; a change to None leaves a parameter out."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": URI,
            "state": "s t&ä",
        }
        return urlencode({k: v for k, v in (parameters | changes).items() if v is not None})

    def cookies(self):
        return {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}

    def open(self, query):
        """Request the consent page, and store the cookie that it sets."""
        answer = self.client(self.path, query, headers=self.cookies())
        if cookie := answer.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value
        return answer

    def decide(self, query, *, unchecked=(), decision="allow", form=None, **changes):
        page = Form(self.open(query).text)
        assert page.method == "post"
        sent = [
            *(page.hidden | changes).items(),
            *(("granted", one) for one in page.boxes if one not in unchecked),
        ]
        sent.append(("decision", decision))
        return self.client(self.path, query, method="POST", headers=self.cookies(), form=form or sent)

    def code(self, **changes):
        """The authorization code of a request that the user allowed."""
        return redirect_query(self.decide(self.query(**changes)))["code"]

    def redeem(self, code, path=TOKEN, **changes):
        """Exchange a code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
        return self.grant(path, **(form | changes))

    def renew(self, token, path=TOKEN, **changes):
        """Exchange a refresh token for new tokens."""
        return self.grant(path, **({"grant_type": "refresh_token", "refresh_token": token} | changes))

    def grant(self, path=TOKEN, **form):
        """Send a token request with the credentials of the application."""
        credentials = {"client_id": self.client_id, "client_secret": self.secret}
        sent = {k: v for k, v in (credentials | form).items() if v is not None}
        return self.client(path, method="POST", form=sent)


def redirect_query(answer):
    """The query of a redirect to the application."""
    assert answer.status == 302
    assert answer.headers["location"].startswith(f"{URI}?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def redirect_fragment(answer):
    """The fragment of a redirect of the implicit grant."""
    target = urlsplit(answer.headers["location"])
    assert target.query == ""
    return dict(parse_qsl(target.fragment, keep_blank_values=True))


def assert_error_page(answer, *words):
    """Check that an answer is an error page that contains the words and does not redirect."""
    assert answer.status == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    for word in words:
        assert word in answer.text
    return answer


def assert_oauth_error(answer, error, status=400):
    """Check an error body, which follows both RFC 6749 section 5.2 and RFC 7807; return it."""
    assert answer.status == status
    body = answer.json
    assert body["error"] == error
    assert body["status"] == status
    assert body["title"]
    assert body["detail"] == body["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    return body
