"""Scopes as JSON, and the address at which each is read and written."""

from urllib.parse import quote

from configuration.catalogue import CATALOGUE
from configuration.scopes import Scope
from configuration.services import gating

API = "/api/v1"


def scope_output(scope: Scope) -> dict[str, str]:
    """A scope without its absent parts, as the gates of a refusal name it too."""
    return gating.scope_json(scope)


def address_of(namespace: str, scope: Scope) -> str:
    """Where the scope of a namespace is read and written. A bot's own values belong to the bot."""
    if scope.bot:
        return f"{API}/bots/{quote(scope.bot, safe='')}"
    parts = "".join(f"/{quote(part, safe='')}" for part in (scope.symbol, scope.side) if part)
    return f"{_root_of(namespace)}{parts}"


def schema_address(namespace: str) -> str:
    """Where the parameters of a namespace are described."""
    if _is_strategy(namespace):
        return f"{API}/strategies/{namespace}/schema"
    return f"{API}/config/{namespace}/schema"


def _root_of(namespace: str) -> str:
    return f"{API}/strategies/{namespace}/config" if _is_strategy(namespace) else f"{API}/config/{namespace}"


def _is_strategy(namespace: str) -> bool:
    return namespace in CATALOGUE.namespaces() and CATALOGUE.about(namespace).kind == "strategy"
