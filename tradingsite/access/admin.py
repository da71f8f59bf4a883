"""Tokens and scope patterns in the admin. A token is made by the service and its value shown once, in the answer."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from engine.domain.errors import InputError
from tradingsite.access import selectors, services
from tradingsite.access.models import LONGEST_DAYS, SCOPES, ApiToken, ScopePattern


class TokenForm(forms.Form):
    """What a new token is asked to be; the service judges it."""

    name = forms.CharField(max_length=60, help_text="Who or what will use it, for example: nightly report.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        help_text="read: GET. configure: changes. trade: bots and positions. admin: tokens. Never more than your role.",
    )
    days = forms.IntegerField(min_value=1, max_value=LONGEST_DAYS, initial=30, help_text=f"1 to {LONGEST_DAYS}.")


@admin.register(ApiToken)
class Tokens(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is not generic at run time
    """One's own tokens, an owner's view of everybody's; they are ended, never changed or erased."""

    list_display = ("name", "owner", "shown_hint", "allowed", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    ordering = ("-created_at",)
    exclude = ("digest", "hint", "scopes")
    readonly_fields = (
        "name",
        "owner",
        "shown_hint",
        "allowed",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        rows = super().get_queryset(request)
        return rows if selectors.whose_tokens(request.user) is None else rows.filter(owner_id=request.user.pk)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        form = TokenForm(request.POST if request.method == "POST" else None)
        value = ""
        if form.is_valid():
            try:
                value = services.make_token(owner=request.user, now=timezone.now(), **form.cleaned_data).value
            except InputError as refused:
                for fault in refused.faults:
                    form.add_error(None, fault.message)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Make an API token"}
        template = "admin/access/apitoken/made.html" if value else "admin/access/apitoken/make.html"
        return TemplateResponse(request, template, {**context, "form": form, "value": value})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever sees a token here may end it."""
        return self.has_view_permission(request)

    @admin.display(description="ends with")
    def shown_hint(self, row: ApiToken) -> str:
        return f"…{row.hint}"

    @admin.display(description="scopes")
    def allowed(self, row: ApiToken) -> str:
        return ", ".join(row.scopes)

    @admin.action(description="Revoke the selected tokens, for ever", permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        for row in rows:
            services.revoke(row.pk, owner_id=selectors.whose_tokens(request.user), now=timezone.now())
            messages.success(request, f"{row} is revoked.")


@admin.register(ScopePattern)
class ScopePatterns(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Where the members of a group may change configuration. A group without a pattern is not held to any place."""

    list_display = ("group", "pattern")
    list_filter = ("group",)
    list_select_related = ("group",)
    ordering = ("group__name", "pattern")
