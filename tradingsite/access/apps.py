"""The app of roles and tokens."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "tradingsite.access"
    label = "access"
    verbose_name = "Access"
