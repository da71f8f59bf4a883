"""Settings shared by every environment; what differs per installation comes from tradingsite.deployment."""

import os
from decimal import Decimal
from typing import Any

import environ
from django.utils.csp import CSP

from tradingsite import deployment, logs

DEPLOYMENT = deployment.load()
BASE_DIR = DEPLOYMENT.root

SECRET_KEY = DEPLOYMENT["SECRET_KEY"]
SECRET_KEY_FALLBACKS = DEPLOYMENT.items("SECRET_KEY_FALLBACKS")
DEBUG = False
ALLOWED_HOSTS = DEPLOYMENT.items("ALLOWED_HOSTS")
DATA_DIR = DEPLOYMENT.path("TRADINGSITE_DATA_DIR")
RESULTS_DIR = DEPLOYMENT.path("TRADINGSITE_RESULTS_DIR")
STATE_DIR = DEPLOYMENT.state
STARTUP_MODE = DEPLOYMENT["TRADINGSITE_STARTUP_MODE"]
REPLAY_BARS_PER_SECOND = Decimal(DEPLOYMENT["TRADINGSITE_REPLAY_BARS_PER_SECOND"])
CONFIG_REQUIRE_REASON = DEPLOYMENT.get("CONFIG_REQUIRE_REASON") or "risky"
# Parameters may stand beside the settings in the same files; configuration.environment picks them out.
CONFIG_VARIABLES = {name: value for name, value in DEPLOYMENT.values.items() if not deployment.is_setting(name)}
CONFIG_CACHE_TTL_SECONDS = int(DEPLOYMENT.get("CONFIG_CACHE_TTL_SECONDS") or 60)
CONFIG_DATABASE_TIMEOUT_MS = int(DEPLOYMENT.get("CONFIG_DATABASE_TIMEOUT_MS") or 2000)
CONFIG_LISTEN = DEPLOYMENT.get("CONFIG_LISTEN") != "off"
CONFIG_LISTEN_DATABASE_URL = DEPLOYMENT.get("CONFIG_LISTEN_DATABASE_URL")
# Shown masked beside the configuration; '' where there is none.
API_KEYS = {name: DEPLOYMENT.get(name.upper()) for name in ("alpaca_api_key", "alpaca_secret_key")}

# Which process this is: "web" (set by tradingsite.asgi), "worker-bots", ...; empty for commands.
PROCESS = os.environ.get("PLATFORM_PROCESS", "")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "tradingsite",
    "tradingsite.access",
    "configuration",
    "marketdata",
    "bots",
    "backtests",
]
MIDDLEWARE = [
    "tradingsite.middleware.request_context",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "tradingsite.middleware.readable_addresses",
    "tradingsite.middleware.private_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tradingsite.access.gate.Gate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tradingsite.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ASGI_APPLICATION = "tradingsite.asgi.application"
WSGI_APPLICATION = "tradingsite.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"

# --- PostgreSQL: the truth

DATABASES = {"default": environ.Env.db_url_config(DEPLOYMENT.database_url)}
_database = DATABASES["default"]
_options = _database.setdefault("OPTIONS", {})
# django-environ leaves a socket folder among the options, where dbshell does not look.
_database["HOST"] = _options.pop("host", _database.get("HOST", ""))
# How long one health check or start waits for a server that does not answer.
_options["connect_timeout"] = 5
if PROCESS == "web":
    # A page that needs longer than this is a defect; workers may compute for minutes.
    _options["options"] = "-c statement_timeout=5000"
    _options["pool"] = {"min_size": 1, "max_size": 16, "timeout": 5}
    # After a restart of PostgreSQL every connection in the pool is dead; without this each fails one request.
    _database["CONN_HEALTH_CHECKS"] = True

# The simulated broker keeps its books on a connection of its own that commits at once, as a broker elsewhere
# would: "accepted there, not recorded here" can then happen, and has to be survived.
DATABASES["broker"] = {
    **_database,
    "OPTIONS": {name: value for name, value in _options.items() if name != "pool"},
    "TEST": {"MIRROR": "default"},
}
if PROCESS.startswith(("worker-bots", "stream")):
    # A cycle takes a few hundredths of a second; a fresh connection for each would be a tenth of that.
    for _alias in DATABASES.values():
        _alias["CONN_MAX_AGE"] = 60
        _alias["CONN_HEALTH_CHECKS"] = True

# --- Redis: hints only (task queue, heartbeats), nothing that moves money

REDIS_URL = DEPLOYMENT.redis_url
CELERY_BROKER_URL = DEPLOYMENT.broker_url
CELERY_RESULT_BACKEND = DEPLOYMENT.broker_url
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
# A task that somebody waits for says ignore_result=False.
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_DEFAULT_QUEUE = "bots"
# marketdata computes (studies), configuration verifies its ledger: so they belong to the processes made for
# computing, which also run in an installation without bots.
CELERY_TASK_ROUTES = {
    "backtests.*": {"queue": "backtests"},
    "configuration.*": {"queue": "backtests"},
    "marketdata.*": {"queue": "backtests"},
    "bots.*": {"queue": "bots"},
}
CELERY_TASK_ACKS_LATE = True
# Without it a task whose pool process is killed counts as done, and is lost.
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 2.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 4
# The default restores the tasks of a dead worker only every 100 s.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
}
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# The way of events to browsers. Keys of its own beside Celery's; the queue of each web process holds a
# minute of a busy fleet, and a socket joins its groups every five seconds.
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # Longer than the five seconds for which the layer waits on Redis for a message.
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 2, "socket_timeout": 10}],
            "prefix": "tradingsite.live",
            "capacity": 1000,
            "expiry": 10,
            "group_expiry": 30,
        },
    }
}

# --- the API

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_RENDERER_CLASSES": ["tradingsite.api.envelope.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tradingsite.api.parsers.StrictJSON"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tradingsite.api.authentication.BearerToken",
        "tradingsite.api.authentication.Session",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tradingsite.api.permissions.ByMatrix"],
    "DEFAULT_THROTTLE_CLASSES": ["tradingsite.api.throttles.FairShare"],
    "DEFAULT_PAGINATION_CLASS": "tradingsite.api.pagination.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "tradingsite.api.schema.Schema",
    # OPTIONS would describe serializers we do not have; /api/v1/schema describes everything.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "tradingsite.api.exceptions.handle",
    # ?format= is a question to the view (which form of a schema, which kind of file), not to the framework.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "COERCE_DECIMAL_TO_STRING": True,
}
# What one user or token may ask for in a minute, of each process; 0: no limit.
API_READS_PER_MINUTE = int(DEPLOYMENT.get("API_READS_PER_MINUTE") or 6_000)
API_WRITES_PER_MINUTE = int(DEPLOYMENT.get("API_WRITES_PER_MINUTE") or 1_200)
SPECTACULAR_SETTINGS = {
    "TITLE": "tradingsite",
    "DESCRIPTION": "Trading bots, their configuration, market data and backtests.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["tradingsite.api.permissions.ByMatrix"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # Two fields are called mode, of an import and of a broker account.
    "ENUM_NAME_OVERRIDES": {"ImportMode": ["merge", "replace"], "TradingMode": ["paper", "live"]},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tradingsite.api.examples.give_examples",
        "tradingsite.api.schema.describe_envelope",
    ],
}

# --- pages and files

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = STATE_DIR / "staticfiles"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "tradingsite.access.backends.RolePermissions",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# --- what browsers are told

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "object-src": [CSP.NONE],
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = DEPLOYMENT.items("CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "tradingsite.api.plain.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = False  # the pages' own script reads it for the API
CSRF_COOKIE_SAMESITE = "Lax"

# --- logs

LOG_LEVEL = DEPLOYMENT["TRADINGSITE_LOG_LEVEL"]
_format = DEPLOYMENT["TRADINGSITE_LOG_FORMAT"]
_is_json = _format == "json" or (_format == "auto" and DEPLOYMENT["TRADINGSITE_ENVIRONMENT"] != "dev")
logs.configure_structlog()
LOGGING = logs.settings(level=LOG_LEVEL, is_json=_is_json)
