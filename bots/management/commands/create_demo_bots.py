"""``manage.py create_demo_bots``: two bots over the sample bars, for whoever looks around first."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bots.services import demo
from engine.domain.errors import InputError


class Command(BaseCommand):
    help = "Create and start the demo bots of the first administrator. Does nothing where they are, or were, there."

    def handle(self, *args: Any, **options: Any) -> None:
        owner = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("id").first()
        if owner is None:
            raise CommandError("There is no administrator yet: create one first (manage.py createsuperuser).")
        try:
            made = demo.create_demo_bots(owner_id=owner.pk, now=timezone.now())
        except InputError as refused:
            raise CommandError(str(refused)) from refused
        names = ", ".join(bot.name for bot in made) or "none, they are there already"
        self.stdout.write(f"Demo bots made: {names}.")
