"""Development: plain HTTP on this machine, static files straight from their sources."""

from tradingsite.settings.base import *  # noqa: F403
from tradingsite.settings.base import DEPLOYMENT, REST_FRAMEWORK

DEBUG = DEPLOYMENT.is_on("TRADINGSITE_DEBUG")
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# Scripts on this machine may send name and password until there are API tokens; never in production.
REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_AUTHENTICATION_CLASSES": [
        *REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"],
        "rest_framework.authentication.BasicAuthentication",
    ],
}
