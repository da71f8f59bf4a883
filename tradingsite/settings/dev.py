from tradingsite.settings.base import *  # noqa: F403
