"""The admin of market data: instruments are edited, datasets imported and retired, studies only looked at."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from engine.domain.errors import InputError
from marketdata import services
from marketdata.forms import ImportForm, InstrumentForm, show_faults
from marketdata.models import Dataset, Instrument, Study


def _shown(open_ms: int | None) -> str:
    return "" if open_ms is None else datetime.fromtimestamp(open_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


class ReadOnly(admin.ModelAdmin):
    """Rows that are looked at: nobody changes or deletes what results point at."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    form = InstrumentForm
    list_display = ("symbol", "name", "asset_class", "calendar", "currency", "price_tick", "qty_step", "is_tradable")
    list_filter = ("asset_class", "calendar", "is_tradable")
    search_fields = ("symbol", "name")
    ordering = ("symbol",)

    def get_readonly_fields(self, request: HttpRequest, obj: Instrument | None = None) -> tuple[str, ...]:
        return ("symbol",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Instrument, form: Any, change: bool) -> None:
        services.define_instrument(form.definition(), now=timezone.now())
        obj.pk = Instrument.objects.only("pk").get(symbol=obj.symbol).pk

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    list_display = (
        "instrument", "timeframe", "source", "adjustment", "revision", "bar_count", "first_bar", "last_bar", "state",
    )  # fmt: skip
    list_filter = ("timeframe", "adjustment", "source")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol", "source", "name")
    ordering = ("instrument__symbol", "timeframe", "-created_at")
    fields = (
        "instrument", "timeframe", "source", "adjustment", "name", "revision", "state", "bar_count", "first_bar",
        "last_bar", "fingerprint", "quality_report", "created_at", "superseded_by", "retired_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("retire",)

    @admin.display(description="first bar (UTC)", ordering="first_open_ms")
    def first_bar(self, row: Dataset) -> str:
        return _shown(row.first_open_ms)

    @admin.display(description="last bar (UTC)", ordering="last_open_ms")
    def last_bar(self, row: Dataset) -> str:
        return _shown(row.last_open_ms)

    @admin.display(description="state")
    def state(self, row: Dataset) -> str:
        if row.retired_at:
            return "retired"
        return "superseded" if row.superseded_by_id else "current"

    @admin.display(description="quality")
    def quality_report(self, row: Dataset) -> SafeString:
        lines = [(f"{found['count']} {found['message']} ({found['code']}){_first(found)}",) for found in _warnings(row)]
        lines += [(f"mark: {mark}",) for mark in row.quality.get("marks", [])]
        if rounding := row.quality.get("rounding"):
            largest = f"{rounding['largest_fraction']:.4%}"
            lines.append(
                (f"{rounding['prices']} prices moved to the tick {rounding['price_tick']:g}, by {largest} at most",)
            )
        if adjusted := row.quality.get("adjusted_by"):
            lines.append((f"adjusted by {adjusted}",))
        items = format_html_join("", "<li>{}</li>", lines or [("nothing to remark",)])
        return format_html("<ul>{}</ul>", items)

    @admin.action(description="Retire: take out of every choice, keep the bars", permissions=["add"])
    def retire(self, request: HttpRequest, queryset: "QuerySet[Dataset]") -> None:
        for row in queryset:
            services.retire_dataset(row.id, now=timezone.now())
        self.message_user(request, f"{len(queryset)} datasets retired.", messages.SUCCESS)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Adding a dataset is importing a file."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        if form.is_valid() and (imported := self._import(form)):
            facts = ", ".join(f"{found.adjustment} revision {found.revision}" for found in imported)
            is_new = any(found.is_new for found in imported)
            self.message_user(request, f"{'Imported' if is_new else 'The same bars are there already'}: {facts}.")
            return HttpResponseRedirect(reverse("admin:marketdata_dataset_change", args=[imported[-1].dataset_id]))
        context = {**self.admin_site.each_context(request), "form": form, "opts": self.opts, "title": "Import bars"}
        return TemplateResponse(request, "admin/marketdata/dataset/import.html", context)

    def _import(self, form: ImportForm) -> list[services.Imported]:
        asked = form.cleaned_data
        request = services.ImportRequest(
            symbol=asked["symbol"],
            timeframe=asked["timeframe"],
            source=asked["source"],
            adjustment=asked["adjustment"],
            name=asked["name"],
            timezone=asked["timezone"] or None,
            factors=asked["factors"],
        )
        try:
            return services.import_csv(asked["file"], request, now=timezone.now())
        except InputError as error:
            show_faults(form, error.faults)
            return []


@admin.register(Study)
class StudyAdmin(ReadOnly):
    list_display = ("name", "dataset", "parameters", "status", "bar_count", "created_at", "finished_at")
    list_filter = ("status", "name")
    list_select_related = ("dataset__instrument",)
    ordering = ("-created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _warnings(row: Dataset) -> list[dict[str, Any]]:
    return list(row.quality.get("warnings", []))


def _first(warning: dict[str, Any]) -> str:
    examples = warning["examples"][:3]
    return f": {', '.join(example['at'] for example in examples)}" if examples else ""
