"""From a few typed words to a row: "btc long lev" is the leverage in force for BTC's long side."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from django.urls import reverse

from configuration.catalogue import CATALOGUE
from configuration.image import Image, Path
from configuration.scopes import SIDES, Resolved, Scope
from tradingsite.dashboard import places
from tradingsite.dashboard.in_force import unit_of
from tradingsite.templatetags.display import setting, words

MOST: Final = 12
_MOST_SYMBOLS: Final = 3
_VERSION: Final = re.compile(r"v?(\d{1,18})", re.IGNORECASE)
_ORIGINS: Final = {"symbol_side": "symbol and side"}


class Hit(NamedTuple):
    """Somewhere the words lead: what it is, where, what holds there now, and its address."""

    title: str
    where: str
    value: str
    origin: str
    url: str


class _Meant(NamedTuple):
    """What the words say: symbols and a side, a bot, and the words that are left."""

    symbols: tuple[str, ...]
    side: str
    bot: str
    rest: str


def found(text: str, image: Image, known: places.Known) -> list[Hit]:
    """What a person may mean, best first, at most a dozen. No query."""
    text = text[:200].strip()
    meant = _meant(text, known)
    if not meant.rest:
        # A symbol alone is its own page; and a word like "btc" may be in a parameter's name too.
        named = _parameters(_Meant((), "", "", text), image, known)
        return [*_places(meant, known), *named][:MOST]
    return [*_versions(text, image), *_parameters(meant, image, known)][:MOST]


def _meant(text: str, known: places.Known) -> _Meant:
    names = text.split()
    side = next((word for word in names if word.upper() in SIDES), "")
    others = [word for word in names if word is not side]
    symbol = next((word for word in others if _means_symbol(word, others, known.symbols)), "")
    if not symbol:  # a side of nothing: a word like another, as in "long only"
        side, others = "", names
    left = " ".join(word for word in others if word is not symbol)
    bot = next((bot for bot, name in known.bot_names.items() if left and left.lower() == name.lower()), "")
    return _Meant(_symbols(symbol, known.symbols), side.upper(), bot, "" if bot else left)


def _symbols(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The symbol of that name, else the first that begin so."""
    word = word.upper()
    if len(word) < 2 or word in known:
        return (word,) if word in known else ()
    return tuple(symbol for symbol in known if symbol.startswith(word))[:_MOST_SYMBOLS]


def _means_symbol(word: str, among: Sequence[str], known: Iterable[str]) -> bool:
    """True for a symbol, and for the beginning of one unless the other words say less about parameters without it."""
    if word.upper() in known:
        return True
    rest = [other for other in among if other is not word]
    return bool(_symbols(word, known)) and (not rest or _best(rest) >= _best(among))


def _best(names: Iterable[str]) -> float:
    return max((one.score for one in CATALOGUE.search(" ".join(names))), default=0.0)


def _versions(text: str, image: Image) -> Iterator[Hit]:
    version = _VERSION.fullmatch(text)
    if version and 1 <= int(version[1]) <= image.version:
        url = reverse("pages:config-change", args=[int(version[1])])
        yield Hit(f"Version {version[1]}", "Change-set", "", "", url)


def _parameters(meant: _Meant, image: Image, known: places.Known) -> Iterator[Hit]:
    for one in CATALOGUE.search(meant.rest)[:MOST] if meant.rest else ():
        for symbol in meant.symbols or ("",):
            scope = _scope(meant, symbol, one.parameter.scopes)
            path = Path(scope.bot, scope.symbol, scope.side)
            resolved = image.resolve(one.namespace, path)[one.parameter.name]
            yield Hit(
                title=words(one.parameter.name),
                where=f"{CATALOGUE.about(one.namespace).title} · {places.words_of(scope, known.bot_names)}",
                value=f"{setting(resolved.value)} {unit_of(one.parameter)}".strip(),
                origin=_origin(resolved),
                url=places.in_force_url(scope, one.namespace, parameter=one.parameter.name),
            )


def _scope(meant: _Meant, symbol: str, allowed: Iterable[str]) -> Scope:
    """The narrowest place meant at which the parameter can differ."""
    symbol = symbol if {"symbol", "symbol_side"} & set(allowed) else ""
    side = meant.side if symbol and "symbol_side" in allowed else ""
    bot = meant.bot if "bot" in allowed else ""
    return Scope("bot" if bot else "symbol_side" if side else "symbol" if symbol else "global", bot, symbol, side)


def _places(meant: _Meant, known: places.Known) -> Iterator[Hit]:
    for symbol in meant.symbols or (("",) if meant.bot else ()):
        side = meant.side if symbol else ""
        kind = "bot" if meant.bot else "symbol_side" if side else "symbol"
        scope = Scope(kind, meant.bot, symbol, side)
        title = places.words_of(scope, known.bot_names)
        yield Hit(title, "Everything in force there", "", "", places.in_force_url(scope, "trading"))


def _origin(resolved: Resolved) -> str:
    return _ORIGINS.get(resolved.origin.scope, resolved.origin.scope)
