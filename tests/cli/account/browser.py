"""A browser for `ringlet login`: opens the address it is given, answers the consent page, follows its lead.

What the person in front of it does stands in the environment: WEARER signs in, UNTICK names a scope that is
refused, DENY refuses everything. Run with `BROWSER="python browser.py %s"`, as webbrowser wants it.
"""

import os
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPErrorProcessor, ProxyHandler, build_opener

from ringlet._cli.demo.headless_sign_in import ConsentPage


class Stay(HTTPErrorProcessor):
    """Shows where a page sends the browser, without going there."""

    def http_response(self, request, response):
        return response


def consent(url, who):
    """Where the browser is sent by the decision of a person. Raises HTTPError for a page of refusal."""
    cookies = HTTPCookieProcessor()
    with build_opener(ProxyHandler({}), cookies).open(url) as page:
        fields = ConsentPage(page.read().decode()).fields
    kept = [field for field in fields if field[0] != "user" and field != ("granted", who.get("UNTICK"))]
    form = [*kept, ("decision", "deny" if "DENY" in who else "allow"), ("user", who["WEARER"])]
    with build_opener(ProxyHandler({}), cookies, Stay()).open(url, data=urlencode(form).encode()) as answer:
        return answer.headers["location"]


if __name__ == "__main__":
    try:
        build_opener(ProxyHandler({})).open(consent(sys.argv[1], os.environ)).close()
    except HTTPError as refused:
        sys.exit(f"the cloud shows: {refused}")
