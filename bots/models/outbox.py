"""Events on their way to browsers, written in the transaction of what they tell."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Outbox(models.Model):
    """One event of one bot. ``version`` counts the bot's events without a gap, in the order they happened."""

    bot = models.ForeignKey("bots.Bot", on_delete=models.PROTECT, related_name="events")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    version = models.BigIntegerField()
    event = models.CharField(max_length=32)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bot", "version"], name="outbox_version_unique")]
        indexes = [
            models.Index(fields=["id"], name="outbox_unsent", condition=Q(sent_at__isnull=True)),
            models.Index(fields=["sent_at"], name="outbox_sent", condition=Q(sent_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.version} of {self.bot_id}"
