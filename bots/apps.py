"""The app's name, and the checks that run before anything starts."""

from django.apps import AppConfig


class BotsConfig(AppConfig):
    name = "bots"
    verbose_name = "Bots"

    def ready(self) -> None:
        from bots import checks  # noqa: F401, PLC0415  # importing registers them
