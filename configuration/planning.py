"""From what is asked to what would change, and everything wrong with it. Pure: an image in, a plan out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from configuration import canonical, rules, values
from configuration.image import Image, Path, Place, Stored
from configuration.scopes import GLOBAL, Scope, scope_faults
from engine.domain.errors import Fault


class SetValue(NamedTuple):
    """Set a parameter at a scope. ``pointer``: where the request said so, for its faults."""

    scope: Scope
    namespace: str
    parameter: str
    value: Any
    pointer: str = ""


class ClearValue(NamedTuple):
    """Let a parameter be inherited again at a scope. Nothing happens where nothing is set."""

    scope: Scope
    namespace: str
    parameter: str
    pointer: str = ""


class ClearScope(NamedTuple):
    """Let every parameter of a namespace be inherited again at a scope."""

    scope: Scope
    namespace: str
    pointer: str = ""


Operation = SetValue | ClearValue | ClearScope


class Changed(NamedTuple):
    """One value before and after. None stands for nothing set, or for null: ``op`` and ``old_version`` tell.

    ``op`` is set or clear; ``old_version`` is the version that had set the old value, 0 if none had.
    """

    scope: Scope
    namespace: str
    parameter: str
    op: str
    old: Any
    old_version: int
    new: Any


class Plan(NamedTuple):
    """What would change, in a settled order, and every fault found. With faults nothing may be written."""

    changes: tuple[Changed, ...]
    faults: tuple[Fault, ...]


def plan(operations: Sequence[Operation], image: Image) -> Plan:
    """Apply the operations in their order to what is stored; judge every value and every rule.

    Setting the very value that is stored, or clearing what is not set, changes nothing and is left
    out. Setting at a symbol the value it would inherit anyway does change something: it pins it.
    """
    faults: list[Fault] = []
    places: dict[Place, dict[str, Stored]] = {}
    pointers: dict[tuple[Place, str], str] = {}
    broken: set[tuple[str, str]] = set()
    for index, operation in enumerate(operations):
        judged = _judged(operation, image, at=operation.pointer or f"/operations/{index}")
        faults += judged.faults
        if judged.faults:
            broken.add((operation.namespace, getattr(operation, "parameter", "")))
        else:
            _apply(operation, judged.value, image=image, places=places)
            if not isinstance(operation, ClearScope):
                place = (operation.namespace, operation.scope)
                pointers[place, operation.parameter] = operation.pointer or f"/operations/{index}"
    changes = tuple(_changes(places, image))
    faults += _rule_faults(changes, image.replaced(places), pointers, broken)
    return Plan(changes, tuple(faults))


def plan_hash(changes: Iterable[Changed], *, catalogue: str) -> str:
    """sha256 over what a plan would do: every value before and after, and the catalogue that gives them meaning.

    ``catalogue``: its fingerprint. A change elsewhere leaves it as it is; a change of one of these
    values, by whomever, does not.
    """
    told = [{**change._asdict(), "scope": change.scope._asdict()} for change in changes]
    return canonical.digest(canonical.text({"catalogue": catalogue, "changes": told}))


def _judged(operation: Operation, image: Image, *, at: str) -> values.Judged:
    place_faults = scope_faults(operation.scope, pointer=at)
    if operation.namespace not in image.catalogue.namespaces():
        return values.Judged(None, (*place_faults, _unknown_namespace(operation.namespace, image, at)))
    if isinstance(operation, ClearScope):
        return values.Judged(None, place_faults)
    name = operation.parameter
    parameter = image.catalogue.find(operation.namespace, name)
    if parameter is None:
        return _unknown_parameter(operation, image, at, place_faults)
    if not isinstance(operation, SetValue):
        return values.Judged(None, place_faults)
    if operation.scope.kind not in parameter.scopes and not place_faults:
        allowed = list(parameter.scopes)
        message = f"{name} can be set for {', '.join(allowed)}, not for {operation.scope.kind}."
        place_faults = (Fault("scope_not_allowed", at, message, allowed, operation.scope.kind),)
    judged = values.judge(parameter, operation.value, pointer=at)
    return values.Judged(judged.value, place_faults + judged.faults)


def _unknown_namespace(namespace: str, image: Image, at: str) -> Fault:
    allowed = list(image.catalogue.namespaces())
    message = f"There is no namespace {namespace[:60]!r}, only {', '.join(allowed)}."
    return Fault("unknown_namespace", at, message, allowed, namespace[:200])


def _unknown_parameter(
    operation: SetValue | ClearValue, image: Image, at: str, place_faults: tuple[Fault, ...]
) -> values.Judged:
    # A parameter that was retired may still be stored: it can be cleared, not set.
    retired = operation.parameter in image.stored(operation.namespace, operation.scope)
    if retired and isinstance(operation, ClearValue):
        return values.Judged(None, place_faults)
    allowed = [parameter.name for parameter in image.catalogue.parameters(operation.namespace)]
    name = operation.parameter[:60]
    message = f"There is no parameter {operation.namespace}.{name}."
    return values.Judged(None, (*place_faults, Fault("unknown_parameter", at, message, allowed, name)))


def _apply(operation: Operation, value: Any, *, image: Image, places: dict[Place, dict[str, Stored]]) -> None:
    place = (operation.namespace, operation.scope)
    stored = places.setdefault(place, dict(image.stored(*place)))
    if isinstance(operation, ClearScope):
        stored.clear()
    elif isinstance(operation, ClearValue):
        stored.pop(operation.parameter, None)
    else:
        stored[operation.parameter] = Stored(value, 0)


def _changes(places: dict[Place, dict[str, Stored]], image: Image) -> Iterator[Changed]:
    for (namespace, scope), after in sorted(places.items()):
        before = image.stored(namespace, scope)
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old and new and canonical.text(old.value) == canonical.text(new.value):
                continue
            if old or new:
                was, since = old or Stored(None, 0)
                op, value = ("set", new.value) if new else ("clear", None)
                yield Changed(scope, namespace, name, op, was, since, value)


def _rule_faults(
    changes: Iterable[Changed],
    after: Image,
    pointers: dict[tuple[Place, str], str],
    broken: set[tuple[str, str]],
) -> Iterator[Fault]:
    """Every rule that a change touches, in every configuration in force under the changed scopes."""
    edited: defaultdict[str, dict[str, set[Scope]]] = defaultdict(lambda: defaultdict(set))
    for change in changes:
        edited[change.namespace][change.parameter].add(change.scope)
    for namespace, where in edited.items():
        declared = {parameter.name for parameter in after.catalogue.parameters(namespace)}
        for rule in rules.rules(namespace):
            reads = set(rule.parameters)
            if reads & where.keys() and reads <= declared and not any((namespace, name) in broken for name in reads):
                scopes = set().union(*(where[name] for name in reads & where.keys()))
                yield from _complaints(rule, namespace, scopes, after, pointers)


def _complaints(
    rule: rules.Rule,
    namespace: str,
    edited: set[Scope],
    after: Image,
    pointers: dict[tuple[Place, str], str],
) -> Iterator[Fault]:
    for complaint, paths in _broken_at(rule, namespace, edited, after).items():
        named = ", ".join(str(path) for path in paths[:5])
        more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
        pointer = next(
            (at for ((ns, _), name), at in pointers.items() if ns == namespace and name in rule.parameters), ""
        )
        yield Fault(
            rule.code, pointer, f"{complaint} (in force for {named}{more}).", None, [str(p) for p in paths[:50]]
        )


# Which configurations a rule is asked for.
#
# A rule reads a few parameters. Take any configuration in force, (bot, symbol, side), and drop from it the bot, the
# side and the symbol if their own scopes set none of those parameters: the rule reads the same values. So it suffices
# to ask for the scopes that set one of them, every such bot (or none) on every such market (or none), and every
# configuration there can ever be has been judged, that of a bot or a symbol nobody knows yet included.
#
# Which bot trades which symbol is deliberately not asked: a bot is given another symbol without any change of
# configuration, and nobody would judge the pair then. What would be saved by it is saved otherwise: markets with equal
# values for the rule are judged once, and so are bots; 1,000 scopes by 50 bots are seldom more than a few hundred
# different questions.

_Market = tuple[str, str]


def _broken_at(rule: rules.Rule, namespace: str, edited: set[Scope], after: Image) -> dict[str, list[Path]]:
    """Each complaint of the rule with whose configuration it is, among those an edited scope speaks for."""
    said = {
        scope: {name: stored.value for name, stored in after.stored(owner, scope).items() if name in rule.parameters}
        for owner, scope in after.places()
        if owner == namespace
    }
    setting = {scope for scope, values in said.items() if values} | edited
    markets = {("", "")} | {(scope.symbol, scope.side) for scope in setting}
    bots = {""} | {scope.bot for scope in setting}
    everywhere = after.values(namespace, Path())
    inherited = {name: everywhere[name] for name in rule.parameters}
    where: defaultdict[str, set[Path]] = defaultdict(set)
    for some_bots, some_markets in _reached(edited, bots, markets):
        told = {market: inherited | _of_market(said, market) for market in some_markets}
        by_bot = {bot: said.get(Scope("bot", bot=bot), {}) for bot in some_bots}
        for complaint, here, there in _judged_together(rule, by_bot, told):
            where[complaint] |= {Path(bot, *market) for bot in here for market in there}
    return {complaint: sorted(paths) for complaint, paths in sorted(where.items(), key=lambda one: min(one[1]))}


def _reached(
    edited: set[Scope], bots: set[str], markets: set[_Market]
) -> Iterator[tuple[Iterable[str], Iterable[_Market]]]:
    """Bots and markets whose combinations an edited scope speaks for."""
    if GLOBAL in edited:
        yield bots, markets
        return
    named = {(scope.symbol, scope.side) for scope in edited if scope.symbol}
    below = [market for market in markets if market in named or (market[0], "") in named]
    if below:
        yield bots, below
    edited_bots = {scope.bot for scope in edited if scope.bot}
    if edited_bots:
        yield edited_bots, markets


def _of_market(said: Mapping[Scope, dict[str, Any]], market: _Market) -> dict[str, Any]:
    symbol, side = market
    own = said.get(Scope("symbol", symbol=symbol), {}) if symbol else {}
    return own | said.get(Scope("symbol_side", symbol=symbol, side=side), {}) if side else own


class _Alike[T](NamedTuple):
    """Whoever has the same values, and these."""

    values: dict[str, Any]
    members: list[T]


def _alike[T](values_of: Mapping[T, dict[str, Any]]) -> list[_Alike[T]]:
    groups: dict[tuple[object, ...], _Alike[T]] = {}
    for member, told in values_of.items():
        key = (*told, *map(_hashable, told.values()))
        groups.setdefault(key, _Alike(told, [])).members.append(member)
    return list(groups.values())


def _hashable(value: Any) -> object:
    return repr(value) if isinstance(value, list | dict) else value


def _judged_together(
    rule: rules.Rule, by_bot: Mapping[str, dict[str, Any]], by_market: Mapping[_Market, dict[str, Any]]
) -> Iterator[tuple[str, list[str], list[_Market]]]:
    """Every complaint with the bots and markets it is of, taken together."""
    markets_beside: dict[tuple[str, ...], list[_Alike[_Market]]] = {}
    for bots in _alike(by_bot):
        own = tuple(bots.values)
        if own not in markets_beside:  # what a bot sets itself no longer tells markets apart
            rest = [name for name in rule.parameters if name not in bots.values]
            markets_beside[own] = _alike(
                {market: {name: told[name] for name in rest} for market, told in by_market.items()}
            )
        for markets in markets_beside[own]:
            complaint = rule.complaint(markets.values | bots.values)
            if complaint:
                yield complaint, bots.members, markets.members
