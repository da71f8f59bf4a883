"""Staging and production: HTTPS only. `manage.py check --deploy` has nothing to add."""

from tradingsite.settings.base import *  # noqa: F403

DEBUG = False
SECURE_SSL_REDIRECT = True
# Probes come from inside, over plain HTTP, and carry nothing.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^ready$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# The __Host- prefix: a browser takes such a cookie only over HTTPS, for this host and path "/".
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sid"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
