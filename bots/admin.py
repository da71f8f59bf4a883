"""Bots in the admin: parse, one call to the service, answer. What they did can be looked at only."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from bots import forms
from bots.models import (
    Bot,
    BrokerOrder,
    Cycle,
    Decision,
    EngineRun,
    Fill,
    LeverageStatus,
    OrderIntent,
    Position,
    Trade,
)
from bots.selectors import leverage as wanted
from bots.services import definition, leverage
from configuration import ports
from configuration import selectors as configuration
from configuration.services import Actor, bot_scope
from engine.domain import reasons
from engine.domain.enums import Action
from engine.domain.errors import PlatformError


@admin.register(Bot)
class BotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Defining and retiring bots. A form is judged and saved by the same service as the API."""

    form = forms.BotForm
    list_display = ("name", "owner", "strategy", "timeframe", "traded", "status", "updated_at", "retired_at")
    list_filter = ("status", "strategy", "timeframe", ("retired_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    search_fields = ("name", "symbols")
    ordering = ("-created_at",)
    actions = ("retire",)
    object_history_template = "admin/bots/bot/object_history.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bot]:
        bots = super().get_queryset(request)
        return bots if request.user.is_superuser else bots.filter(owner_id=request.user.pk)

    def get_fieldsets(self, request: HttpRequest, obj: Bot | None = None) -> Any:
        return [
            (None, {"fields": ["name", "strategy", "timeframe", "symbols"]}),
            *((title, {"fields": names}) for title, names in forms.groups()),
            ("Why", {"fields": ["reason", "base_version"]}),
        ]

    def save_model(self, request: HttpRequest, obj: Bot, form: Any, change: bool) -> None:
        decided: dict[str, Any] = {
            "form": form.definition_form(),
            "actor": _actor(request),
            "source": "admin",
            "reason": form.cleaned_data["reason"],
            "now": timezone.now(),
        }
        if change:
            definition.redefine(bot_id=obj.id, base_version=form.cleaned_data["base_version"], **decided)
        else:
            obj.pk = definition.define(owner_id=_id(request), **decided).pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except PlatformError as refused:
            # Somebody changed or started the bot between the form's check and its saving.
            messages.error(request, str(refused))
            return HttpResponseRedirect(request.path)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        decisions = configuration.change_sets(bot_scope(object_id))[:200]
        return super().history_view(request, object_id, {**(extra_context or {}), "decisions": decisions})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Bot | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.retired_at is None)

    @admin.display(description="symbols")
    def traded(self, bot: Bot) -> str:
        return ", ".join(bot.symbols)

    @admin.action(description="Retire the selected bots (their history stays)", permissions=["change"])
    def retire(self, request: HttpRequest, bots: QuerySet[Bot]) -> None:
        for bot in bots.filter(retired_at__isnull=True):
            try:
                definition.retire(bot_id=bot.id, now=timezone.now())
                messages.success(request, f"{bot.name} is retired.")
            except PlatformError as refused:
                messages.error(request, str(refused))


class Ledger(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Read only: what happened is evidence. An owner sees what their own bots did."""

    owner_path = "bot__owner_id"
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    # Packed records of the engine: nothing to read, and large.
    exclude: ClassVar[tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).defer(*self.exclude)
        return rows if request.user.is_superuser else rows.filter(**{self.owner_path: request.user.pk})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(EngineRun)
class RunAdmin(Ledger):
    """A bot's books over one epoch."""

    list_display = ("bot", "number", "epoch", "timeframe", "equity", "realised", "cycles", "started_at", "ended_at")
    list_filter = ("timeframe", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("bot",)
    search_fields = ("bot__name", "snapshot__hash")
    exclude = ("state",)


@admin.register(Cycle)
class CycleAdmin(Ledger):
    """One round of a bot at one instant of event time."""

    list_display = ("bot", "number", "due_at", "state", "bars", "facts", "equity", "finished_at", "error_code")
    list_filter = ("state",)
    list_select_related = ("bot",)
    search_fields = ("bot__name", "error_code")
    exclude = ("orders", "fills", "trips", "decided", "checkpoint")


@admin.register(Decision)
class DecisionAdmin(Ledger):
    """What was decided or refused on one bar, in words."""

    list_display = ("bot", "at", "symbol", "said", "why", "orders", "price", "equity")
    list_filter = ("symbol",)
    list_select_related = ("bot",)
    search_fields = ("bot__name", "symbol")
    readonly_fields = ("said", "why")

    @admin.display(description="signal")
    def said(self, decision: Decision) -> str:
        return Action(decision.signal).name.lower()

    @admin.display(description="reason")
    def why(self, decision: Decision) -> str:
        return reasons.sentence(decision.reason)


@admin.register(OrderIntent)
class OrderAdmin(Ledger):
    """What was asked of a broker, and what became of it."""

    list_display = ("bot", "symbol", "action", "qty", "order_type", "leg", "origin", "state", "why", "asked_at")
    list_filter = ("state", "origin", "symbol")
    list_select_related = ("bot",)
    search_fields = ("client_order_id", "bot__name")
    readonly_fields = ("why",)

    @admin.display(description="reason")
    def why(self, order: OrderIntent) -> str:
        return reasons.sentence(order.reason) if order.reason else ""


@admin.register(BrokerOrder)
class BrokerOrderAdmin(Ledger):
    """What the broker has."""

    owner_path = "intent__bot__owner_id"
    ordering = ("-intent_id",)
    list_display = ("broker_order_id", "intent", "status", "qty", "filled_qty", "submitted_at", "updated_at")
    list_filter = ("status",)
    list_select_related = ("intent",)
    search_fields = ("broker_order_id", "intent__client_order_id")


@admin.register(Fill)
class FillAdmin(Ledger):
    """What was got."""

    list_display = ("bot", "symbol", "qty", "price", "fee", "cum_qty", "executed_at", "received_at")
    list_filter = ("symbol",)
    list_select_related = ("bot",)
    search_fields = ("bot__name", "broker_order__broker_order_id")


@admin.register(Position)
class PositionAdmin(Ledger):
    """What is held, or was."""

    ordering = ("-opened_at", "id")
    list_display = ("bot", "symbol", "side", "quantity", "entry_price", "current_price", "unrealized_pnl",
                    "realized_pnl", "is_open", "opened_at", "closed_at")  # fmt: skip
    list_filter = ("is_open", "side", "symbol")
    list_select_related = ("bot",)
    search_fields = ("bot__name", "symbol")


@admin.register(Trade)
class TradeAdmin(Ledger):
    """One executed order."""

    ordering = ("-timestamp", "id")
    list_display = ("bot", "timestamp", "symbol", "type", "quantity", "price", "profit_loss", "commission", "reason")
    list_filter = ("type", "reason", "symbol")
    list_select_related = ("bot",)
    search_fields = ("bot__name", "symbol")


@admin.register(LeverageStatus)
class LeverageStatusAdmin(Ledger):
    """The leverage asked for and the one in force. Setting one by hand is a call of the API: it needs a reason."""

    owner_path = "account__runs__bot__owner_id"
    ordering = ("symbol", "id")
    list_display = ("symbol", "account", "configured", "actual", "synced", "last_sync_at", "last_sync_success",
                    "last_sync_error", "forced_by", "forced_at")  # fmt: skip
    list_filter = ("last_sync_success", "symbol")
    list_select_related = ("account",)
    search_fields = ("symbol", "account__runs__bot__name")
    actions = ("sync",)

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whoever may change the parameter leverage."""
        return leverage.may_set(_actor(request))

    @admin.display(boolean=True)
    def synced(self, status: LeverageStatus) -> bool:
        return status.is_synced

    @admin.action(description="Ask the broker for the configured leverage", permissions=["sync"])
    def sync(self, request: HttpRequest, rows: QuerySet[LeverageStatus]) -> None:
        chosen = set(rows.values_list("account", "symbol"))
        seen_by = None if request.user.is_superuser else _id(request)
        uses = [use for use in wanted.in_use(owner_id=seen_by) if (use.account.id, use.symbol) in chosen]
        done = leverage.sync_all(uses, now=timezone.now())
        for use, ensured in done.results:
            if ensured.error:
                messages.warning(request, f"{use.symbol}: {use.target}x is not in force. {ensured.error}")
        messages.info(request, f"{done.synced} in force, {len(chosen) - done.synced} not.")


def _actor(request: HttpRequest) -> Actor:
    return ports.principals().actor_of(request.user, None)


def _id(request: HttpRequest) -> int:
    return int(request.user.pk or 0)
