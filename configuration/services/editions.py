"""What the parameters mean, kept for each catalogue that ever ran; and a place in the ledger for its change.

Code that declares another default changes what is in force without a single value being set. Nobody
should learn that from a trade.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from configuration import values
from configuration.actors import Actor
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.models import CatalogueEdition, ChangeSet
from configuration.selectors import past
from configuration.services import changing

_LONGEST: Final = 2000
_Edition = Mapping[str, Mapping[str, Mapping[str, Any]]]


def adopt_catalogue(*, now: datetime, actor: Actor) -> changing.Applied:
    """Take the running code's catalogue as the one in force; call it when a new version of the code starts.

    Keeps its edition. Where the newest decision was made under another catalogue, a change-set of kind
    migrate without changes says which parameters came, went or mean something else now; its version is
    answered. Otherwise nothing is recorded. An empty ledger gets none as long as it knew one catalogue.
    """
    return changing.mark(
        actor=actor, source="system", kind="migrate", reason_of=lambda head: _reason(head, now), now=now
    )


def differences(before: Catalogue, after: Catalogue) -> list[str]:
    """What another catalogue means by its parameters, a phrase for each: changed defaults first, new ones last."""
    old, new = _flat(before.edition()), _flat(after.edition())
    changed = [(name, list(_changes(old[name], new[name]))) for name in sorted(old.keys() & new.keys())]
    said = [f"{name}: {', '.join(words)}" for name, words in changed if words]
    said.sort(key=lambda words: "default" not in words)
    said += [f"{name} is gone (default was {values.shown(old[name]['default'])})" for name in sorted(old.keys() - new)]
    said += [f"{name} is new (default {values.shown(new[name]['default'])})" for name in sorted(new.keys() - old)]
    return said


def _reason(head: int, now: datetime) -> str | None:
    earlier = _earlier_fingerprint(head)
    changing.keep_edition(now)
    if earlier in ("", CATALOGUE.fingerprint):
        return None
    before = past.edition(earlier)
    if before is None:
        return f"The code brings another catalogue. What parameters meant under {earlier[:12]} was not kept."
    said = differences(before, CATALOGUE) or ["no parameter means anything else"]
    return _within("The code brings another catalogue: ", said)


def _earlier_fingerprint(head: int) -> str:
    """Of the catalogue before this start; '' where there was none."""
    found = ChangeSet.objects.filter(version=head).values_list("catalogue_fingerprint", flat=True).first()
    if found is None:  # nothing was ever decided: the last one that was started
        newest = CatalogueEdition.objects.order_by("-first_seen_at").values_list("fingerprint", flat=True)
        found = newest.first()
    return found or ""


def _flat(edition: _Edition) -> dict[str, Mapping[str, Any]]:
    return {f"{namespace}.{name}": meaning for namespace, names in edition.items() for name, meaning in names.items()}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for field in sorted(old.keys() | new.keys(), key=lambda field: (field != "default", field)):
        before, after = old.get(field), new.get(field)
        if before != after or type(before) is not type(after):
            yield f"{field} {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else values.shown(value)


def _within(opening: str, said: list[str]) -> str:
    """All phrases, or as many as fit and how many more there are."""
    for count in range(len(said), -1, -1):
        more = f"; and {len(said) - count} more" if count < len(said) else ""
        text = opening + "; ".join(said[:count]) + more + "."
        if len(text) <= _LONGEST:
            return text
    return opening
