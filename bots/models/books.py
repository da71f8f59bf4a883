"""What it led to: positions, trades, and the double-entry journal. All follow from fills the engine booked."""

import uuid

from django.db import models
from django.db.models import Q


class Position(models.Model):
    """What is held of one (bot, symbol, side), from its first fill until it is flat.

    ``snapshot``: the configuration it was opened under. Times are event times.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="positions")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="positions")
    snapshot = models.ForeignKey("configuration.Snapshot", on_delete=models.PROTECT, related_name="+")
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5)
    quantity = models.DecimalField(max_digits=24, decimal_places=9)
    entry_price = models.DecimalField(max_digits=24, decimal_places=9)
    cost = models.DecimalField(max_digits=24, decimal_places=9)
    current_price = models.DecimalField(max_digits=24, decimal_places=9)
    stop_loss_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    take_profit_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    unrealized_pnl = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    realized_pnl = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    fees = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    is_open = models.BooleanField(default=True)
    close_reason = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bot", "symbol", "side"], condition=Q(is_open=True), name="position_one_open"
            ),
            models.CheckConstraint(name="position_side_known", condition=Q(side__in=["long", "short"])),
            models.CheckConstraint(
                name="position_open_until_closed",
                condition=Q(is_open=True, closed_at__isnull=True) | Q(is_open=False, closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["bot", "is_open"], name="position_by_bot"),
            models.Index(fields=["symbol"], name="position_by_symbol"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol}"


class Trade(models.Model):
    """One executed order, as the API of bots tells it. ``profit_loss``: of an exit, after its fees; else NULL.

    ``quantity``, ``price`` (average), ``commission`` and ``profit_loss`` add up the order's fills.
    ``slippage``: price paid beyond the close decided on, against us, per unit.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="trades")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="trades")
    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="trades")
    intent = models.OneToOneField("bots.OrderIntent", on_delete=models.PROTECT, related_name="trade")
    symbol = models.CharField(max_length=32)
    type = models.CharField(max_length=4)
    side = models.CharField(max_length=5)
    quantity = models.DecimalField(max_digits=24, decimal_places=9)
    price = models.DecimalField(max_digits=24, decimal_places=9)
    timestamp = models.DateTimeField(help_text="event time of the last fill")
    indicators_snapshot = models.JSONField(default=dict)
    profit_loss = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    commission = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    slippage = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    status = models.CharField(max_length=16)
    reason = models.CharField(max_length=32, help_text="signal, stop, target, manual close")

    class Meta:
        constraints = [models.CheckConstraint(name="trade_type_known", condition=Q(type__in=["buy", "sell"]))]
        indexes = [
            models.Index(fields=["bot", "-timestamp"], name="trade_by_bot"),
            models.Index(fields=["symbol"], name="trade_by_symbol"),
            models.Index(fields=["-timestamp"], name="trade_newest_first"),
            models.Index(fields=["status"], name="trade_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.quantity} {self.symbol}"


class JournalEntry(models.Model):
    """One movement of money with its postings, which sum to zero (a deferred trigger checks)."""

    fill = models.OneToOneField("bots.Fill", on_delete=models.PROTECT, related_name="journal", null=True)
    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="journal")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="journal")
    kind = models.CharField(max_length=16, help_text="opening, fill")
    at = models.DateTimeField(help_text="event time")

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Posting(models.Model):
    """One side of a movement: ``account`` is cash, position, fees, realised or capital; income is negative."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings")
    account = models.CharField(max_length=10)
    symbol = models.CharField(max_length=32, blank=True, default="")
    amount = models.DecimalField(max_digits=24, decimal_places=9)

    def __str__(self) -> str:
        return f"{self.account} {self.amount}"
