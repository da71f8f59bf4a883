"""Tests: a real PostgreSQL, a queue in memory, passwords that cost nothing."""

from tradingsite.settings.base import *  # noqa: F403
from tradingsite.settings.base import CHANNEL_LAYERS, DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tasks published by a test must never reach a worker of a platform that is running beside it.
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
# Nor events one of its browsers. Processes that a test starts share its database, and so its sockets.
CHANNEL_LAYERS["default"]["CONFIG"]["prefix"] = f"test.{DATABASES['default']['NAME'].removeprefix('test_')}"
# Tests ask faster than people; those of the limits set their own.
API_READS_PER_MINUTE = API_WRITES_PER_MINUTE = 0
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
