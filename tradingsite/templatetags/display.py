"""How values are written on a page. The exact value always stays in the markup beside the rounded one."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

NOTHING = "\N{EN DASH}"
DAY_MS = 86_400_000
_MINUS = "\N{MINUS SIGN}"
_ACRONYMS = frozenset({"rsi", "macd", "sma", "ema", "bbands", "stoch", "obv", "usd", "qty", "k", "d", "ml", "llm"})
_NUMERAL = re.compile(r"-?\d+(\.\d+)?")
_UNITS = {"percent": "\N{NARROW NO-BREAK SPACE}%", "days": "\N{NARROW NO-BREAK SPACE}d"}


@register.filter
def number(value: Any, digits: int = 2) -> str:
    """12345.678 -> "12,345.68"; nothing -> an en dash."""
    if value is None or value == "":
        return NOTHING
    return f"{Decimal(str(value)):,.{digits}f}".replace("-", _MINUS)


@register.filter
def plain(value: Any) -> str:
    """A number without the zeros at its end: 2.50 -> "2.5", 100000 -> "100,000"."""
    if value is None or value == "":
        return NOTHING
    exact = Decimal(str(value)).normalize()
    return f"{exact:,f}".replace("-", _MINUS)


@register.filter
def words(code: Any) -> str:
    """A stable code as words: "max_daily_loss_pct" -> "Max daily loss", "rsi_period" -> "RSI period".

    The unit stands beside the value, so a name does not repeat it.
    """
    parts = [part for part in str(code).split("_") if part not in ("", "pct")]
    text = " ".join(part.upper() if part in _ACRONYMS else part for part in parts)
    return text[:1].upper() + text[1:]


@register.filter
def short(text: Any, length: int = 12) -> str:
    """The beginning of a hash or id, as much as tells two apart."""
    return str(text)[:length]


@register.filter
def moment(value: Any) -> SafeString | str:
    """A datetime, an ISO text or milliseconds, to the minute in UTC, as a <time> element."""
    at = _instant(value)
    if at is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        at.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def session(value: Any) -> SafeString | str:
    """The UTC date of an instant, as a <time> element."""
    at = _instant(value)
    return NOTHING if at is None else format_html('<time datetime="{0}">{0}</time>', at.strftime("%Y-%m-%d"))


@register.filter
def setting(value: Any) -> str:
    """The value of a parameter as a person writes it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{key} {setting(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or "none"
    # Money is stored as text, so that no float ever touches it.
    if isinstance(value, int | float | Decimal) or _NUMERAL.fullmatch(str(value)):
        return plain(value)
    return str(value)


@register.simple_tag
def figure(value: Any, kind: str = "number", digits: int = 2) -> SafeString | str:
    """A number in a <data> element whose value is exact. ``kind``:

    number; money (USD); signed; signed_money; percent and signed_percent (of a fraction: 0.1 -> 10.00 %);
    count (no decimals); days (of milliseconds).
    """
    if value is None or value == "":
        return format_html('<span class="muted" title="not defined">{}</span>', NOTHING)
    exact = Decimal(str(value))
    shown = exact * 100 if kind.endswith("percent") else exact / DAY_MS if kind == "days" else exact
    text = f"{abs(shown):,.{0 if kind == 'count' else digits}f}"
    sign = _sign(shown, always=kind.startswith("signed"))
    unit = _UNITS.get(kind.removeprefix("signed_"), "")
    direction = _direction(exact) if kind.startswith("signed") else ""
    return format_html('<data value="{}" class="{}">{}{}{}</data>', str(value), direction, sign, text, unit)


def _sign(value: Decimal, *, always: bool) -> str:
    if value < 0:
        return _MINUS
    return "+" if always and value > 0 else ""


def _direction(value: Decimal) -> str:
    return "up arrow" if value > 0 else "down arrow" if value < 0 else ""


def _instant(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return datetime.fromtimestamp(int(value) / 1000, UTC)
