"""Where in the configuration a page stands: what its address asks for, and how people write it."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from bots import selectors as bots
from configuration.catalogue import CATALOGUE, TRADING, Namespace
from configuration.documents import named_scope, scope_name
from configuration.image import Image
from configuration.scopes import SIDES, Scope, bot_scope, scope_faults, side_scope, symbol_scope
from engine.domain.errors import Fault

_VERSION: Final = re.compile(r"v?(\d{1,18})", re.IGNORECASE)
_LARGEST_VERSION: Final = 2**63 - 1


class Known(NamedTuple):
    """The bots somebody may see, by id, and every symbol that a bot trades or that sets something."""

    bot_names: Mapping[str, str]
    symbols: tuple[str, ...]


class Place(NamedTuple):
    """A namespace, and from where its values are looked at; what could not be understood is in ``faults``."""

    namespace: Namespace
    scope: Scope
    faults: tuple[Fault, ...]


class Moment(NamedTuple):
    """A version somebody typed; None: none was."""

    version: int | None
    faults: tuple[Fault, ...]


class Other(NamedTuple):
    """What is compared with: another scope or another version; neither: nothing is compared."""

    scope: Scope | None
    version: int | None
    faults: tuple[Fault, ...]

    def __bool__(self) -> bool:
        return self.scope is not None or self.version is not None


def bot_names(*, owner_id: int | None) -> Mapping[str, str]:
    """The names of the bots somebody may see, by id. One query."""
    return {str(bot_id): name for bot_id, name in bots.bots(owner_id=owner_id).values_list("id", "name")}


def known(image: Image, *, owner_id: int | None) -> Known:
    """One query, whatever there is."""
    rows = list(bots.bots(owner_id=owner_id).values_list("id", "name", "symbols"))
    traded = {symbol for _, _, symbols in rows for symbol in symbols}
    configured = {scope.symbol for _, scope in image.places() if scope.symbol}
    return Known({str(bot_id): name for bot_id, name, _ in rows}, tuple(sorted(traded | configured)))


def place(asked: QueryDict) -> Place:
    """The place that ``namespace``, ``symbol``, ``side`` and ``bot`` name. Raises NotFound for a namespace."""
    namespace = CATALOGUE.about(asked.get("namespace", "").strip() or TRADING)
    symbol, side = (asked.get(name, "").strip().upper() for name in ("symbol", "side"))
    bot = asked.get("bot", "").strip()
    faults: list[Fault] = []
    if symbol and (wrong := scope_faults(symbol_scope(symbol), pointer="/symbol")):
        faults, symbol = [*faults, *wrong], ""
    if side and side not in SIDES:
        faults, side = [*faults, *scope_faults(side_scope("A", side), pointer="/side")], ""
    if bot and (wrong := scope_faults(bot_scope(bot), pointer="/bot")):
        faults, bot = [*faults, *wrong], ""
    if side and not symbol:
        faults, side = [*faults, Fault("empty", "/symbol", "A side needs a symbol.")], ""
    kind = "bot" if bot else "symbol_side" if side else "symbol" if symbol else "global"
    return Place(namespace, Scope(kind, bot, symbol, side), tuple(faults))


def moment(asked: QueryDict, name: str) -> Moment:
    """The version under a name of the query: 12 or v12."""
    text = asked.get(name, "").strip()
    found = _VERSION.fullmatch(text)
    if not text or found:
        return Moment(int(found[1]) if found else None, ())
    message = f"{text[:40]!r} is no version; write 12 or v12."
    return Moment(None, (Fault("out_of_range", f"/{name}", message, [0, _LARGEST_VERSION], text[:40]),))


def other(asked: QueryDict, name: str) -> Other:
    """What to compare with: v12, global, BTCUSDT, BTCUSDT long, or a scope as documents name it."""
    text = asked.get(name, "").strip()
    if not text:
        return Other(None, None, ())
    if version := _VERSION.fullmatch(text):
        return Other(None, int(version[1]), ())
    scope = _scope_of(text)
    faults = scope_faults(scope, pointer=f"/{name}")
    return Other(None if faults else scope, None, faults)


def _scope_of(text: str) -> Scope:
    if text == "global" or re.match(r"(symbol|symbol_side|bot):", text):
        return named_scope(text)
    symbol, _, side = text.replace("/", " ").rpartition(" ") if text.upper().endswith(SIDES) else (text, "", "")
    return side_scope(symbol, side) if side and symbol else symbol_scope(text)


def words_of(scope: Scope, bot_names: Mapping[str, str]) -> str:
    """A place for people: "everywhere", "BTCUSDT long", "Demo: buy the dips on AAPL"."""
    market = f"{scope.symbol} {scope.side.lower()}".strip()
    named = bot_names.get(scope.bot) or (f"bot {scope.bot[:8]}" if scope.bot else "")
    return " on ".join(filter(None, (named, market))) or "everywhere"


def in_force_url(scope: Scope, namespace: str, *, parameter: str = "", **more: str | int) -> str:
    """The page of what is in force there; with a parameter, its row is open and in sight."""
    asked = {"namespace": namespace, "symbol": scope.symbol, "side": scope.side, "bot": scope.bot, "open": parameter}
    address = _address("pages:config-effective", {**asked, **more})
    return f"{address}#{parameter}" if parameter else address


def history_url(namespace: str, *, parameter: str = "", scope: Scope | None = None) -> str:
    """The decisions about a parameter; with a scope, those made exactly there."""
    exactly = scope._asdict() if scope is not None else {}
    asked = {"namespace": namespace, "parameter": parameter, "scope": exactly.pop("kind", ""), **exactly}
    return _address("pages:config-changes", asked)


def edit_url(scope: Scope, namespace: str, parameter: str = "") -> str:
    """Where a person changes it."""
    address = _address("pages:config-edit", {"namespace": namespace}, scope_name(scope))
    return f"{address}#{parameter}" if parameter else address


def _address(name: str, asked: Mapping[str, str | int], *args: str) -> str:
    said = {key: value for key, value in asked.items() if value != ""}
    path = reverse(name, args=args)
    return f"{path}?{urlencode(said)}" if said else path


def namespaces() -> Iterable[Namespace]:
    """Every namespace, in the order they are shown."""
    return [CATALOGUE.about(name) for name in CATALOGUE.namespaces()]
