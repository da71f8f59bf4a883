"""What two moments, or two scopes, decide differently: values in force, not rows."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from configuration import canonical
from configuration.image import Image, Path
from configuration.scopes import GLOBAL, Resolved, Scope


class Difference(NamedTuple):
    """One value in force on both sides, with origins. None: the parameter was not declared on that side.

    ``scope`` is where one stands; the value may come from a wider one.
    """

    scope: Scope
    namespace: str
    parameter: str
    before: Resolved | None
    after: Resolved | None


def difference(before: Image, after: Image, *, scope: Scope | None = None) -> tuple[Difference, ...]:
    """Every value in force that differs between two images, at every scope either of them sets something at.

    In the order of namespace, scope, parameter. ``scope``: as seen from there only. The same value
    from another origin is no difference.
    """
    return tuple(
        found
        for namespace in sorted({*before.catalogue.namespaces(), *after.catalogue.namespaces()})
        for place in ([scope] if scope is not None else _places(namespace, before, after))
        for found in _differing(namespace, _Side(before, place), _Side(after, place))
    )


def scope_difference(image: Image, *, before: Scope, after: Scope) -> tuple[Difference, ...]:
    """Every value in force at one scope that differs from what is in force at another."""
    return tuple(
        found
        for namespace in sorted(image.catalogue.namespaces())
        for found in _differing(namespace, _Side(image, before), _Side(image, after))
    )


class _Side(NamedTuple):
    image: Image
    scope: Scope

    def values(self, namespace: str) -> Mapping[str, Any]:
        return self.image.values(namespace, Path.of(self.scope)) if self._knows(namespace) else {}

    def resolved(self, namespace: str) -> Mapping[str, Resolved]:
        return self.image.resolve(namespace, Path.of(self.scope)) if self._knows(namespace) else {}

    def _knows(self, namespace: str) -> bool:
        return namespace in self.image.catalogue.namespaces()


def _places(namespace: str, *images: Image) -> list[Scope]:
    setting = {scope for image in images for owner, scope in image.places() if owner == namespace}
    return sorted(setting | {GLOBAL})


def _differing(namespace: str, before: _Side, after: _Side) -> Iterator[Difference]:
    old, new = before.values(namespace), after.values(namespace)
    names = [
        name for name in sorted({*old, *new}) if name not in old or name not in new or _differs(old[name], new[name])
    ]
    if names:
        was, now = before.resolved(namespace), after.resolved(namespace)
        for name in names:
            yield Difference(after.scope, namespace, name, was.get(name), now.get(name))


def _differs(one: Any, other: Any) -> bool:
    # True equals 1 and 1 equals 1.0 to Python; as texts they differ.
    return one is not other and canonical.text(one) != canonical.text(other)
