"""Every route of the site with its address, read from the URLconf: what the matrix must name."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

from tradingsite.access import matrix
from tradingsite.access.roles import MAY, ROLES, Role

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_API: Final = "api/v1/"
_ADMIN: Final = "admin:"


class Route(NamedTuple):
    """``name`` with its namespaces, as ``request.resolver_match.view_name`` has it; ``address`` as a pattern."""

    name: str
    address: str
    pattern: URLPattern


def routes() -> Iterator[Route]:
    """Each route in the order in which it is matched. Several addresses may share a name."""
    yield from _within(get_resolver(), (), "")


def as_markdown() -> str:
    """The roles and the matrix, as docs/access.md shows them."""
    found = list(routes())
    api = [route for route in found if route.address.startswith(_API)]
    pages = [route for route in found if route not in api and not route.name.startswith(_ADMIN)]
    parts = [
        _table(("Role", "May"), [(role.word, MAY[role]) for role in (Role.NONE, *ROLES)]),
        f"### The API\n\nThe least role, and the scope a token needs. Addresses are below `/{_API}`.",
        _table(("Address", *METHODS), [_row(route) for route in api]),
        "### Pages\n\nOf the session only; a token opens none of them.",
        _table(("Address", *METHODS[:2]), [_row(route)[:3] for route in pages]),
        "### The admin\n\nBeside the role, the account must be marked as staff.",
        _table(("Rows", "Read", "Add", "Change", "Delete"), [_rows(*item) for item in matrix.ADMIN_MODELS.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _within(resolver: Any, namespaces: tuple[str, ...], address: str) -> Iterator[Route]:
    for one in resolver.url_patterns:
        here = address + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _within(one, (*namespaces, one.namespace) if one.namespace else namespaces, here)
        else:
            yield Route(":".join((*namespaces, one.name or _unnamed(one))), here, one)


def _unnamed(pattern: URLPattern) -> str:
    """What Django's ``ResolverMatch.view_name`` says where a route has no name: its view's module and name."""
    view: Any = getattr(pattern.callback, "view_class", pattern.callback)
    return f"{view.__module__}.{view.__name__}"


def _row(route: Route) -> tuple[str, ...]:
    doors = matrix.MATRIX.get(route.name, {})
    return f"`{_readable(route.address)}`", *(str(doors.get(method, "")) for method in METHODS)


def _readable(address: str) -> str:
    """As people write it: ``bots/<bot_id>`` below the API, ``/bots/<bot_id>`` for a page."""
    plain = re.sub(r"<\w+:", "<", address)
    return plain.removeprefix(_API) if plain.startswith(_API) else f"/{plain}"


def _rows(model: str, rows: matrix.Rows) -> tuple[str, ...]:
    return model, *(str(need) if need else "" for need in rows[:4])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
