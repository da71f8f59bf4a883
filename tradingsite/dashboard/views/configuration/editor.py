"""The editor: one scope's parameters of one namespace; previewed, merged with what others did, applied."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from bots import selectors as bots
from configuration import selectors, store
from configuration.catalogue import TRADING, Namespace
from configuration.image import Image
from configuration.scopes import Scope
from engine.domain.errors import NotFound
from tradingsite.access.judging import may
from tradingsite.dashboard import configuration_forms as forms
from tradingsite.dashboard import places
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.configuration_changes import Shown, Wish
from tradingsite.dashboard.configuration_forms import Asked
from tradingsite.dashboard.places import Known
from tradingsite.dashboard.views.configuration import deciding

ROUTE: Final = "pages:config-edit"
_ROW_FIELDS: Final = ("mode", "value", "was")


class Edit(NamedTuple):
    """What is edited, from which state, and what the person asks for so far."""

    namespace: Namespace
    scope: Scope
    image: Image
    known: Known
    wanted: dict[str, Asked]
    wish: Wish


@page
def show(request: HttpRequest, scope: str) -> HttpResponse:
    """The form. A POST previews it, applies exactly what was previewed, or merges it with others' changes."""
    if request.method == "GET" and "symbol" in request.GET:
        return _elsewhere(request)
    edit = _edit(request, forms.scope_of(scope))

    def drawn(shown: Shown | None, status: int) -> HttpResponse:
        return render(request, "configuration/editor.html", _context(request, edit, shown), status=status)

    if request.method != "POST":
        return drawn(None, 200)
    form = deciding.Form(
        title=f"{edit.namespace.title}, {places.words_of(edit.scope, edit.known.bot_names)}",
        wish=edit.wish,
        bot_names=edit.known.bot_names,
        address=_address(edit.scope, edit.namespace.name),
        kept=tuple(_kept(edit)),
        page=drawn,
    )
    return deciding.answer(request, form)


def _elsewhere(request: HttpRequest) -> HttpResponse:
    """The form that picks a scope sends its parts; the scope's own address is part of the path."""
    symbol, side = (request.GET.get(name, "").strip() for name in ("symbol", "side"))
    scope = forms.scope_of("/".join(filter(None, (symbol, side))) if symbol else "global")
    wanted = request.GET.get("namespace", "")
    names = [namespace.name for namespace in forms.namespaces_at(scope)]
    return redirect(_address(scope, wanted if wanted in names else names[0]))


def _edit(request: HttpRequest, scope: Scope) -> Edit:
    if scope.bot:
        _require_bot(request, scope.bot)
    namespace = _namespace(request, scope)
    image = store.current()
    posted = _without_theirs(request.POST)
    base = forms.base_version(posted, otherwise=image.version)
    wanted = forms.asked(posted, namespace.name, scope)
    # Where nothing was changed since, what is set now is what was shown.
    shown = {name: one.value for name, one in image.stored(namespace.name, scope).items()}
    if wanted and base < image.version:
        shown = selectors.stored_at(scope, namespace.name, base)
    operations = forms.operations(wanted, namespace.name, scope, shown=shown)
    wish = Wish(operations, base, posted.get("reason", "").strip(), "set")
    return Edit(namespace, scope, image, places.known(image, owner_id=owner_seen_by(request)), wanted, wish)


def _require_bot(request: HttpRequest, bot: str) -> None:
    """Raises NotFound for what is no bot, or not theirs."""
    try:
        bots.bot(UUID(bot), owner_id=owner_seen_by(request))
    except ValueError as no_id:
        raise NotFound(f"There is no bot {bot[:60]!r}.") from no_id


def _namespace(request: HttpRequest, scope: Scope) -> Namespace:
    offered = {namespace.name: namespace for namespace in forms.namespaces_at(scope)}
    wanted = request.GET.get("namespace") or TRADING
    if wanted not in offered:
        raise NotFound(f"Nothing of {wanted[:60]!r} can be set for {scope}; there are {', '.join(offered)}.")
    return offered[wanted]


def _without_theirs(posted: QueryDict) -> QueryDict:
    """The form without the rows in which a merge chose what the other had set."""
    given_up = {name.removeprefix("choice.") for name, choice in posted.items() if choice == "theirs"}
    kept = posted.copy()
    for name in posted:
        field, _, row = name.partition(".")
        if field in _ROW_FIELDS and row in given_up:
            del kept[name]
    return kept


def _kept(edit: Edit) -> list[tuple[str, str]]:
    """The rows that ask for a change, as their fields say it."""
    names = sorted({operation.pointer.removeprefix("/parameters/") for operation in edit.wish.operations})
    asked = [(name, edit.wanted[name]) for name in names]
    return [field for name, one in asked for field in ((f"mode.{name}", one.mode), (f"value.{name}", one.text))]


def _context(request: HttpRequest, edit: Edit, shown: Shown | None) -> dict[str, Any]:
    namespace, scope, image = edit.namespace.name, edit.scope, edit.image
    versions = forms.versions_of(image, namespace, scope)
    groups = forms.groups(
        image,
        namespace,
        scope,
        wanted=edit.wanted,
        faults=shown.at_fields if shown else {},
        decided=selectors.change_sets().prefetch_related(None).in_bulk(versions),
    )
    return {
        "section": "configuration",
        "tab": "edit",
        "namespace": edit.namespace,
        "namespaces": forms.namespaces_at(scope),
        "scope": scope,
        "where": places.words_of(scope, edit.known.bot_names),
        "symbols": edit.known.symbols,
        "address": _address(scope, namespace),
        "groups": groups,
        "set_count": sum(group.set_here for group in groups),
        "parameter_count": sum(len(group.rows) for group in groups),
        "version": image.version,
        "base_version": edit.wish.base_version,
        "reason": edit.wish.reason,
        "shown": shown,
        "may_change": may(request.user, ROUTE, "POST"),
    }


def _address(scope: Scope, namespace: str) -> str:
    asked = f"?{urlencode({'namespace': namespace})}" if namespace != TRADING else ""
    return reverse(ROUTE, kwargs={"scope": forms.address_of(scope)}) + asked
