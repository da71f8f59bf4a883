"""Development: plain HTTP on this machine, static files straight from their sources."""

from tradingsite.settings.base import *  # noqa: F403
from tradingsite.settings.base import DEPLOYMENT

DEBUG = DEPLOYMENT.is_on("TRADINGSITE_DEBUG")
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
