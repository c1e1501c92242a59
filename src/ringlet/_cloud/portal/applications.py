"""The portal's pages to register, change and delete applications and to replace their client secrets.

Rules of this file:
* A client secret is shown once, in the response to the form that created it. No other page shows it.
* Users see and change only the applications that they registered. Another user's application is answered with
  404, like an unknown one.
* A refused form is shown again with the values that the user typed, and the error beside the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import UsageError
from ..browser.visitor import Visitor, Visitors, redirect
from ..core.answers import Refused
from ..oauth.applications import Application, Applications, check_redirect_uri
from ..oauth.grants import USERS_ON_TRIAL, Grants
from ..webhooks.deliveries import Deliveries
from .home import base_of, sentence

APPLICATIONS = "/oauth/applications"
NEW_APPLICATION = f"{APPLICATIONS}/new"
APPLICATION = f"{APPLICATIONS}/{{client_id}}"


@dataclass(frozen=True)
class PortalApplications:
    """The portal's pages about the applications of the signed-in user."""

    grants: Grants
    deliveries: Deliveries
    visitors: Visitors

    def routes(self) -> list[BaseRoute]:
        """The routes of the pages about applications. All of them need a signed-in user."""
        page = self.visitors.signed_in
        return [
            Route(APPLICATIONS, page(self.index), methods=["GET"]),
            Route(NEW_APPLICATION, page(self.new), methods=["GET"]),
            Route(NEW_APPLICATION, page(self.register), methods=["POST"]),
            Route(APPLICATION, page(self.show), methods=["GET"]),
            Route(APPLICATION, page(self.change), methods=["POST"]),
            Route(f"{APPLICATION}/secret", page(self.rotate_secret), methods=["POST"]),
            Route(f"{APPLICATION}/delete", page(self.ask_to_delete), methods=["GET"]),
            Route(f"{APPLICATION}/delete", page(self.delete), methods=["POST"]),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """Show the list of the user's applications."""
        apps = [(app, self.grants.count_users(app.client_id)) for app in self.grants.apps.of(visitor.user_id)]
        return visitor.page(
            request, "applications.html", here=APPLICATIONS, apps=apps, on_trial=USERS_ON_TRIAL
        )

    async def new(self, request: Request, visitor: Visitor) -> Response:
        """Show the form to register an application."""
        return _form(request, visitor, {})

    async def register(self, request: Request, visitor: Visitor) -> Response:
        """Register an application and show its client secret, which is not shown again."""
        form = await visitor.form(request)
        uris = _lines(form)
        errors = _errors(uris)
        if not errors:
            try:
                client_id, secret = self.grants.apps.register(
                    form.get("name", ""), uris, public="public" in form, owner=visitor.user_id
                )
            except UsageError as wrong:
                errors = {"name": sentence(wrong)}
            else:
                app = self.grants.apps.get(client_id)
                assert app is not None
                return self._page(request, visitor, app, secret=secret, is_new=True)
        return _form(request, visitor, form, errors)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Show the page of one application. Raises Refused 404 if the user did not register it."""
        return self._page(request, visitor, self._named(request, visitor))

    async def change(self, request: Request, visitor: Visitor) -> Response:
        """Change an application's name and redirect URIs.

        Raises Refused 404 if the user did not register it.
        """
        form = await visitor.form(request)
        app = self._named(request, visitor)
        uris = _lines(form)
        errors = _errors(uris)
        if not errors:
            try:
                self.grants.apps.change(app.client_id, name=form.get("name", ""), redirect_uris=uris)
            except UsageError as wrong:
                errors = {"name": sentence(wrong)}
            else:
                return redirect(f"{APPLICATIONS}/{app.client_id}")
        return self._page(request, visitor, app, typed=form, errors=errors)

    async def rotate_secret(self, request: Request, visitor: Visitor) -> Response:
        """Replace an application's secret and show the new one; the old one is invalid at once.

        Raises Refused 404 for an unknown application, 400 for a public one.
        """
        await visitor.form(request)
        app = self._named(request, visitor)
        if not app.confidential:
            raise Refused("No secret", f"{app.name} is a public application, without a secret.")
        return self._page(request, visitor, app, secret=self.grants.apps.rotate_secret(app.client_id))

    async def ask_to_delete(self, request: Request, visitor: Visitor) -> Response:
        """Ask the user to confirm the deletion of an application.

        Raises Refused 404 if the user did not register it.
        """
        app = self._named(request, visitor)
        return visitor.page(
            request,
            "application_delete.html",
            here=APPLICATIONS,
            app=app,
            user_count=self.grants.count_users(app.client_id),
        )

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete an application with its grants and subscriptions.

        Raises Refused 404 if the user did not register it.
        """
        await visitor.form(request)
        app = self._named(request, visitor)
        with self.deliveries.subscriptions.locked(app.client_id):
            self.deliveries.delete_all_of(app.client_id)
            self.grants.apps.delete(app.client_id)
        return redirect(APPLICATIONS)

    def _named(self, request: Request, visitor: Visitor) -> Application:
        return owned(self.grants.apps, request, visitor)

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        app: Application,
        *,
        secret: str = "",
        is_new: bool = False,
        typed: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        stored = {"name": app.name, "redirect_uris": "\n".join(app.redirect_uris)}
        return visitor.page(
            request,
            "application.html",
            status=422 if errors else 200,
            here=APPLICATIONS,
            app=app,
            user_count=self.grants.count_users(app.client_id),
            on_trial=USERS_ON_TRIAL,
            base=base_of(request),
            secret=secret,
            is_new=is_new,
            fields=stored | dict(typed or {}),
            errors=errors or {},
        )


def owned(apps: Applications, request: Request, visitor: Visitor) -> Application:
    """The application that the request's path names. Raises Refused 404 unless the visitor registered it."""
    app = apps.get(request.path_params["client_id"])
    if app is None or app.owner != visitor.user_id:
        raise Refused(
            "Application not found", "You have not registered an application with this client_id.", status=404
        )
    return app


def _form(
    request: Request, visitor: Visitor, typed: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> Response:
    return visitor.page(
        request,
        "application_new.html",
        status=422 if errors else 200,
        here=APPLICATIONS,
        fields={"name": "", "redirect_uris": "", "public": "", **typed},
        errors=errors or {},
    )


def _lines(form: Mapping[str, str]) -> list[str]:
    return [line.strip() for line in form.get("redirect_uris", "").splitlines() if line.strip()]


def _errors(uris: list[str]) -> dict[str, str]:
    """Check redirect URIs. Returns their error under the key `redirect_uris`; empty if they are valid."""
    if not uris:
        return {"redirect_uris": "Enter at least one redirect URI."}
    try:
        for uri in uris:
            check_redirect_uri(uri)
    except UsageError as wrong:
        return {"redirect_uris": sentence(wrong)}
    return {}
