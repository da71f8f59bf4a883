"""The leverage that was asked of a broker, and the one that is in force there."""

from django.db import models
from django.db.models import Q


class LeverageStatus(models.Model):
    """Leverage of one symbol in one account. ``actual``: in force at the broker as far as known; NULL: never told.

    ``is_in_doubt``: a call went out and its answer is not known, so that ``actual`` may be another.
    ``forced_*``: the last time an operator set it by hand.
    """

    account = models.ForeignKey("bots.BrokerAccount", on_delete=models.PROTECT, related_name="leverage")
    symbol = models.CharField(max_length=32)
    configured = models.PositiveSmallIntegerField()
    actual = models.PositiveSmallIntegerField(null=True)
    is_in_doubt = models.BooleanField(default=False)
    last_sync_at = models.DateTimeField(null=True)
    last_sync_success = models.BooleanField(null=True)
    last_sync_error = models.CharField(max_length=500, blank=True, default="")
    forced_at = models.DateTimeField(null=True)
    forced_by = models.CharField(max_length=200, blank=True, default="")
    forced_reason = models.CharField(max_length=2000, blank=True, default="")
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "leverage statuses"
        constraints = [
            models.UniqueConstraint(fields=["account", "symbol"], name="leverage_one_per_symbol"),
            models.CheckConstraint(name="leverage_at_least_one", condition=Q(configured__gte=1)),
            models.CheckConstraint(
                name="leverage_actual_at_least_one", condition=Q(actual__isnull=True) | Q(actual__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.account_id}"

    @property
    def is_synced(self) -> bool:
        """True where the leverage in force is known to be the configured one."""
        return self.is_known_to_be(self.configured)

    def is_known_to_be(self, leverage: int) -> bool:
        """True where there is no doubt that this leverage is in force."""
        return self.actual is not None and self.actual == leverage and not self.is_in_doubt
