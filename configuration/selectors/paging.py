"""The history in pages, each as cheap as the first: a page begins where the one before it ended."""

from typing import Any, NamedTuple

from configuration.models import Change, ChangeSet
from configuration.selectors import past
from configuration.selectors.decisions import Sought, of_changes, of_decision, whole


class Page(NamedTuple):
    """Decisions, newest first. ``before_version`` asks for the next page; None: this is the last."""

    rows: list[ChangeSet]
    before_version: int | None


def page(sought: Sought, *, before_version: int | None = None, limit: int = 50) -> Page:
    """The newest decisions asked for, older than a version, with their changes. At most five queries.

    Nothing is counted and nothing skipped. A part of a reason alone is looked for in every reason
    until the page is full; narrow it by time where the ledger is long.
    """
    versions = _versions(sought, before_version, limit + 1)
    shown = versions[:limit]
    rows = list(whole(ChangeSet.objects.filter(version__in=shown).order_by("-version"))) if shown else []
    return Page(rows, shown[-1] if len(versions) > limit else None)


def _versions(sought: Sought, before_version: int | None, limit: int) -> list[int]:
    said = of_decision(sought) | _bounds(sought)
    if before_version is not None:
        said["version__lt"] = before_version
    touching = of_changes(sought)
    if not touching:
        return list(ChangeSet.objects.filter(**said).order_by("-version").values_list("version", flat=True)[:limit])
    # From the changes' side: their indexes are in the order of versions, and end when the page is full.
    on_versions = {name: said.pop(name) for name in list(said) if name.startswith("version__")}
    rows = Change.objects.filter(
        **touching,
        **{name.replace("version", "change_set", 1): value for name, value in on_versions.items()},
        **{f"change_set__{name}": value for name, value in said.items()},
    )
    return list(rows.order_by("-change_set").values_list("change_set", flat=True).distinct()[:limit])


def _bounds(sought: Sought) -> dict[str, Any]:
    """The versions between two instants: a range of the ledger instead of a question to each of its rows."""
    bounds: dict[str, Any] = {}
    if sought.until is not None:
        bounds["version__lte"] = past.version_at(sought.until)
    if sought.since is not None:
        first = past.first_version_from(sought.since)
        bounds["version__gte"] = first if first is not None else 2**62
    return bounds
