"""Backtests in the admin: a ledger to look at. They are started and cancelled on the pages and by the API."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from backtests import selectors
from backtests.models import Backtest


@admin.register(Backtest)
class BacktestAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Read only: a result is evidence."""

    list_display = ("bot_name", "owner", "status", "share_done", "symbols", "total_return", "created_at", "finished_at")
    list_filter = ("status", "created_at")
    list_select_related = ("owner",)
    search_fields = ("bot_name", "id", "bot_id", "snapshot_id")
    ordering = ("-created_at",)
    show_full_result_count = False
    exclude = ("request", "metrics", "lease_token", "progress")
    readonly_fields = ("share_done", "asked", "result")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backtest]:
        runs = super().get_queryset(request)
        return runs if request.user.is_superuser else runs.filter(owner_id=request.user.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="done")
    def share_done(self, run: Backtest) -> str:
        return f"{run.progress:.0%} ({run.rows_done:,} of {run.rows_total:,} bars)"

    @admin.display(description="symbols")
    def symbols(self, run: Backtest) -> str:
        return ", ".join(selectors.symbols(run))

    @admin.display(description="return")
    def total_return(self, run: Backtest) -> str:
        made = run.metrics.get("total_return")
        return "" if made is None else f"{float(made):.2%}"

    @admin.display(description="asked")
    def asked(self, run: Backtest) -> str:
        return _as_text(run.request)

    @admin.display(description="result")
    def result(self, run: Backtest) -> str:
        return _as_text(run.metrics)


def _as_text(value: Any) -> str:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2))
