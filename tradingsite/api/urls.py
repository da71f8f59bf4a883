"""Everything under /api/v1/. Each app owns its own resource paths."""

from importlib.util import find_spec

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

_APPS = [name for name in ("configuration", "marketdata", "bots", "backtests") if find_spec(f"{name}.api")]

urlpatterns = [
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    *(path("", include(f"{app}.api.urls")) for app in _APPS if find_spec(f"{app}.api.urls")),
]
