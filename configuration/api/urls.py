"""Paths under /api/v1/. The literal ones stand before those with a name in them, which would take them for one.

So a symbol called SCHEMA or DEFAULTS is not reached by its path, and no namespace may be called as a
literal path is (a test compares them); ``config/batch`` and ``config/resolve`` take any symbol.
"""

from django.urls import path

from configuration.api.views import health, ledger, namespaces, platform, resolving, strategies, transfer

urlpatterns = [
    # document 000: the platform by section
    path("config", platform.Platform.as_view(), name="config-platform"),
    path("config/validate", platform.PlatformValidate.as_view(), name="config-platform-validate"),
    path("config/reload", platform.PlatformReload.as_view(), name="config-platform-reload"),
    path("config/reset", platform.PlatformReset.as_view(), name="config-platform-reset"),
    path("config/defaults", platform.PlatformDefaults.as_view(), name="config-platform-defaults"),
    # every namespace together
    path("config/namespaces", namespaces.Namespaces.as_view(), name="config-namespaces"),
    path("config/search", namespaces.Search.as_view(), name="config-search"),
    path("config/resolve", resolving.Resolve.as_view(), name="config-resolve"),
    path("config/explain", resolving.Explain.as_view(), name="config-explain"),
    path("config/changes", ledger.Changes.as_view(), name="config-changes"),
    path("config/changes/<int:version>", ledger.OneChange.as_view(), name="config-change"),
    path("config/diff", ledger.Diff.as_view(), name="config-diff"),
    path("config/rollback", ledger.Rollback.as_view(), name="config-rollback"),
    path("config/batch", ledger.Batch.as_view(), name="config-batch"),
    path("config/export", transfer.Export.as_view(), name="config-export"),
    path("config/import", transfer.Import.as_view(), name="config-import"),
    path("config/health", health.Health.as_view(), name="config-health"),
    path("config/cache/refresh", health.CacheRefresh.as_view(), name="config-cache-refresh"),
    # document 002: trading
    path("config/trading/schema", namespaces.TradingSchema.as_view(), name="config-schema"),
    path("config/trading/defaults", namespaces.TradingDefaults.as_view(), name="config-defaults"),
    path("config/trading", namespaces.TradingConfiguration.as_view(), name="config-global"),
    path("config/trading/<str:symbol>", namespaces.TradingConfiguration.as_view(), name="config-symbol"),
    path(
        "config/trading/<str:symbol>/<str:side>",
        namespaces.TradingConfiguration.as_view(),
        name="config-symbol-side",
    ),
    # any other namespace
    path("config/<str:namespace>/schema", namespaces.NamespaceSchema.as_view(), name="namespace-schema"),
    path("config/<str:namespace>/defaults", namespaces.NamespaceDefaults.as_view(), name="namespace-defaults"),
    path("config/<str:namespace>", namespaces.NamespaceConfiguration.as_view(), name="namespace-global"),
    path("config/<str:namespace>/<str:symbol>", namespaces.NamespaceConfiguration.as_view(), name="namespace-symbol"),
    # document 001: the strategies
    path("strategies", strategies.Strategies.as_view(), name="strategies"),
    path("strategies/cache/refresh", health.CacheRefresh.as_view(), name="strategies-cache-refresh"),
    path("strategies/<str:strategy_id>/schema", strategies.StrategySchema.as_view(), name="strategy-schema"),
    path("strategies/<str:strategy_id>/defaults", strategies.StrategyDefaults.as_view(), name="strategy-defaults"),
    path("strategies/<str:strategy_id>/config", strategies.StrategyConfiguration.as_view(), name="strategy-global"),
    path(
        "strategies/<str:strategy_id>/config/<str:symbol>",
        strategies.StrategyConfiguration.as_view(),
        name="strategy-symbol",
    ),
    path("strategies/<str:strategy_id>/audit", strategies.StrategyAudit.as_view(), name="strategy-audit"),
    path("snapshots/<str:hash>", ledger.OneSnapshot.as_view(), name="snapshot"),
]
