"""The app's name, and the checks that run before anything starts."""

from django.apps import AppConfig


class ConfigurationConfig(AppConfig):
    name = "configuration"
    verbose_name = "Configuration"

    def ready(self) -> None:
        from configuration import checks  # noqa: F401, PLC0415  # importing registers them
