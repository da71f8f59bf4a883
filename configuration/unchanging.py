"""Maps and lists that many callers share and none can change. They read, compare and serialize as their kind does."""

from typing import Any, Never


def _refuse(*_: object, **__: object) -> Never:
    raise TypeError("This value is shared by everybody who reads the configuration; change a copy of it.")


class FixedMap(dict[Any, Any]):
    """A map that refuses every change. A copy, shallow or deep, is a plain dict."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return dict, (dict(self),)

    def copy(self) -> dict[Any, Any]:
        return dict(self)


class FixedList(list[Any]):
    """A list that refuses every change. A copy, shallow or deep, is a plain list."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return list, (list(self),)

    def copy(self) -> list[Any]:
        return list(self)


def fixed(value: Any) -> Any:
    """The value, where it is a map or a list as one that refuses every change."""
    kind = value.__class__
    if kind is dict:
        return FixedMap((key, fixed(item)) for key, item in value.items())
    if kind is list:
        return FixedList(fixed(item) for item in value)
    return value
