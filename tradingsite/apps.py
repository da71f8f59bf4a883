"""The app's name, and nothing that runs."""

from django.apps import AppConfig


class TradingsiteConfig(AppConfig):
    name = "tradingsite"
    verbose_name = "Tradingsite"
