"""What would have happened: a run, the snapshot it was made under, and its records as packed arrays.

A minute-bar year makes hundreds of thousands of decisions. They are stored as the engine wrote
them, one compressed stretch of fixed-size records for each kind and engine chunk, and paged in
numpy; a Django row of Decimals for each would cost more than the run.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class BacktestStatus(models.TextChoices):
    """queued -> running -> completed | failed | cancelled; a queued one can be cancelled at once."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ENDED = (BacktestStatus.COMPLETED, BacktestStatus.FAILED, BacktestStatus.CANCELLED)


class RecordKind(models.TextChoices):
    """What a stretch holds: ``backtests.records.DTYPES`` has the layout of each."""

    SIGNAL = "signal", "signals given from outside"
    EQUITY = "equity", "equity curve"
    ORDER = "order", "orders"
    FILL = "fill", "fills"
    TRIP = "trip", "round trips"
    DECISION = "decision", "decisions"


class BacktestQuerySet(models.QuerySet["Backtest"]):
    """Filters that read like sentences."""

    def owned_by(self, owner_id: int) -> "BacktestQuerySet":
        return self.filter(owner_id=owner_id)

    def newest_first(self) -> "BacktestQuerySet":
        return self.order_by("-created_at", "-id")

    def unfinished(self) -> "BacktestQuerySet":
        return self.filter(status__in=[BacktestStatus.QUEUED, BacktestStatus.RUNNING])


class Backtest(models.Model):
    """One run of one bot's definition over stored bars.

    ``bot_id`` is a plain value: backtests know no bots, and a result outlives its bot.
    ``snapshot`` pins every parameter with its origin; ``engine_fingerprint`` and
    ``data_fingerprint`` pin the code and the bars, so that a result can be made again.
    The lease (token, owner, heartbeat) is what makes a task delivered twice run once.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    bot_id = models.UUIDField()
    bot_name = models.CharField(max_length=100)
    request = models.JSONField()
    snapshot = models.ForeignKey("configuration.Snapshot", on_delete=models.PROTECT, related_name="+")
    engine_fingerprint = models.CharField(max_length=64, blank=True, default="")
    data_fingerprint = models.CharField(max_length=64, blank=True, default="")

    status = models.CharField(max_length=9, choices=BacktestStatus.choices, default=BacktestStatus.QUEUED)
    progress = models.FloatField(default=0.0)
    rows_total = models.BigIntegerField(default=0)
    rows_done = models.BigIntegerField(default=0)
    metrics = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.TextField(blank=True, default="")

    created_at = models.DateTimeField()
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_owner = models.CharField(max_length=200, blank=True, default="")
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    objects = BacktestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="backtest_status_known", condition=Q(status__in=BacktestStatus.values)),
            models.CheckConstraint(name="backtest_progress_fraction", condition=Q(progress__range=(0.0, 1.0))),
            models.CheckConstraint(
                name="backtest_rows_in_order", condition=Q(rows_done__gte=0, rows_done__lte=F("rows_total"))
            ),
            models.CheckConstraint(
                name="backtest_ended_has_time",
                condition=Q(status__in=ENDED, finished_at__isnull=False)
                | (~Q(status__in=ENDED) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="backtest_running_has_lease",
                condition=~Q(status=BacktestStatus.RUNNING)
                | Q(lease_token__isnull=False, heartbeat_at__isnull=False, started_at__isnull=False),
            ),
            models.CheckConstraint(
                name="backtest_failed_has_code",
                condition=Q(status=BacktestStatus.FAILED) & ~Q(error_code="")
                | ~Q(status=BacktestStatus.FAILED) & Q(error_code=""),
            ),
            models.CheckConstraint(
                name="backtest_completed_is_pinned",
                condition=~Q(status=BacktestStatus.COMPLETED) | (~Q(engine_fingerprint="") & ~Q(data_fingerprint="")),
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="backtest_by_owner"),
            models.Index(fields=["bot_id", "-created_at"], name="backtest_by_bot"),
            models.Index(fields=["-created_at", "-id"], name="backtest_newest_first"),
            models.Index(
                fields=["status", "created_at"],
                name="backtest_unfinished",
                condition=Q(status__in=[BacktestStatus.QUEUED, BacktestStatus.RUNNING]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bot_name} {self.created_at:%Y-%m-%d %H:%M}"


class RecordChunk(models.Model):
    """Records of one kind that one engine chunk left behind, in order: zlib over packed structs."""

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="chunks")
    kind = models.CharField(max_length=8, choices=RecordKind.choices)
    sequence = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    payload = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["backtest", "kind", "sequence"], name="recordchunk_written_once"),
            models.CheckConstraint(name="recordchunk_kind_known", condition=Q(kind__in=RecordKind.values)),
            models.CheckConstraint(name="recordchunk_not_empty", condition=Q(count__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence} of {self.backtest_id}"


class SavedState(models.Model):
    """The engine's state after the last stored chunk, for whoever has to go on; gone when the run ends."""

    backtest = models.OneToOneField(Backtest, on_delete=models.CASCADE, primary_key=True, related_name="saved_state")
    rows_done = models.BigIntegerField()
    sequence = models.PositiveIntegerField()
    payload = models.BinaryField()

    def __str__(self) -> str:
        return f"state of {self.backtest_id} after {self.rows_done} rows"
