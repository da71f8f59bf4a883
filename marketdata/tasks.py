"""What market data does in the background: computing studies. The settings route it to the queue for computing."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from marketdata import services


@shared_task(name="marketdata.compute_study")  # type: ignore[untyped-decorator]  # Celery has no types
def compute_study(*, study_id: str, **_later: Any) -> None:
    """Compute one study. Accepts arguments a later version may add: old and new workers overlap during an update."""
    services.compute_study(study_id, clock=timezone.now)
