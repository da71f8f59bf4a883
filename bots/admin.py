"""Bots in the admin: parse, one call to the service, answer."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from bots import forms
from bots.models import Bot
from bots.services import definition
from configuration import selectors as configuration
from configuration.services import Actor, bot_scope
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


def _actor(request: HttpRequest) -> Actor:
    return Actor(kind="user", id=str(_id(request)), label=request.user.get_username())


def _id(request: HttpRequest) -> int:
    return int(request.user.pk or 0)
