"""Tests: a real PostgreSQL, a queue in memory, passwords that cost nothing."""

from tradingsite.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tasks published by a test must never reach a worker of a platform that is running beside it.
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
