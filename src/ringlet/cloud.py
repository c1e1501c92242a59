"""An Oura Cloud that anyone can run, as an ASGI application."""

from ._cloud.app import Cloud
from ._cloud.core.clock import Clock
from ._cloud.data.routes import CloudSettings
from ._cloud.oauth.grants import OAuthRules
from ._net.addresses import AddressPolicy

__all__ = ["AddressPolicy", "Clock", "Cloud", "CloudSettings", "OAuthRules"]
