"""Asking for a study, and computing it: once per (bars, name, parameters), whoever asks."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from engine.domain.errors import Fault, InputError, NotFound, PlatformError
from engine.domain.values import Floats
from marketdata import barstore, selectors, studies
from marketdata.models import Dataset, Study, StudyColumn, StudyStatus

# Longer than any study takes; after it a worker that died with the task is not waited for.
PATIENCE = timedelta(minutes=10)


class RequestedStudy(NamedTuple):
    """``must_compute``: the caller has to enqueue it. ``is_done``: its values are there already."""

    study_id: UUID
    must_compute: bool
    is_done: bool


def request_study(dataset_id: UUID | str, name: str, parameters: Mapping[str, Any], *, now: datetime) -> RequestedStudy:
    """Find the study over the dataset's present bars, or register it.

    Raises: NOT_FOUND for an unknown dataset; VALIDATION_ERROR with every fault of name and parameters.
    """
    info = selectors.dataset(dataset_id)
    faults = studies.faults(name, parameters)
    if not info.bar_count:
        faults.append(Fault("no_bars", "/dataset", f"Dataset {info.id} of {info.symbol} holds no bars yet."))
    if faults:
        raise InputError("The study cannot be computed.", faults=faults)
    wanted = studies.canonical(name, parameters)
    with transaction.atomic():
        row, is_new = Study.objects.select_for_update().get_or_create(
            fingerprint=info.fingerprint,
            name=name,
            parameters_key=studies.key_of(wanted),
            defaults={
                "dataset_id": info.id,
                "parameters": wanted,
                "bar_count": info.bar_count,
                "created_at": now,
            },
        )
        again = not is_new and _is_lost(row, now)
        if again:
            Study.objects.filter(pk=row.pk).update(status=StudyStatus.QUEUED, created_at=now, started_at=None)
    return RequestedStudy(row.id, must_compute=is_new or again, is_done=row.status == StudyStatus.COMPLETED)


def compute_study(study_id: UUID | str, *, clock: Callable[[], datetime]) -> None:
    """Compute a study and store its columns; nothing if that was done before. May run twice: the result is the same.
    ``clock`` is read twice, because computing takes time worth knowing.

    A study that cannot be computed ends as failed with a code: too_few_bars, not_per_bar, study_failed, bars_changed.
    Raises: NOT_FOUND.
    """
    with transaction.atomic():
        row = Study.objects.select_for_update().filter(id=study_id).first()
        if row is None:
            raise NotFound(f"There is no study {study_id}.")
        if row.status in (StudyStatus.COMPLETED, StudyStatus.FAILED):
            return
        Study.objects.filter(pk=row.pk).update(status=StudyStatus.RUNNING, started_at=clock())
    try:
        columns = _columns(row)
    except PlatformError as error:
        _finish(
            row, clock(), status=StudyStatus.FAILED, error_code=error.specific_code, error_message=str(error)[:2_000]
        )
    else:
        _store(row, columns, clock())


def _is_lost(row: Study, now: datetime) -> bool:
    if row.status == StudyStatus.FAILED:
        return row.error_code == "bars_changed"
    return row.status != StudyStatus.COMPLETED and now - row.created_at > PATIENCE


def _columns(row: Study) -> dict[str, Floats]:
    if Dataset.objects.filter(pk=row.dataset_id).values_list("fingerprint", flat=True).get() != row.fingerprint:
        raise studies.StudyFailed("The bars changed since the study was asked for; ask again.", code="bars_changed")
    series = selectors.closed_bars(row.dataset_id)
    return studies.compute(row.name, row.parameters, barstore.cut(series, 0, row.bar_count))


@transaction.atomic
def _store(row: Study, columns: dict[str, Floats], now: datetime) -> None:
    Study.objects.select_for_update().get(pk=row.pk)
    StudyColumn.objects.filter(study=row).delete()
    StudyColumn.objects.bulk_create(
        StudyColumn(study=row, ordinal=place, name=name[:120], data=values.tobytes())
        for place, (name, values) in enumerate(columns.items())
    )
    _finish(row, now, status=StudyStatus.COMPLETED, error_code="", error_message="")


def _finish(row: Study, now: datetime, **values: Any) -> None:
    Study.objects.filter(pk=row.pk).update(finished_at=now, **values)
