"""An example of every request and answer of configuration: one story, the leverage and stops of BTCUSDT.

Answers are shortened where a real one lists every parameter. A test holds each to its description.
"""

from typing import Any, Final

_WHEN: Final = "2026-11-21T04:00:00Z"
_FRESH: Final = {"cache_hit": True, "load_time_ms": 0.241, "is_degraded": False}
_GLOBAL: Final = {"kind": "global"}
_LONG: Final = {"kind": "symbol_side", "symbol": "BTCUSDT", "side": "LONG"}
_DEFAULT: Final = {"scope": "default"}
_SET_GLOBALLY: Final = {"scope": "global", "version": 41}
_SET_LONG: Final = {"scope": "symbol_side", "symbol": "BTCUSDT", "side": "LONG", "version": 42}
_HASH: Final = "9f2c1d70" + "0" * 56
REASON: Final = "Calmer market after the halving"

SCOPE_METADATA: Final = {"action": "get", "scope": _LONG}
CONFIGURATION: Final[dict[str, Any]] = {
    "namespace": "trading",
    "symbol": "BTCUSDT",
    "side": "LONG",
    "parameters": {"leverage": 20, "position_size_pct": 0.15, "stop_loss_pct": 2.0},
    "origins": {"leverage": _SET_LONG, "position_size_pct": _SET_GLOBALLY, "stop_loss_pct": _DEFAULT},
    "version": 42,
    "scope_version": 1,
    "source": "database",
    "is_override": True,
    "created_at": _WHEN,
    "updated_at": _WHEN,
    **_FRESH,
}
CHANGE: Final = {
    "namespace": "trading",
    "scope": _LONG,
    "parameter": "leverage",
    "op": "set",
    "old": None,
    "old_version": 0,
    "new": 20,
}
_RESOLVED: Final = {"value": 20, "origin": _SET_LONG, "shadowed": [{"value": 10, "origin": _DEFAULT}]}
PREVIEW: Final[dict[str, Any]] = {
    "applies": True,
    "effects": [
        {
            "namespace": "trading",
            "parameter": "leverage",
            "scope": _LONG,
            "before": {"value": 10, "origin": _DEFAULT, "shadowed": []},
            "after": _RESOLVED,
            "reload": "next_cycle",
        }
    ],
    "effects_total": 1,
    "touched": {
        "symbols": ["BTCUSDT"],
        "sides": [{"symbol": "BTCUSDT", "side": "LONG"}],
        "bots": [
            {
                "id": "8b0f6e1c-1f0e-4c0e-9d0b-2f6f0c1d2e3f",
                "name": "Breakout",
                "strategy": "indicator_voting",
                "status": "running",
                "positions": 1,
                "orders": 0,
            }
        ],
        "positions": [{"id": "311", "symbol": "BTCUSDT", "side": "LONG", "qty": "0.02"}],
        "orders": [],
    },
    "requires_restart": [],
    "warnings": [],
    "plan_hash": "5d41402abc4b2a76b9719d911017c592" * 2,
    "gates": [],
}
SCOPE_BODY: Final = {"parameters": {"leverage": 20}, "reason": REASON, "validate_only": True}
WRITTEN: Final = {**CONFIGURATION, "changes": [CHANGE], "preview": PREVIEW}
CLEARED: Final = {**CONFIGURATION, "changes": [{**CHANGE, "op": "clear", "old": 20, "old_version": 42, "new": None}]}

PARAMETER: Final[dict[str, Any]] = {
    "name": "leverage",
    "type": "int",
    "description": "How many times its margin a position may be worth, where the broker offers leverage.",
    "default": 10,
    "min": 1,
    "max": 125,
    "step": None,
    "allowed_values": None,
    "allowed_keys": None,
    "nullable": False,
    "example": 10,
    "unit": "x",
    "group": "Order execution",
    "impact": "Less margin is set aside for each position, and liquidation comes closer.",
    "when_to_change": "Lower it on volatile symbols.",
    "risk": "critical",
    "reload": "next_cycle",
    "scopes": ["global", "symbol", "symbol_side", "bot"],
    "environment": None,
    "synonyms": ["lev", "margin multiplier"],
    "is_extra": False,
}
SCHEMA: Final = [PARAMETER]
DEFAULTS: Final = {"leverage": 10, "margin_type": "isolated", "stop_loss_pct": 2.0}
NAMESPACES: Final = [
    {
        "namespace": "trading",
        "title": "Trading",
        "description": "How signals become positions.",
        "kind": "trading",
        "scopes": ["global", "symbol", "symbol_side", "bot"],
        "is_installed": True,
        "parameter_count": 31,
        "extra_count": 6,
        "schema": "/api/v1/config/trading/schema",
        "address": "/api/v1/config/trading",
    }
]
FOUND: Final = [
    {
        "namespace": "trading",
        "parameter": "leverage",
        "score": 0.98,
        "title": "Trading",
        "about": PARAMETER,
        "explain": {"method": "GET", "path": "/api/v1/config/explain?namespace=trading&parameter=leverage"},
    }
]
_DECISION: Final = {
    "version": 42,
    "created_at": _WHEN,
    "actor": "ann",
    "on_behalf_of": None,
    "source": "api",
    "reason": REASON,
}
_EXPLAINED: Final = {
    "value": 20,
    "origin": _SET_LONG,
    "decision": _DECISION,
    "shadowed": [{"value": 10, "origin": _DEFAULT, "decision": None}],
}
RESOLVED: Final[dict[str, Any]] = {
    "namespace": "trading",
    "symbol": "BTCUSDT",
    "side": "LONG",
    "bot": None,
    "parameters": {"leverage": 20},
    "origins": {"leverage": _SET_LONG},
    "version": 42,
    "source": "database",
    **_FRESH,
    "explained": {"leverage": _EXPLAINED},
}
_UNDO: Final = {"method": "POST", "path": "/api/v1/config/rollback", "body": {"undo_version": 42, "reason": ""}}
EXPLANATION: Final[dict[str, Any]] = {
    "namespace": "trading",
    "parameter": "leverage",
    "scope": _LONG,
    **_EXPLAINED,
    "summary": f"leverage at BTCUSDT/LONG is 20 x: set at BTCUSDT/LONG by ann in version 42, because: {REASON}. "
    "Without that it would be 10 (the default).",
    "unit": "x",
    "about": {
        "description": "How many times its margin a position may be worth, where the broker offers leverage.",
        "impact": "Less margin is set aside for each position, and liquidation comes closer.",
        "when_to_change": "Lower it on volatile symbols.",
        "example": 10,
        "group": "Order execution",
        "risk": "critical",
        "reload": "next_cycle",
        "environment": None,
    },
    "limits": {
        "type": "int",
        "min": 1,
        "max": 125,
        "step": None,
        "allowed_values": None,
        "allowed_keys": None,
        "nullable": False,
    },
    "next": [
        {
            "code": "change",
            "how": "Send the new value; with validate_only true nothing is written and the effects are shown.",
            "method": "POST",
            "path": "/api/v1/config/trading/BTCUSDT/LONG",
            "body": {"parameters": {"leverage": 10}, "reason": "", "validate_only": True},
        },
        {"code": "undo", "how": "Take version 42 back.", **_UNDO},
    ],
    "version": 42,
    **_FRESH,
}
CHANGE_SET: Final[dict[str, Any]] = {
    "version": 42,
    "created_at": _WHEN,
    "kind": "set",
    "actor": {"kind": "user", "id": "7", "label": "ann"},
    "on_behalf_of": None,
    "source": "api",
    "reason": REASON,
    "request_id": "0d6c3c0f6a0f4d7c9b8e6a5d4c3b2a10",
    "base_version": 41,
    "reverts_version": None,
    "hash": _HASH,
    "changes": [CHANGE],
}
WHOLE_CHANGE_SET: Final = {
    **CHANGE_SET,
    "prev_hash": "1a" * 32,
    "catalogue": "c8" * 32,
    "undo": _UNDO,
    "restore_before": {**_UNDO, "body": {"before_version": 42, "reason": ""}},
}
DIFF: Final = {
    "from": {"version": 41},
    "to": {"version": 42},
    "differences": [
        {
            "namespace": "trading",
            "parameter": "leverage",
            "scope": _LONG,
            "before": {"value": 10, "origin": _DEFAULT},
            "after": {"value": 20, "origin": _SET_LONG},
        }
    ],
}
BATCH_BODY: Final = {
    "operations": [
        {"scope": {"symbol": "BTCUSDT", "side": "LONG"}, "parameter": "leverage", "value": 20},
        {"scope": {"symbol": "ETHUSDT"}, "namespace": "trading", "parameter": "stop_loss_pct", "clear": True},
    ],
    "reason": REASON,
}
DECIDED: Final[dict[str, Any]] = {"version": 42, "changes": [CHANGE], "changes_total": 1, "undo": _UNDO}
ROLLBACK_BODY: Final = {"undo_version": 42, "reason": "The market is not calm after all", "validate_only": True}
ROLLED_BACK: Final = {**DECIDED, "left_out": [], "preview": PREVIEW}
DOCUMENT: Final = {
    "format": "tradingsite-configuration-1",
    "header": {"version": 42, "hash": _HASH, "catalogue": "c8" * 32},
    "namespaces": {"trading": {"symbol_side:BTCUSDT/LONG": {"leverage": 20}}},
}
DOCUMENT_YAML: Final = (
    "format: tradingsite-configuration-1\n"
    f"header:\n  version: 42\n  hash: {_HASH}\n  catalogue: {'c8' * 32}\n"
    "namespaces:\n  trading:\n    symbol_side:BTCUSDT/LONG:\n      leverage: 20\n"
)
IMPORT_BODY: Final = {"document": DOCUMENT_YAML, "mode": "merge", "reason": "As tried out on the test desk"}
IMPORTED: Final = {**DECIDED, "mode": "merge", "created": 1, "updated": 0, "deleted": 0}

SECTIONS: Final[dict[str, Any]] = {
    "trading": {"active_stations": ["EGLC", "KLGA"], "edge_min": 0.05, "fee_bp": 50, "kelly_cap": 0.1},
    "probability_model": {"model_mode": "spread", "zeus_likely_pct": 0.8, "zeus_possible_pct": 0.95},
    "dynamic_trading": {"interval_seconds": 900, "lookahead_days": 2},
    "execution_mode": "paper",
    "api_keys": {"alpaca_api_key": "****7XQ2", "alpaca_secret_key": None},
}
PLATFORM: Final = {**SECTIONS, "version": 42, **_FRESH}
PLATFORM_DEFAULTS: Final = {name: value for name, value in SECTIONS.items() if name != "api_keys"}
PLATFORM_BODY: Final = {"dynamic_trading": {"interval_seconds": 600}, "reason": "Forecasts come every ten minutes"}
PLATFORM_UPDATED: Final = {
    "message": "1 updated.",
    "requires_restart": True,
    "restart_fields": ["dynamic_trading.interval_seconds"],
    "updated_fields": ["dynamic_trading.interval_seconds"],
    "config": {**SECTIONS, "dynamic_trading": {"interval_seconds": 600, "lookahead_days": 2}},
    "version": 43,
}
PLATFORM_JUDGED: Final = {
    "valid": False,
    "errors": [
        {
            "code": "out_of_range",
            "pointer": "/dynamic_trading/interval_seconds",
            "message": "interval_seconds is 5, allowed 60-3600 s.",
            "allowed": {"minimum": 60, "maximum": 3600},
            "got": 5,
        }
    ],
}
RESET_BODY: Final = {"reason": "Begin again with the documented values"}
REFRESHED: Final = {"message": "Configuration read anew.", "version": 42, **_FRESH}
HEALTH: Final[dict[str, Any]] = {
    "status": "ok",
    "version": 42,
    "store": {
        "is_confirmed": True,
        "is_degraded": False,
        "confirmed_at": _WHEN,
        "age_s": 0.001,
        "ttl_s": 60,
        "hits": 1841,
        "loads": 42,
        "hit_share": 0.978,
    },
    "catalogue": {"fingerprint": "c8" * 32, "namespaces": 12, "parameters": 128},
    "readers": [
        {
            "id": "5a4f0f0e-8a63-4d0b-a1de-0a4d6f4c2b11",
            "process": "web",
            "host": "desk",
            "pid": 4711,
            "version": 42,
            "lag": 0,
            "catalogue_fingerprint": "c8" * 32,
            "environment_fingerprint": "e3" * 32,
            "is_listening": True,
            "delay_ms": 1.9,
            "started_at": _WHEN,
            "silent_s": 2.4,
        }
    ],
    "is_lagging": False,
    "disagreements": [],
    "pending_restarts": [],
    "ledger": {
        "is_sound": True,
        "checked_at": _WHEN,
        "version": 42,
        "head_hash": _HASH,
        "first_bad_version": None,
        "finding": "",
        "took_ms": 3.2,
    },
}
STRATEGIES: Final = [
    {
        "strategy_id": "btc_dominance",
        "name": "BTC dominance",
        "description": "Buys when money moves into bitcoin, sells when it leaves it.",
        "category": "Market Logic",
        "type": "rotation",
        "is_installed": False,
        "has_global_config": True,
        "symbol_overrides": ["BTCUSDT"],
        "bot_overrides": 0,
        "parameter_count": 8,
        "extra_count": 1,
        "config": "/api/v1/strategies/btc_dominance/config",
    }
]
STRATEGY_BODY: Final = {"parameters": {"high_threshold": 65}, "reason": "Dominance rarely reaches 70 now"}
STRATEGY_CONFIGURATION: Final[dict[str, Any]] = {
    "strategy_id": "btc_dominance",
    **CONFIGURATION,
    "namespace": "btc_dominance",
    "side": None,
    "parameters": {"high_threshold": 65.0, "low_threshold": 40.0},
    "origins": {"high_threshold": {"scope": "symbol", "symbol": "BTCUSDT", "version": 42}, "low_threshold": _DEFAULT},
}
STRATEGY_WRITTEN: Final = {
    **STRATEGY_CONFIGURATION,
    "changes": [
        {
            "namespace": "btc_dominance",
            "scope": {"kind": "symbol", "symbol": "BTCUSDT"},
            "parameter": "high_threshold",
            "op": "set",
            "old": None,
            "old_version": 0,
            "new": 65.0,
        }
    ],
}
AUDIT: Final = [
    {
        "id": "42/BTCUSDT",
        "version": 42,
        "strategy_id": "btc_dominance",
        "symbol": "BTCUSDT",
        "bot": None,
        "action": "CREATE",
        "old_parameters": None,
        "new_parameters": {"high_threshold": 65.0},
        "changed_by": "ann",
        "on_behalf_of": None,
        "changed_at": _WHEN,
        "reason": "Dominance rarely reaches 70 now",
    }
]
SNAPSHOT: Final = {
    "hash": _HASH,
    "catalogue": "c8" * 32,
    "bot": {"id": "8b0f6e1c-1f0e-4c0e-9d0b-2f6f0c1d2e3f", "name": "Breakout", "symbols": ["BTCUSDT"]},
    "rows": [
        {
            "node": "BTCUSDT/LONG",
            "namespace": "trading",
            "parameter": "leverage",
            "value": 20,
            "unit": "x",
            "origin": _SET_LONG,
            "version": 42,
            "actor_label": "ann",
            "on_behalf_of": "",
            "reason": REASON,
            "created_at": _WHEN,
        }
    ],
}
