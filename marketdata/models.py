"""What the market did: instruments, datasets, their bars in sealed chunks with a live tail, studies, replay clocks.

Private to this app: others ask ``marketdata.selectors``.
"""

import uuid
from decimal import Decimal

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Mod, Now, Upper
from django.db.models.lookups import Exact

from marketdata.timeframes import TIMEFRAMES

SYMBOL_PATTERN = r"[A-Z0-9][A-Z0-9./_-]{0,31}"
SOURCE_PATTERN = r"[a-z0-9][a-z0-9_-]{0,31}"


def _is_whole_or_divides_one(field: str) -> Q:
    """Such a step lets a rounded float be the nearest float to the decimal in the row."""
    one = Value(Decimal(1), output_field=models.DecimalField(max_digits=24, decimal_places=9))
    return Q(Exact(Mod(F(field), one), Decimal(0))) | Q(Exact(Mod(one, F(field)), Decimal(0)))


class AssetClass(models.TextChoices):
    EQUITY = "equity"
    CRYPTO = "crypto"
    PERPETUAL = "perpetual"
    FOREX = "forex"
    INDEX = "index"


class Adjustment(models.TextChoices):
    RAW = "raw"
    ADJUSTED = "adjusted"


class StudyStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Instrument(models.Model):
    """One symbol, and what a venue demands of orders in it."""

    symbol = models.CharField(max_length=32, unique=True, validators=[RegexValidator(rf"^{SYMBOL_PATTERN}$")])
    name = models.CharField(max_length=120, blank=True, default="")
    asset_class = models.CharField(max_length=12, choices=AssetClass)
    calendar = models.CharField(
        max_length=12, help_text='An exchange\'s ISO code such as "XNYS", or "24/7", or "24/5".'
    )
    currency = models.CharField(max_length=8, default="USD")
    price_tick = models.DecimalField(max_digits=24, decimal_places=9)
    qty_step = models.DecimalField(max_digits=24, decimal_places=9)
    min_qty = models.DecimalField(max_digits=24, decimal_places=9, default=Decimal(0))
    min_notional = models.DecimalField(max_digits=24, decimal_places=9, default=Decimal(0))
    max_leverage = models.DecimalField(max_digits=24, decimal_places=9, default=Decimal(1))
    is_tradable = models.BooleanField(default=True)
    filters_known = models.BooleanField(default=True, help_text="False while the venue's minimums could not be read.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(symbol=Upper("symbol")), name="instrument_symbol_upper_case"),
            models.CheckConstraint(condition=Q(price_tick__gt=0, qty_step__gt=0), name="instrument_steps_positive"),
            models.CheckConstraint(condition=_is_whole_or_divides_one("price_tick"), name="instrument_tick_divides"),
            models.CheckConstraint(condition=_is_whole_or_divides_one("qty_step"), name="instrument_step_divides"),
            models.CheckConstraint(
                condition=Q(min_qty__gte=0, min_notional__gte=0, max_leverage__gte=1), name="instrument_limits_sane"
            ),
            models.CheckConstraint(condition=Q(asset_class__in=AssetClass.values), name="instrument_asset_class"),
        ]

    def __str__(self) -> str:
        return self.symbol


class Dataset(models.Model):
    """One series of bars from one source. A correction is a new revision; the old one stays for whoever used it.

    ``sealed_key``: sha256 over the chunks' hashes, the name of the memory-mapped cache.
    ``tail_digest``: running sha256 over the live tail, in order of arrival. ``fingerprint``: both together.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="datasets")
    timeframe = models.CharField(max_length=4, choices=[(name, name) for name in TIMEFRAMES])
    source = models.CharField(max_length=32)
    adjustment = models.CharField(max_length=8, choices=Adjustment)
    name = models.CharField(max_length=120, blank=True, default="")
    revision = models.PositiveIntegerField()
    first_open_ms = models.BigIntegerField(null=True)
    last_open_ms = models.BigIntegerField(null=True)
    bar_count = models.BigIntegerField(default=0)
    sealed_count = models.BigIntegerField(default=0)
    sealed_key = models.CharField(max_length=64)
    tail_digest = models.CharField(max_length=64, blank=True, default="")
    fingerprint = models.CharField(max_length=64)
    quality = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    superseded_by = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="supersedes")
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "timeframe", "source", "adjustment", "revision"], name="dataset_revision_unique"
            ),
            models.UniqueConstraint(
                fields=["instrument", "timeframe", "source", "adjustment"],
                condition=Q(superseded_by__isnull=True, retired_at__isnull=True),
                name="dataset_one_current_revision",
            ),
            models.CheckConstraint(condition=Q(timeframe__in=TIMEFRAMES), name="dataset_timeframe"),
            models.CheckConstraint(condition=Q(adjustment__in=Adjustment.values), name="dataset_adjustment"),
            models.CheckConstraint(
                condition=Q(bar_count=0, first_open_ms__isnull=True, last_open_ms__isnull=True)
                | Q(bar_count__gt=0, first_open_ms__lte=F("last_open_ms")),
                name="dataset_coverage_matches_count",
            ),
            models.CheckConstraint(
                condition=Q(sealed_count__gte=0, sealed_count__lte=F("bar_count")), name="dataset_sealed_within_count"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.timeframe} {self.source} {self.adjustment} r{self.revision}"


class BarChunk(models.Model):
    """Up to 32,768 bars, sealed: each column's raw little-endian bytes. The database refuses to change or erase it."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="chunks")
    ordinal = models.PositiveIntegerField()
    first_open_ms = models.BigIntegerField()
    last_open_ms = models.BigIntegerField()
    count = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    open_ms = models.BinaryField()
    open = models.BinaryField()
    high = models.BinaryField()
    low = models.BinaryField()
    close = models.BinaryField()
    volume = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "ordinal"], name="barchunk_ordinal_unique"),
            models.CheckConstraint(condition=Q(count__gt=0, count__lte=32_768), name="barchunk_count"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.ordinal} of {self.dataset_id}"


class TailBar(models.Model):
    """A closed bar that arrived live and is not yet sealed into a chunk."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="tail")
    open_ms = models.BigIntegerField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "open_ms"], name="tailbar_open_unique")]

    def __str__(self) -> str:
        return f"tail bar {self.open_ms} of {self.dataset_id}"


class Study(models.Model):
    """A pandas-ta indicator over one dataset's bars, computed once per (bars, name, parameters)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="studies")
    fingerprint = models.CharField(max_length=64, help_text="The dataset's fingerprint when the study was asked for.")
    name = models.CharField(max_length=40)
    parameters = models.JSONField()
    parameters_key = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=StudyStatus, default=StudyStatus.QUEUED)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    bar_count = models.BigIntegerField()
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(fields=["fingerprint", "name", "parameters_key"], name="study_computed_once"),
            models.CheckConstraint(condition=Q(status__in=StudyStatus.values), name="study_status"),
        ]

    def __str__(self) -> str:
        return f"{self.name} over {self.dataset_id}"


class StudyColumn(models.Model):
    """One output of a study: float64 little-endian bytes, one value per bar, NaN where there is none."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="columns")
    ordinal = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "ordinal"], name="studycolumn_ordinal_unique")]

    def __str__(self) -> str:
        return self.name


class ReplayClock(models.Model):
    """How far the stored bars of one timeframe have been published as if they were live.

    ``epoch`` counts the rounds through the series, from 1. ``now_ms``: open of the newest published bars, None before
    the first of an epoch. ``advanced_at``: when it last moved. ``is_open``: whether bars flow, as last told to bots.
    """

    timeframe = models.CharField(max_length=4, choices=[(name, name) for name in TIMEFRAMES], unique=True)
    epoch = models.PositiveIntegerField(default=1)
    now_ms = models.BigIntegerField(null=True)
    is_running = models.BooleanField(default=True)
    is_open = models.BooleanField(default=False)
    bars_per_second = models.DecimalField(max_digits=7, decimal_places=3)
    advanced_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(timeframe__in=TIMEFRAMES), name="replayclock_timeframe"),
            models.CheckConstraint(condition=Q(epoch__gte=1), name="replayclock_epoch_from_one"),
            models.CheckConstraint(
                condition=Q(bars_per_second__gte=Decimal("0.1"), bars_per_second__lte=1000), name="replayclock_pace"
            ),
        ]

    def __str__(self) -> str:
        return f"replay of {self.timeframe}"
