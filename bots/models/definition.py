"""Who trades. Every tunable of a bot is a bot-scope override in ``configuration``, not a column."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class BotStatus(models.TextChoices):
    """Where a bot is in its life (transitions: the lifecycle service)."""

    STOPPED = "stopped", "stopped"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    ERROR = "error", "error"


class BotQuerySet(models.QuerySet["Bot"]):
    """Filters that read like sentences."""

    def owned_by(self, owner_id: int) -> "BotQuerySet":
        return self.filter(owner_id=owner_id)

    def in_service(self) -> "BotQuerySet":
        return self.filter(retired_at__isnull=True)

    def newest_first(self) -> "BotQuerySet":
        return self.order_by("-created_at", "-id")


class Bot(models.Model):
    """One bot's definition and state. Never erased: deleting sets ``retired_at``.

    The lease says which worker works on the bot: ``lease_token`` rises with every dispatch and
    fences the one before; ``lease_owner`` is empty while the message travels. ``wake_at``: when the
    bot is due next, by the database's clock. ``event_version``: the number of its newest event.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    strategy = models.CharField(max_length=64)
    timeframe = models.CharField(max_length=8)
    symbols = ArrayField(models.CharField(max_length=32))
    status = models.CharField(max_length=8, choices=BotStatus.choices, default=BotStatus.STOPPED)
    is_active = models.BooleanField(default=False)
    error_count = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    last_run_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(null=True, blank=True, editable=False)
    lease_token = models.BigIntegerField(default=0, editable=False)
    lease_owner = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    event_version = models.BigIntegerField(default=0, editable=False)

    objects = BotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="bot_status_known", condition=Q(status__in=BotStatus.values)),
            models.CheckConstraint(name="bot_name_not_blank", condition=~Q(name__regex=r"^\s*$")),
            models.CheckConstraint(name="bot_has_a_symbol", condition=Q(symbols__len__gte=1)),
            models.CheckConstraint(
                name="bot_active_only_alive",
                condition=Q(is_active=False) | Q(status__in=[BotStatus.RUNNING, BotStatus.PAUSED]),
            ),
            models.CheckConstraint(
                name="bot_retired_is_stopped", condition=Q(retired_at__isnull=True) | Q(is_active=False)
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="bot_by_owner"),
            models.Index(fields=["status"], name="bot_by_status"),
            models.Index(fields=["-created_at", "-id"], name="bot_newest_first"),
            models.Index(fields=["wake_at"], name="bot_due", condition=Q(wake_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name
