"""How events are logged: JSON for machines, lines for people, secrets for nobody.

Everything goes to standard output; the supervisor (or the container) keeps and rotates it.
"""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAME = re.compile(
    r"secret|password|passwd|token|api_?key|authorization|cookie|credential|dsn|_key$|^key$", re.I
)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z+]+://[^:/@\s]*):[^@/\s]+@")
_HIDDEN = "****"
# Everything a terminal obeys instead of showing, but for the ends of lines and tabs of a trace.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Event = MutableMapping[str, Any]


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Masks values by the name of their key, at any depth, and passwords inside addresses."""
    for name, value in event.items():
        if name != "exc_info":  # rendered by the last processor, which needs the exception itself
            event[name] = _hidden(name, value)
    return event


def _hidden(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) and value not in (None, "", True, False):
        return _HIDDEN
    if isinstance(value, dict):
        return {key: _hidden(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden("", item) for item in value]
    return _URL_PASSWORD.sub(r"\g<head>:****@", value) if isinstance(value, str) else value


def drop_colours(_logger: Any, _method: str, event: Event) -> Event:
    """Removes uvicorn's second copy of its message, painted for a terminal."""
    event.pop("color_message", None)
    return event


def disarm(_logger: Any, _method: str, line: str) -> str:
    """Spells out control characters: what strangers sent is read in a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    drop_colours,
    structlog.processors.StackInfoRenderer(),
]


def configure_structlog() -> None:
    """Routes structlog through the standard library, so that Django's and our events look alike."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def settings(*, level: str, is_json: bool) -> dict[str, Any]:
    """Django's LOGGING."""
    last: list[Any] = (
        [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.JSONRenderer(),
        ]
        if is_json
        # No time: the platform's log stamps every line, and a terminal shows now.
        else [
            hide_secrets,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            disarm,
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {
            "standard_output": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "event",
            }
        },
        "root": {"handlers": ["standard_output"], "level": level},
        "loggers": {
            # Our own line per request says the same with the request id.
            "uvicorn.access": {"handlers": [], "propagate": False},
            "uvicorn.error": {"level": level, "handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": False},
            # Answered and logged by the exception handler; Django would log 4xx a second time.
            "django.request": {"level": "ERROR"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_structlog": {"level": "WARNING"},
            "numba": {"level": "WARNING"},
        },
    }
