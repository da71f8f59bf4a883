"""Everything under /api/v1/. Each app owns its own resource paths."""

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

from tradingsite.api import schema  # noqa: F401  registers the session with the description

urlpatterns = [
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("", include("configuration.api.urls")),
    path("", include("marketdata.api.urls")),
    path("", include("bots.api.urls")),
    path("", include("backtests.api.urls")),
    path("", include("tradingsite.access.api.urls")),
]
