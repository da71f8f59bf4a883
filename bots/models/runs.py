"""What was decided, and on which facts: accounts, runs, cycles, decisions."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class AccountState(models.TextChoices):
    """What an account may do. ``reducing``: exits only."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class CycleState(models.TextChoices):
    """open -> decided (facts, decisions and intents are one commit) -> done; or skipped, failed."""

    OPEN = "open"
    DECIDED = "decided"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class CycleKind(models.TextChoices):
    """bars: new bars closed, once per instant. facts: only news of orders, as often as there is some."""

    BARS = "bars"
    FACTS = "facts"


class Worker(models.Model):
    """One worker process: alive while its heartbeat is young (the database's clock)."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=200)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class BrokerAccount(models.Model):
    """An account at a broker. ``cursor``: how far the broker's account-wide list of events was read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    broker = models.CharField(max_length=16)
    mode = models.CharField(max_length=8, default="paper")
    state = models.CharField(max_length=8, choices=AccountState.choices, default=AccountState.ACTIVE)
    cursor = models.BigIntegerField(default=0)
    reconciled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(name="account_state_known", condition=Q(state__in=AccountState.values)),
            models.CheckConstraint(name="account_mode_known", condition=Q(mode__in=["paper", "live"])),
        ]

    def __str__(self) -> str:
        return f"{self.broker} {self.mode} {self.id}"


class EngineRun(models.Model):
    """A bot's books from a start with all capital in cash, over one epoch of its feed.

    ``state``: the engine's State as bytes (``RunState.to_bytes`` with an empty book), after the last
    decided cycle. ``recorded_ms``: event time up to which everything is recorded; None before the
    first bar. ``after_ms``: bars that open after it are stepped. Money columns repeat what the state
    says, for lists and for limits over several bots.
    """

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="runs")
    number = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField()
    account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, related_name="runs")
    strategy = models.CharField(max_length=64)
    timeframe = models.CharField(max_length=8)
    symbols = ArrayField(models.CharField(max_length=32))
    datasets = models.JSONField(help_text="[{symbol, id, calendar}] in the order of symbols")
    instruments = models.JSONField(help_text="engine Instrument of each symbol, by field, as they were at the start")
    snapshot = models.ForeignKey(
        "configuration.Snapshot", on_delete=models.PROTECT, related_name="+", help_text="in force now"
    )
    engine_fingerprint = models.CharField(max_length=64)
    after_ms = models.BigIntegerField(null=True)
    recorded_ms = models.BigIntegerField(null=True)
    last_open_ms = models.BigIntegerField(null=True)
    rows = models.BigIntegerField(default=0)
    cycles = models.BigIntegerField(default=0)
    decisions = models.BigIntegerField(default=0)
    state = models.BinaryField()
    capital = models.DecimalField(max_digits=24, decimal_places=9)
    cash = models.DecimalField(max_digits=24, decimal_places=9)
    equity = models.DecimalField(max_digits=24, decimal_places=9)
    realised = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    fees = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    day = models.IntegerField(null=True)
    day_open_equity = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    day_realised = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    entries_today = models.PositiveIntegerField(default=0)
    exposure = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    open_positions = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bot", "number"], name="run_number_unique"),
            models.UniqueConstraint(fields=["bot"], condition=Q(ended_at__isnull=True), name="run_one_open"),
        ]

    def __str__(self) -> str:
        return f"run {self.number} of {self.bot_id}"


class Cycle(models.Model):
    """One round of a bot at one instant of event time: what it saw, decided and asked for.

    ``orders``, ``fills``, ``trips``, ``decided``: the engine's records as it wrote them, packed.
    ``state_sha256``: of the state after it. ``checkpoint``: the state before it, now and then, so
    that any stored cycle can be computed again. ``facts``: how many order facts it heard.
    """

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="cycles")
    run = models.ForeignKey(EngineRun, on_delete=models.PROTECT, related_name="run_cycles")
    number = models.BigIntegerField(help_text="1 for the run's first")
    kind = models.CharField(max_length=5, choices=CycleKind.choices, default=CycleKind.BARS)
    epoch = models.PositiveIntegerField()
    due_at = models.DateTimeField(help_text="event time")
    lease_token = models.BigIntegerField()
    worker = models.UUIDField(null=True)
    state = models.CharField(max_length=8, choices=CycleState.choices, default=CycleState.OPEN)
    snapshot = models.ForeignKey("configuration.Snapshot", on_delete=models.PROTECT, related_name="+", null=True)
    config_version = models.BigIntegerField(null=True)
    engine_fingerprint = models.CharField(max_length=64, blank=True, default="")
    first_open_ms = models.BigIntegerField(null=True)
    last_open_ms = models.BigIntegerField(null=True)
    bars = models.PositiveIntegerField(default=0, help_text="rows stepped")
    bars_sha256 = models.CharField(max_length=64, blank=True, default="")
    facts = models.PositiveIntegerField(default=0)
    others = models.JSONField(default=dict, help_text="what else the account held: engine Others, by field")
    orders = models.BinaryField(default=b"")
    fills = models.BinaryField(default=b"")
    trips = models.BinaryField(default=b"")
    decided = models.BinaryField(default=b"")
    equity = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    state_sha256 = models.CharField(max_length=64, blank=True, default="")
    checkpoint = models.BinaryField(null=True)
    opened_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bot", "epoch", "due_at"], condition=Q(kind=CycleKind.BARS), name="cycle_once_per_instant"
            ),
            models.UniqueConstraint(fields=["run", "number"], name="cycle_number_unique"),
            models.CheckConstraint(name="cycle_state_known", condition=Q(state__in=CycleState.values)),
            models.CheckConstraint(
                name="cycle_decided_under_a_snapshot",
                condition=Q(state__in=[CycleState.OPEN, CycleState.SKIPPED, CycleState.FAILED])
                | Q(snapshot__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["bot"], name="cycle_unfinished", condition=Q(state__in=[CycleState.OPEN, CycleState.DECIDED])
            ),
            models.Index(fields=["run", "-due_at"], name="cycle_newest_first"),
        ]

    def __str__(self) -> str:
        return f"cycle {self.number} of run {self.run_id}"


class Decision(models.Model):
    """What was decided, refused or heard of on one row: the engine's DECISION, under its snapshot."""

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="decisions")
    run = models.ForeignKey(EngineRun, on_delete=models.PROTECT, related_name="run_decisions")
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="decisions")
    snapshot = models.ForeignKey("configuration.Snapshot", on_delete=models.PROTECT, related_name="+")
    number = models.BigIntegerField(help_text="1 for the run's first")
    row = models.BigIntegerField()
    open_ms = models.BigIntegerField()
    at = models.DateTimeField(help_text="open of the bar, UTC")
    symbol = models.CharField(max_length=32)
    signal = models.SmallIntegerField()
    target = models.SmallIntegerField()
    strategy = models.SmallIntegerField()
    fills = models.SmallIntegerField()
    orders = models.IntegerField()
    reason = models.SmallIntegerField()
    confidence = models.FloatField()
    votes = models.BigIntegerField()
    price = models.DecimalField(max_digits=24, decimal_places=9)
    equity = models.DecimalField(max_digits=24, decimal_places=9)
    long_qty = models.DecimalField(max_digits=24, decimal_places=9)
    short_qty = models.DecimalField(max_digits=24, decimal_places=9)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="decision_number_unique")]
        indexes = [
            models.Index(fields=["bot", "-id"], name="decision_by_bot"),
            models.Index(fields=["bot", "symbol", "-id"], name="decision_by_symbol"),
            models.Index(fields=["bot", "-at"], name="decision_by_time"),
            models.Index(F("bot"), F("reason"), F("id").desc(), name="decision_by_reason"),
        ]

    def __str__(self) -> str:
        return f"decision {self.number} of run {self.run_id}"
