"""Paths under /api/v1/. The literal ones stand before {symbol}, which would take them for symbols."""

from django.urls import path

from configuration.api import views

urlpatterns = [
    path("config/trading/schema", views.TradingSchema.as_view(), name="config-schema"),
    path("config/trading/defaults", views.TradingDefaults.as_view(), name="config-defaults"),
    path("config/trading", views.TradingConfiguration.as_view(), name="config-global"),
    path("config/trading/<str:symbol>", views.TradingConfiguration.as_view(), name="config-symbol"),
    path("config/trading/<str:symbol>/<str:side>", views.TradingConfiguration.as_view(), name="config-symbol-side"),
    path("config/changes", views.Changes.as_view(), name="config-changes"),
    path("snapshots/<str:hash>", views.OneSnapshot.as_view(), name="snapshot"),
]
