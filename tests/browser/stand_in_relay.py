"""Relays events to browsers, as the stream process does: a process of its own beside the web process."""

import threading

import django

django.setup()

from bots.services import relaying  # noqa: E402  Django must be set up first

relaying.run(threading.Event())
