"""The matrix: symbols by parameters, and one value for many symbols as one decision."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from configuration import store
from tradingsite.access.judging import may
from tradingsite.dashboard import configuration_forms as forms
from tradingsite.dashboard import override_matrix as overrides
from tradingsite.dashboard import places
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.configuration_changes import Shown, Wish
from tradingsite.dashboard.override_matrix import Asking, Selection
from tradingsite.dashboard.views.configuration import deciding

ROUTE: Final = "pages:config-matrix"


@page
def show(request: HttpRequest) -> HttpResponse:
    """The heat map. A POST previews a bulk edit, applies exactly what was previewed, or merges it."""
    wanted = overrides.asking(request.GET)
    image = store.current()
    known = places.known(image, owner_id=owner_seen_by(request))
    chosen = overrides.selection(request.POST, wanted.namespace.name)
    base = forms.base_version(request.POST, otherwise=image.version)
    missing = overrides.missing(chosen) if request.method == "POST" else []

    def drawn(shown: Shown | None, status: int) -> HttpResponse:
        matrix = overrides.matrix(image, wanted, known.symbols)
        context = {
            **_context(request, wanted, chosen),
            "matrix": matrix,
            "typed": " ".join(overrides.elsewhere(chosen, matrix)),
            "version": image.version,
            "base_version": base,
            "missing": missing,
            "shown": shown,
        }
        return render(request, "configuration/matrix.html", context, status=status)

    if request.method != "POST":
        return drawn(None, 200)
    if missing:
        if deciding.IS_FRAGMENT in request.headers:
            return render(request, "configuration/preview.html", {"missing": missing})
        return drawn(None, 422)
    operations = overrides.operations(chosen, wanted.namespace.name)
    form = deciding.Form(
        title=f"{wanted.namespace.title}, {len(chosen.scopes)} chosen",
        wish=Wish(operations, base, request.POST.get("reason", "").strip(), "batch"),
        bot_names=known.bot_names,
        address=_address(wanted),
        kept=tuple(_kept(chosen)),
        page=drawn,
    )
    return deciding.answer(request, form)


def _kept(chosen: Selection) -> list[tuple[str, str]]:
    parameter = chosen.parameter.name if chosen.parameter else ""
    fields = [("parameter", parameter), ("mode", chosen.asked.mode), ("value", chosen.asked.text)]
    return [*fields, *(("scope", forms.address_of(scope)) for scope in chosen.scopes)]


def _context(request: HttpRequest, wanted: Asking, chosen: Selection) -> dict[str, Any]:
    return {
        "section": "configuration",
        "tab": "matrix",
        "wanted": wanted,
        "namespaces": overrides.namespaces(),
        "has_sides": "symbol_side" in wanted.namespace.scopes,
        "address": _address(wanted),
        "more_pages": urlencode(_query(wanted)),
        "chosen": chosen,
        "chosen_addresses": {forms.address_of(scope) for scope in chosen.scopes},
        "reason": request.POST.get("reason", "").strip(),
        "may_change": may(request.user, ROUTE, "POST"),
    }


def _query(wanted: Asking) -> dict[str, str]:
    asked = {"namespace": wanted.namespace.name, "group": wanted.group, "symbols": wanted.symbols}
    return {name: text for name, text in {**asked, "sides": "1" if wanted.with_sides else ""}.items() if text}


def _address(wanted: Asking) -> str:
    return f"{reverse(ROUTE)}?{urlencode({**_query(wanted), 'page': wanted.page})}"
