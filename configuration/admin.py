"""Configuration in the admin: three pages to set it, each with its history, and the records read-only.

Nothing here saves a model: every write is one call of ``services.change``, with a reason.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import structlog
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import ngettext

from configuration import forms, ports, selectors, services, values
from configuration.models import (
    Change,
    ChangeSet,
    GlobalConfiguration,
    Override,
    Snapshot,
    SymbolConfiguration,
    SymbolSideConfiguration,
)
from configuration.scopes import GLOBAL, Scope, scope_faults
from engine.domain.errors import InputError, StaleVersion

_PER_PAGE = 25
_INHERITED = "inherited"


class ScopePages(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """The pages of one kind of scope: list, form, history, clearing. Who may change may do all of it."""

    kind: ClassVar[str]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.kind != "global" and self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Django's own deletion: it would leave no change-set

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self._require_view(request)
        if self.kind == "global":
            return HttpResponseRedirect(self._address("change", GLOBAL))
        scopes = {
            scope: {"address": self._address("change", scope), "set": count}
            for scope, count in selectors.overridden_scopes(self.kind).items()
        }
        context = {"title": f"Select {self.opts.verbose_name} to change", "scopes": scopes}
        return self._page(request, "scope_list.html", context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = forms.ScopeForm(kind=self.kind, data=request.POST if request.method == "POST" else None)
        if form.is_valid():
            return HttpResponseRedirect(self._address("change", form.cleaned_data["scope"]))
        return self._page(request, "scope_add.html", {"title": f"Add {self.opts.verbose_name}", "form": form})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self._require_view(request)
        scope = self._scope(object_id)
        if request.method != "POST":
            return self._form_page(request, scope, _form(scope))
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self._save(request, scope)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Clearing a scope: what it sets is shown, and a reason is asked for."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        scope = self._scope(object_id)
        head = selectors.head()
        data = request.POST if request.method == "POST" else None
        form = forms.ReasonForm(data, initial={"base_version": head.version})
        if form.is_valid() and self._cleared(request, scope, form):
            return HttpResponseRedirect(reverse(f"admin:configuration_{self.opts.model_name}_changelist"))
        stored = {
            f"{namespace}.{name}": values.shown(value.value)
            for namespace in forms.namespaces(scope)
            for name, value in selectors.stored(scope, namespace).items()
        }
        context = {"title": f"Clear {scope}", "scope": scope, "form": form, "stored": stored, **self._links(scope)}
        return self._page(request, "scope_clear.html", context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        self._require_view(request)
        scope = self._scope(object_id)
        page = Paginator(selectors.change_sets(scope), _PER_PAGE).get_page(request.GET.get("page"))
        decisions = [
            (change_set, [_before_after(change) for change in change_set.changes.all() if change.scope == scope])
            for change_set in page.object_list
        ]
        context = {"title": f"History of {scope}", "scope": scope, "page": page, "decisions": decisions}
        return self._page(request, "scope_history.html", {**context, **self._links(scope)})

    def _save(self, request: HttpRequest, scope: Scope) -> HttpResponse:
        form = _form(scope, data=request.POST)
        if not form.is_valid():
            return self._form_page(request, scope, form)
        base_version = form.cleaned_data["base_version"]
        operations = form.operations(_shown(scope, base_version))
        try:
            applied = _decide(request, operations, reason=form.cleaned_data["reason"], base_version=base_version)
        except StaleVersion as stale:
            form = form.rebased(operations, today=_form(scope))
            form.is_valid()  # so that it can carry errors
            form.report(stale.faults)
            messages.error(request, "Somebody else changed what you were changing. Look at the marked rows.")
            return self._form_page(request, scope, form)
        except InputError as refused:
            form.report(refused.faults)
            return self._form_page(request, scope, form)
        _say(request, scope, applied)
        return HttpResponseRedirect(self._address("change", scope))

    def _cleared(self, request: HttpRequest, scope: Scope, form: forms.ReasonForm) -> bool:
        operations = [services.ClearScope(scope, namespace) for namespace in forms.namespaces(scope)]
        try:
            applied = _decide(request, operations, kind="delete", **form.cleaned_data)
        except InputError as refused:
            for fault in refused.faults:
                form.add_error(None, fault.message)
            return False
        _say(request, scope, applied)
        return True

    def _form_page(self, request: HttpRequest, scope: Scope, form: forms.ConfigurationForm) -> HttpResponse:
        context = {
            "title": str(scope) if self.kind != "global" else "Global configuration",
            "scope": scope,
            "form": form,
            "may_change": self.has_change_permission(request),
            **self._links(scope),
        }
        return self._page(request, "scope_form.html", context)

    def _page(self, request: HttpRequest, template: str, context: Mapping[str, Any]) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "kind": self.kind,
            "has_add_permission": self.has_add_permission(request),
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"admin/configuration/{template}", context)

    def _scope(self, object_id: str) -> Scope:
        """The scope an address names: "global", "AAPL", or "AAPL:LONG"."""
        text = unquote(object_id)
        symbol, _, side = text.rpartition(":") if self.kind == "symbol_side" else (text, "", "")
        scope = GLOBAL if self.kind == "global" else Scope(self.kind, symbol=symbol, side=side)
        if scope_faults(scope, pointer="") or (self.kind == "global" and text != "global"):
            raise Http404(f"There is no scope {text}.")
        return scope

    def _address(self, page: str, scope: Scope) -> str:
        object_id = "global" if self.kind == "global" else ":".join(filter(None, (scope.symbol, scope.side)))
        return reverse(f"admin:configuration_{self.opts.model_name}_{page}", args=[quote(object_id)])

    def _links(self, scope: Scope) -> dict[str, Any]:
        return {
            "form_address": self._address("change", scope),
            "history_address": self._address("history", scope),
            "clear_address": self._address("delete", scope),
            "list_address": reverse(f"admin:configuration_{self.opts.model_name}_changelist"),
        }

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied


@admin.register(GlobalConfiguration)
class GlobalPages(ScopePages):
    kind = "global"


@admin.register(SymbolConfiguration)
class SymbolPages(ScopePages):
    kind = "symbol"


@admin.register(SymbolSideConfiguration)
class SymbolSidePages(ScopePages):
    kind = "symbol_side"


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A record to be read: the services alone write it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChangesInside(admin.TabularInline):  # type: ignore[type-arg]
    """A change-set's values, before and after."""

    model = Change
    fields = ("namespace", "scope_kind", "bot", "symbol", "side", "parameter", "op", "old", "new")
    ordering = ("ordinal",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ChangeSet)
class ChangeSets(ReadOnly):
    list_display = ("version", "created_at", "actor_label", "source", "kind", "reason")
    list_filter = ("source", "kind")
    search_fields = ("reason", "actor_label", "on_behalf_of")
    ordering = ("-version",)
    inlines = (ChangesInside,)


@admin.register(Override)
class Overrides(ReadOnly):
    list_display = ("namespace", "parameter", "scope", "value", "version")
    list_filter = ("namespace", "scope_kind")
    search_fields = ("parameter", "symbol", "bot")
    ordering = ("namespace", "parameter", "scope_kind", "symbol", "side", "bot")


@admin.register(Snapshot)
class Snapshots(ReadOnly):
    list_display = ("hash", "created_at")
    search_fields = ("hash",)
    ordering = ("-created_at",)


def _form(scope: Scope, data: Mapping[str, Any] | None = None) -> forms.ConfigurationForm:
    # The head first: were the values newer than the version, a conflict would be seen that is none,
    # never one overlooked.
    version = selectors.head().version
    resolved = selectors.resolve(scope, forms.namespaces(scope))
    return forms.ConfigurationForm(scope=scope, resolved=resolved, base_version=version, data=data)


def _shown(scope: Scope, base_version: int) -> dict[str, Any]:
    """What the scope itself set when the form was made, by qualified name."""
    return {
        f"{namespace}.{name}": value
        for namespace in forms.namespaces(scope)
        for name, value in selectors.stored_at(scope, namespace, base_version).items()
    }


def _before_after(change: Change) -> tuple[str, str, str]:
    before = values.shown(change.old) if change.old_version else _INHERITED
    return change.parameter, before, values.shown(change.new) if change.op == "set" else _INHERITED


def _decide(request: HttpRequest, operations: list[Any], *, kind: str = "set", **said: Any) -> services.Applied:
    return services.change(
        actor=ports.principals().actor_of(request.user, None),
        source="admin",
        kind=kind,
        operations=operations,
        now=datetime.now(UTC),
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        **said,
    )


def _say(request: HttpRequest, scope: Scope, applied: services.Applied) -> None:
    count = len(applied.changes)
    if not count:
        messages.info(request, f"Nothing was changed for {scope}.")
        return
    sentence = ngettext("%d parameter of %s changed: version %d.", "%d parameters of %s changed: version %d.", count)
    messages.success(request, sentence % (count, scope, applied.version))
