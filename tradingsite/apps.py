"""The project as an app: it owns the wiring, the commands and the health of the whole."""

from django.apps import AppConfig


class TradingsiteConfig(AppConfig):
    name = "tradingsite"
    verbose_name = "Tradingsite"

    def ready(self) -> None:
        # shared_task in the apps finds its Celery app only once this module is imported.
        from tradingsite import celery, wiring  # noqa: F401, PLC0415  not before the app registry is ready

        wiring.wire()
