"""What was asked of brokers and what was got. Constraints may refuse a decision here, never a fact."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Origin(models.TextChoices):
    """Who wanted it. ``external``: placed at the broker by somebody else, shown and counted only."""

    BOT = "bot"
    OPERATOR = "operator"
    EXTERNAL = "external"


class IntentState(models.TextChoices):
    """The state machine of an intent; a trigger in the database allows its steps and no others.

    held -> working (its parent filled) | canceled
    pending -> submitting -> working -> filled | canceled | expired | rejected
    pending -> unsent                  never left us
    submitting -> unknown              nobody knows whether it arrived
    submitting, unknown -> rejected    the broker said no
    submitting, unknown -> submitting  sent again under the same id, while it is fresh
    unknown -> abandoned               not found for long enough
    rejected, abandoned, unsent -> adopted -> filled | canceled | expired   a fact came after all
    """

    HELD = "held"
    PENDING = "pending"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNSENT = "unsent"
    ABANDONED = "abandoned"
    ADOPTED = "adopted"


HOLDS_SLOT = (
    IntentState.HELD,
    IntentState.PENDING,
    IntentState.SUBMITTING,
    IntentState.UNKNOWN,
    IntentState.WORKING,
)
"""States in which nobody else may ask for the same leg."""

IN_DOUBT = (IntentState.SUBMITTING, IntentState.UNKNOWN)
"""Nobody knows yet whether the broker has it."""

ENDED = (
    IntentState.FILLED,
    IntentState.CANCELED,
    IntentState.EXPIRED,
    IntentState.REJECTED,
    IntentState.UNSENT,
    IntentState.ABANDONED,
)


class OrderStatus(models.TextChoices):
    """A broker order's status. It never goes back: held < working < partially_filled < the ends."""

    HELD = "held"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class OrderIntent(models.Model):
    """What we decided to ask, committed before anything is sent.

    ``leg`` 0 main, 1 stop, 2 target of the position (bot, symbol, side). ``ordinal``: the same leg
    again within one cycle. ``bracket_fraction``: a held child's distance from its parent's fill
    price; its prices are known once that fill is. ``row``, ``open_ms``: the bar it was asked on
    (NULL for a child until its parent fills). ``asked_at``: event time. ``reason``: an engine Reason
    (why it ended without a fill); ``broker_code``: the broker's own word.
    """

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="intents")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="intents")
    account = models.ForeignKey("bots.BrokerAccount", on_delete=models.PROTECT, related_name="intents")
    cycle = models.ForeignKey("bots.Cycle", on_delete=models.PROTECT, related_name="intents", null=True)
    decision = models.ForeignKey("bots.Decision", on_delete=models.PROTECT, related_name="intents", null=True)
    snapshot = models.ForeignKey("configuration.Snapshot", on_delete=models.PROTECT, related_name="+", null=True)
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.BOT)
    actor = models.CharField(max_length=150, blank=True, default="", help_text="the operator, for origin operator")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, related_name="children", null=True)
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, related_name="replaced_by", null=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=5)
    leg = models.SmallIntegerField(default=0)
    ordinal = models.SmallIntegerField(default=0)
    action = models.CharField(max_length=4)
    order_type = models.CharField(max_length=16)
    is_entry = models.BooleanField()
    qty = models.DecimalField(max_digits=24, decimal_places=9)
    limit_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    bracket_fraction = models.FloatField(null=True)
    row = models.BigIntegerField(null=True)
    open_ms = models.BigIntegerField(null=True)
    asked_at = models.DateTimeField()
    reference_price = models.DecimalField(max_digits=24, decimal_places=9, null=True, help_text="close decided on")
    client_order_id = models.CharField(max_length=128, unique=True)
    mode = models.CharField(max_length=8, default="paper")
    state = models.CharField(max_length=10, choices=IntentState.choices, default=IntentState.PENDING)
    reason = models.SmallIntegerField(default=0)
    broker_code = models.CharField(max_length=64, blank=True, default="")
    broker_message = models.CharField(max_length=500, blank=True, default="")
    claimed_at = models.DateTimeField(null=True)
    send_by = models.DateTimeField(null=True)
    misses = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cycle", "symbol", "side", "leg", "ordinal"], name="intent_one_per_cycle_and_leg"
            ),
            models.UniqueConstraint(
                fields=["bot", "symbol", "side", "leg"],
                condition=Q(state__in=HOLDS_SLOT, replaces__isnull=True),
                name="intent_one_working",
            ),
            models.CheckConstraint(name="intent_state_known", condition=Q(state__in=IntentState.values)),
            models.CheckConstraint(name="intent_side_known", condition=Q(side__in=["long", "short"])),
            models.CheckConstraint(name="intent_action_known", condition=Q(action__in=["buy", "sell"])),
            models.CheckConstraint(name="intent_leg_known", condition=Q(leg__in=[0, 1, 2])),
            models.CheckConstraint(name="intent_qty_positive", condition=Q(qty__gt=0)),
            models.CheckConstraint(name="intent_client_id_not_blank", condition=~Q(client_order_id="")),
            models.CheckConstraint(
                name="intent_of_bot_has_cycle", condition=~Q(origin=Origin.BOT) | Q(cycle__isnull=False)
            ),
            models.CheckConstraint(
                name="intent_has_snapshot", condition=Q(origin=Origin.EXTERNAL) | Q(snapshot__isnull=False)
            ),
            models.CheckConstraint(
                name="intent_claimed_before_sent",
                condition=Q(state__in=[IntentState.PENDING, IntentState.UNSENT, IntentState.HELD, IntentState.CANCELED])
                | Q(claimed_at__isnull=False)
                | Q(leg__gt=0, parent__isnull=False)
                | Q(origin=Origin.EXTERNAL),
            ),
        ]
        indexes = [
            models.Index(fields=["bot", "-id"], name="intent_by_bot"),
            models.Index(fields=["run", "symbol", "side", "leg", "-id"], name="intent_newest_of_leg"),
            models.Index(
                fields=["account"],
                name="intent_in_flight",
                condition=Q(state__in=[IntentState.PENDING, IntentState.SUBMITTING, IntentState.UNKNOWN]),
            ),
            models.Index(
                fields=["account", "symbol"], name="intent_alive", condition=Q(state__in=[*HOLDS_SLOT, "adopted"])
            ),
        ]

    def __str__(self) -> str:
        return self.client_order_id


class BrokerOrder(models.Model):
    """What the broker has: a fact, at most one for each intent."""

    broker_order_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    intent = models.OneToOneField(OrderIntent, on_delete=models.PROTECT, related_name="broker_order")
    account = models.ForeignKey("bots.BrokerAccount", on_delete=models.PROTECT, related_name="broker_orders")
    status = models.CharField(max_length=16, choices=OrderStatus.choices)
    qty = models.DecimalField(max_digits=24, decimal_places=9)
    filled_qty = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    limit_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    submitted_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(name="broker_order_status_known", condition=Q(status__in=OrderStatus.values)),
            models.CheckConstraint(name="broker_order_filled_qty", condition=Q(filled_qty__gte=0)),
        ]

    def __str__(self) -> str:
        return str(self.broker_order_id)


class Fill(models.Model):
    """What we got. Never changed, never erased; keyed by order and cumulated quantity.

    ``bar_open_ms``: the bar it happened in. ``broker_sequence``: the broker's order of events.
    """

    broker_order = models.ForeignKey(BrokerOrder, on_delete=models.PROTECT, related_name="fills")
    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="bot_fills")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="run_fills")
    symbol = models.CharField(max_length=32)
    cum_qty = models.DecimalField(max_digits=24, decimal_places=9)
    qty = models.DecimalField(max_digits=24, decimal_places=9)
    price = models.DecimalField(max_digits=24, decimal_places=9)
    fee = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    bar_open_ms = models.BigIntegerField()
    executed_at = models.DateTimeField(help_text="event time")
    activity_id = models.CharField(max_length=64, unique=True, null=True)
    broker_sequence = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["broker_order", "cum_qty"], name="fill_once"),
            models.CheckConstraint(
                name="fill_sane", condition=Q(cum_qty__gt=0, qty__gt=0, price__gt=0, fee__gte=0, qty__lte=F("cum_qty"))
            ),
        ]
        indexes = [models.Index(fields=["bot", "-id"], name="fill_by_bot")]

    def __str__(self) -> str:
        return f"{self.qty} {self.symbol} at {self.price}"


class FactKind(models.TextChoices):
    """filled: with its fill. ended: without a (further) one. asked: an operator wants the position closed."""

    FILLED = "filled"
    ENDED = "ended"
    ASKED = "asked"


class OrderFact(models.Model):
    """Something that happened to an order and that the engine has to hear.

    Written when it is learnt, heard (``cycle``) by the bot's next cycle, in the order
    (``at_ms``, ``broker_sequence``, ``id``).
    """

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="facts")
    run = models.ForeignKey("bots.EngineRun", on_delete=models.PROTECT, related_name="run_facts")
    intent = models.ForeignKey(OrderIntent, on_delete=models.PROTECT, related_name="facts")
    kind = models.CharField(max_length=6, choices=FactKind.choices)
    fill = models.OneToOneField(Fill, on_delete=models.PROTECT, related_name="fact", null=True)
    reason = models.SmallIntegerField(default=0, help_text="an engine Reason, for ended")
    at_ms = models.BigIntegerField(help_text="open of the bar it happened in")
    broker_sequence = models.BigIntegerField(default=0)
    cycle = models.ForeignKey("bots.Cycle", on_delete=models.PROTECT, related_name="heard", null=True)
    place = models.PositiveIntegerField(null=True, help_text="among the facts its cycle heard")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["intent", "kind"], condition=Q(fill__isnull=True), name="fact_once"),
            models.CheckConstraint(
                name="fact_kind_known",
                condition=Q(kind=FactKind.FILLED, fill__isnull=False)
                | Q(kind__in=[FactKind.ENDED, FactKind.ASKED], fill__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["bot"], name="fact_unheard", condition=Q(cycle__isnull=True))]

    def __str__(self) -> str:
        return f"fact {self.id} of {self.intent_id}"
