"""Tokens, and where the members of a group may change configuration. Roles are Django's groups."""

import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

SCOPES: Final = ("read", "configure", "trade", "admin")
LONGEST_DAYS: Final = 90
PATTERN: Final = r"^(\*|global|(symbol|bot):[A-Za-z0-9*?._:/-]{1,64})$"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Filters that read like sentences."""

    def of(self, owner_id: int) -> "ApiTokenQuerySet":
        return self.filter(owner_id=owner_id)

    def newest_first(self) -> "ApiTokenQuerySet":
        return self.order_by("-created_at", "-id")


class ApiToken(models.Model):
    """A key for scripts and agents. Only its SHA-256 is kept: 256 random bits need no slow hash.

    ``hint``: the last four characters, so that people can tell tokens apart. Never erased: the ledger names it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    scopes = ArrayField(models.CharField(max_length=10))
    hint = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(name="token_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")),
            models.CheckConstraint(name="token_name_not_blank", condition=~Q(name__regex=r"^\s*$")),
            models.CheckConstraint(
                name="token_scopes_known", condition=Q(scopes__contained_by=list(SCOPES)) & Q(scopes__len__gte=1)
            ),
            models.CheckConstraint(
                name="token_lives_at_most_90_days",
                condition=Q(expires_at__gt=F("created_at"))
                & Q(expires_at__lte=F("created_at") + timedelta(days=LONGEST_DAYS)),
            ),
        ]
        indexes = [models.Index(fields=["owner", "-created_at"], name="token_by_owner")]

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"


class ScopePattern(models.Model):
    """Where members of a group may change configuration: ``*``, ``global``, ``symbol:BTC*``, ``bot:<id>``."""

    group = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="scope_patterns")
    pattern = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "pattern"], name="scope_pattern_once"),
            models.CheckConstraint(name="scope_pattern_readable", condition=Q(pattern__regex=PATTERN)),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.pattern}"
