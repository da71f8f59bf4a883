"""The simulated broker's own books: as far from ours as a real broker's.

Only ``bots.brokers.simulated`` reads and writes them, on a connection of its own that commits at
once. No foreign key leads to or from any other table: a broker does not know our rows.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class SimulatedAccount(models.Model):
    """An account: ``state`` holds its books and resting orders (``RunState`` bytes), ``params`` its rules.

    ``matched_ms``: open of the last bar its orders met. ``sequence``: number of its newest event.
    """

    id = models.UUIDField(primary_key=True)
    symbols = ArrayField(models.CharField(max_length=32))
    params = models.JSONField()
    state = models.BinaryField()
    matched_ms = models.BigIntegerField(null=True)
    sequence = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.id)


class SimulatedOrder(models.Model):
    """An order as the broker holds it. ``leg`` and ``side`` say which place of the position it takes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey(SimulatedAccount, on_delete=models.PROTECT, related_name="orders")
    client_order_id = models.CharField(max_length=128, unique=True)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, related_name="children", null=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5)
    leg = models.SmallIntegerField()
    action = models.CharField(max_length=4)
    order_type = models.CharField(max_length=16)
    is_entry = models.BooleanField()
    qty = models.DecimalField(max_digits=24, decimal_places=9)
    filled_qty = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    limit_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    bracket_fraction = models.FloatField(null=True)
    status = models.CharField(max_length=16)
    submitted_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["account", "symbol"],
                name="simulated_order_alive",
                condition=Q(status__in=["held", "working", "partially_filled"]),
            )
        ]

    def __str__(self) -> str:
        return self.client_order_id


class SimulatedEvent(models.Model):
    """What happened at the broker, numbered per account: the account-wide list that others read."""

    account = models.ForeignKey(SimulatedAccount, on_delete=models.PROTECT, related_name="events")
    sequence = models.BigIntegerField()
    order = models.ForeignKey(SimulatedOrder, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=16, help_text="the order's status after it, or fill")
    at_ms = models.BigIntegerField(help_text="open of the bar it happened in")
    cum_qty = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    qty = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    fee = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "sequence"], name="simulated_event_sequence")]

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence} of {self.account_id}"


class SimulatedFault(models.Model):
    """A failure the broker was told to have: the next ``remaining`` calls of ``call`` go wrong this way.

    ``kind``: refuse, time_out (nothing arrived), lose_answer (it did), fill_partly, fill_late.
    """

    account = models.ForeignKey(SimulatedAccount, on_delete=models.PROTECT, related_name="faults", null=True)
    call = models.CharField(max_length=16, help_text="submit, cancel, find, events, match, set_leverage")
    kind = models.CharField(max_length=16)
    remaining = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} on {self.call}"


class SimulatedLeverage(models.Model):
    """The leverage in force for one symbol of an account; without a row it is 1."""

    account = models.ForeignKey(SimulatedAccount, on_delete=models.PROTECT, related_name="leverage")
    symbol = models.CharField(max_length=32)
    leverage = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "symbol"], name="simulated_leverage_of_symbol"),
            models.CheckConstraint(name="simulated_leverage_at_least_one", condition=Q(leverage__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.leverage}x"
