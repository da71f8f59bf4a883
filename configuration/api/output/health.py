"""How configuration itself does, as JSON."""

from collections.abc import Sequence
from typing import Any

from configuration.api.output.places import scope_output
from configuration.catalogue import CATALOGUE
from configuration.selectors import Checked, Freshness, Reader
from configuration.selectors.pending import PendingRestart


def health_output(fresh: Freshness, checked: Checked | None, waiting: Sequence[PendingRestart]) -> dict[str, Any]:
    """The store of this process, every live reader, and the last check of the ledger."""
    broken = checked is not None and checked.first_bad_version is not None
    lagging = any(reader.lag for reader in fresh.readers)
    return {
        "status": "broken" if broken else "degraded" if _is_degraded(fresh) else "ok",
        "version": fresh.version,
        "store": {
            "is_confirmed": fresh.is_confirmed,
            "is_degraded": fresh.is_degraded,
            "confirmed_at": fresh.confirmed_at,
            "age_s": fresh.age_s,
            "ttl_s": fresh.ttl_s,
            "hits": fresh.hits,
            "loads": fresh.loads,
            "hit_share": fresh.hit_share,
        },
        "catalogue": {
            "fingerprint": CATALOGUE.fingerprint,
            "namespaces": len(CATALOGUE.namespaces()),
            "parameters": sum(len(CATALOGUE.parameters(name)) for name in CATALOGUE.namespaces()),
        },
        "readers": [reader_output(reader) for reader in fresh.readers],
        "is_lagging": lagging,
        "disagreements": [str(one) for one in fresh.disagreements],
        "pending_restarts": [pending_output(one) for one in waiting],
        "ledger": None if checked is None else ledger_output(checked),
    }


def _is_degraded(fresh: Freshness) -> bool:
    return fresh.is_degraded or not fresh.is_confirmed or bool(fresh.disagreements)


def reader_output(reader: Reader) -> dict[str, Any]:
    """A live process and the version it runs on."""
    return reader._asdict()


def pending_output(pending: PendingRestart) -> dict[str, Any]:
    """A parameter that is decided and not heard yet, and who has to be restarted for it."""
    return {
        "bot": pending.bot or None,
        "name": pending.name,
        "namespace": pending.namespace,
        "parameter": pending.parameter,
        "scope": scope_output(pending.path.narrowest()),
        "running_value": pending.running_value,
        "new_value": pending.new_value,
        "version": pending.version,
    }


def ledger_output(checked: Checked) -> dict[str, Any]:
    """The last verification: how far it reached, and the first bad version if there was one."""
    return {"is_sound": checked.first_bad_version is None, **checked._asdict()}
