"""What the operator wants, as tables: overrides in force, the ledger of change-sets, snapshots.

Written by ``configuration.services`` alone. A change-set is one decision: who, why, when, and every
value before and after. An override is the ledger folded up: what is in force now.
"""

from typing import Final

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper

from configuration.scopes import Scope

_NAME = 64
_SCOPE_KINDS: Final = ("global", "symbol", "symbol_side", "bot")
_CHANGE_KINDS: Final = (
    "set",
    "delete",
    "batch",
    "rollback",
    "import",
    "migrate",
    # for the issues that bring them: approvals, scheduled and guarded changes
    "approve",
    "schedule",
    "auto_rollback",
)


def _scope_shape() -> Q:
    """Absent parts are '', never NULL: plain UNIQUE would let several global rows live side by side."""
    return (
        Q(scope_kind="global", bot="", symbol="", side="")
        | (Q(scope_kind="symbol", bot="", side="") & ~Q(symbol=""))
        | (Q(scope_kind="symbol_side", bot="", side__in=("LONG", "SHORT")) & ~Q(symbol=""))
        | (Q(scope_kind="bot", symbol="", side="") & ~Q(bot=""))
    )


class ConfigHead(models.Model):
    """The one row that orders all writes. Its version rises by one with every change-set."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="config_head_is_single")]


class ChangeSet(models.Model):
    """One decision about configuration. Never updated, never deleted.

    The actor is copied, not referenced: a foreign key would rewrite the ledger when a user goes.
    ``canonical`` is the text under ``hash``, chained through ``prev_hash``.
    """

    version = models.BigIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    kind = models.CharField(max_length=16)
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=_NAME)
    actor_label = models.CharField(max_length=200)
    on_behalf_of = models.CharField(max_length=200, blank=True, default="")
    source = models.CharField(max_length=16)
    reason = models.TextField()
    request_id = models.CharField(max_length=_NAME, blank=True, default="")
    idempotency_key = models.CharField(max_length=200, unique=True, null=True)
    request_digest = models.CharField(max_length=64)
    base_version = models.BigIntegerField(null=True)
    reverts_version = models.BigIntegerField(null=True)
    catalogue_fingerprint = models.CharField(max_length=64)
    canonical = models.TextField()
    prev_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(version__gte=1), name="change_set_version_positive"),
            models.CheckConstraint(condition=Q(kind__in=_CHANGE_KINDS), name="change_set_kind_known"),
            models.CheckConstraint(
                condition=Q(actor_kind__in=("user", "token", "system")), name="change_set_actor_kind_known"
            ),
            models.CheckConstraint(condition=~Q(actor_label=""), name="change_set_actor_named"),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="change_set_reason_given"),
            models.UniqueConstraint(fields=["hash"], name="change_set_hash_unique"),
        ]
        # The history page filters by these and shows the newest first.
        indexes = [
            models.Index(fields=["source", "-version"], name="change_set_by_source"),
            models.Index(fields=["actor_label", "-version"], name="change_set_by_actor"),
            models.Index(fields=["created_at"], name="change_set_by_time"),
            # A handful among all: where a default moved, see selectors.tracing.
            models.Index(fields=["version"], name="change_set_migrations", condition=Q(kind="migrate")),
        ]

    def __str__(self) -> str:
        return f"v{self.version} by {self.actor_label}: {self.reason}"


class _Scoped(models.Model):
    """The columns that name one parameter at one scope."""

    namespace = models.CharField(max_length=_NAME)
    scope_kind = models.CharField(max_length=16)
    bot = models.CharField(max_length=_NAME, blank=True, default="")
    symbol = models.CharField(max_length=_NAME, blank=True, default="")
    side = models.CharField(max_length=8, blank=True, default="")
    parameter = models.CharField(max_length=_NAME)

    class Meta:
        abstract = True

    @property
    def scope(self) -> Scope:
        return Scope(self.scope_kind, self.bot, self.symbol, self.side)


class Change(_Scoped):
    """One value before and after, inside a change-set.

    ``old_version`` is the version that had set the value replaced; 0: nothing was set here. A JSON
    null is a value ("not set" where a parameter allows it); SQL NULL means there was none.
    """

    change_set = models.ForeignKey(ChangeSet, on_delete=models.PROTECT, related_name="changes", db_column="version")
    ordinal = models.IntegerField()
    op = models.CharField(max_length=8)
    old = models.JSONField(null=True)
    old_version = models.BigIntegerField(default=0)
    new = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change_set", "ordinal"], name="change_ordinal_unique"),
            models.UniqueConstraint(
                fields=["change_set", "namespace", "scope_kind", "bot", "symbol", "side", "parameter"],
                name="change_once_per_set",
            ),
            models.CheckConstraint(condition=_scope_shape(), name="change_scope_shape"),
            models.CheckConstraint(
                condition=Q(op="set", new__isnull=False) | Q(op="clear", new__isnull=True, old_version__gt=0),
                name="change_op_shape",
            ),
            models.CheckConstraint(
                condition=Q(old_version=0, old__isnull=True) | Q(old_version__gt=0, old__isnull=False),
                name="change_old_shape",
            ),
        ]
        indexes = [
            models.Index(
                fields=["namespace", "scope_kind", "bot", "symbol", "side", "parameter", "-change_set"],
                name="change_of_parameter",
            ),
            models.Index(fields=["namespace", "parameter", "-change_set"], name="change_by_name"),
            models.Index(fields=["symbol", "-change_set"], name="change_by_symbol"),
            models.Index(fields=["scope_kind", "bot", "symbol", "side", "-change_set"], name="change_by_scope"),
        ]


class Override(_Scoped):
    """A value in force at one scope: the ledger's changes folded up."""

    value = models.JSONField()
    version = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "scope_kind", "bot", "symbol", "side", "parameter"], name="override_unique"
            ),
            models.CheckConstraint(condition=_scope_shape(), name="override_scope_shape"),
            models.CheckConstraint(condition=Q(symbol=Upper("symbol")), name="override_symbol_upper"),
            models.CheckConstraint(condition=Q(version__gte=1), name="override_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}.{self.parameter} at {self.scope}"


class Snapshot(models.Model):
    """All resolved values of a bot with their origins, frozen. Stored once for each content."""

    hash = models.CharField(max_length=64, primary_key=True)
    content = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(hash__regex=r"^[0-9a-f]{64}$"), name="snapshot_hash_shape")]

    def __str__(self) -> str:
        return self.hash[:12]


class CatalogueEdition(models.Model):
    """What every parameter meant while this fingerprint was the catalogue's. Kept for ever.

    ``content`` is the canonical text under ``fingerprint``: an old version is read with the defaults
    and ranges of its own time.
    """

    fingerprint = models.CharField(max_length=64, primary_key=True)
    content = models.TextField()
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(fingerprint__regex=r"^[0-9a-f]{64}$"), name="catalogue_edition_shape")
        ]

    def __str__(self) -> str:
        return self.fingerprint[:12]


class ConfigReader(models.Model):
    """A live process and the configuration it runs on; it says so every few seconds.

    ``environment_fingerprint``: sha256 over the values environment variables supply to it. Two live
    readers that differ resolve differently, which is shown.
    """

    id = models.UUIDField(primary_key=True)
    process = models.CharField(max_length=32)
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    version = models.BigIntegerField()
    head_hash = models.CharField(max_length=64, blank=True)
    catalogue_fingerprint = models.CharField(max_length=64)
    environment_fingerprint = models.CharField(max_length=64)
    is_listening = models.BooleanField()
    delay_ms = models.FloatField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="config_reader_by_time")]

    def __str__(self) -> str:
        return f"{self.process} {self.pid} on {self.host}"


class LedgerCheck(models.Model):
    """One verification of the ledger's chain: how far it reached, and the first bad version if there was one."""

    checked_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField()
    head_hash = models.CharField(max_length=64, blank=True)
    first_bad_version = models.BigIntegerField(null=True)
    finding = models.TextField(blank=True, default="")
    took_ms = models.FloatField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(first_bad_version__isnull=True, finding="")
                | (Q(first_bad_version__isnull=False) & ~Q(finding="")),
                name="ledger_check_finding_named",
            )
        ]
        indexes = [models.Index(fields=["-checked_at"], name="ledger_check_by_time")]

    def __str__(self) -> str:
        return f"v{self.version}: {self.finding or 'unbroken'}"


class GlobalConfiguration(Override):
    """What holds everywhere, as its own page of the admin."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "global configuration"


class SymbolConfiguration(Override):
    """What one symbol sets for itself, as its own page of the admin."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "symbol configuration"


class SymbolSideConfiguration(Override):
    """What one side of one symbol sets for itself, as its own page of the admin."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "symbol and side configuration"
