"""Who may use which address with which method. What stands here for no role is open to no role.

A route that has no entry is closed to everybody, and a test names it; docs/access.md is printed from here.
"""

from typing import Final, NamedTuple

from tradingsite.access.roles import Role


class Need(NamedTuple):
    """What opens a door: at least this role (NONE: strangers too), and in a token this scope."""

    role: Role
    scope: str = ""

    def __str__(self) -> str:
        who = self.role.word if self.role else "anybody"
        return f"{who}, {self.scope}" if self.scope else who


Doors = dict[str, Need]

_ANYBODY: Final = Need(Role.NONE)
_READ: Final = Need(Role.VIEWER, "read")
_CONFIGURE: Final = Need(Role.OPERATOR, "configure")
_TRADE: Final = Need(Role.OPERATOR, "trade")
_OWN_TOKENS: Final = Need(Role.VIEWER, "admin")

_READING: Final[Doors] = {"GET": _READ}
# A POST that computes and keeps nothing: schema, plan, preview.
_ASKING: Final[Doors] = {"POST": _READ}
# Whether a change is within the grant is judged inside, parameter by parameter and scope by scope.
_CHANGING: Final[Doors] = {"POST": _CONFIGURE}
_READ_AND_CHANGE: Final[Doors] = {"GET": _READ, "POST": _CONFIGURE}
_SCOPE: Final[Doors] = {"GET": _READ, "POST": _CONFIGURE, "PUT": _CONFIGURE, "DELETE": _CONFIGURE}
_STEERING: Final[Doors] = {"POST": _TRADE}
_STEERING_RISK: Final[Doors] = {"POST": Need(Role.RISK_ADMIN, "trade")}

_API: Final[dict[str, Doors]] = {
    "schema": _READING,
    # configuration: the platform by section
    "config-platform": {"GET": _READ, "PUT": _CONFIGURE},
    "config-platform-validate": _ASKING,
    "config-platform-reload": _CHANGING,
    "config-platform-reset": _CHANGING,
    "config-platform-defaults": _READING,
    # configuration: every namespace together
    "config-namespaces": _READING,
    "config-search": _READING,
    "config-resolve": _READING,
    "config-explain": _READING,
    "config-changes": _READING,
    "config-change": _READING,
    "config-diff": _READING,
    "config-rollback": _CHANGING,
    "config-batch": _CHANGING,
    "config-export": _READING,
    "config-import": _CHANGING,
    "config-health": _READING,
    "config-cache-refresh": _CHANGING,
    "snapshot": _READING,
    # configuration: one namespace
    "config-schema": _READING,
    "config-defaults": _READING,
    "config-global": _SCOPE,
    "config-symbol": _SCOPE,
    "config-symbol-side": _SCOPE,
    "namespace-schema": _READING,
    "namespace-defaults": _READING,
    "namespace-global": _SCOPE,
    "namespace-symbol": _SCOPE,
    # configuration: the strategies
    "strategies": _READING,
    "strategies-cache-refresh": _CHANGING,
    "strategy-schema": _READING,
    "strategy-defaults": _READING,
    "strategy-global": _SCOPE,
    "strategy-symbol": _SCOPE,
    "strategy-audit": _READING,
    # market data
    "instruments": _READING,
    "datasets": _READ_AND_CHANGE,
    "dataset": _READING,
    "dataset-bars": _READING,
    "dataset-studies": _CHANGING,
    "studies": _READING,
    "study": _READING,
    # bots
    "api-bots": _READ_AND_CHANGE,
    "api-bot": {"GET": _READ, "PUT": _CONFIGURE, "DELETE": _CONFIGURE},
    "api-bot-start": _STEERING,
    "api-bot-stop": _STEERING,
    "api-bot-pause": _STEERING,
    "api-bot-resume": _STEERING,
    "api-live": _READING,
    "api-live-bot": _READING,
    "api-trades": _READING,
    "api-trades-stats": _READING,
    "api-trade": _READING,
    "api-positions": _READING,
    "api-position": _READING,
    "api-position-close": _STEERING,
    "api-decisions": _READING,
    "api-decision": _READING,
    "api-orders": _READING,
    "api-order": _READING,
    "api-summary": _READING,
    "api-market-status": _READING,
    "api-market-data": _READING,
    "api-leverage": _READING,
    "api-leverage-sync": _STEERING_RISK,
    "api-leverage-force": _STEERING_RISK,
    # backtests
    "api-backtests": _READ_AND_CHANGE,
    "api-backtest": _READING,
    "api-backtest-cancel": _CHANGING,
    "api-backtest-equity": _READING,
    "api-backtest-candles": _READING,
    "api-backtest-trades": _READING,
    "api-backtest-fills": _READING,
    "api-backtest-orders": _READING,
    "api-backtest-decisions": _READING,
    "api-backtest-decision": _READING,
    # access
    "api-tokens": {"GET": _OWN_TOKENS, "POST": _OWN_TOKENS},
    "api-token": {"DELETE": _OWN_TOKENS},
}

_SEE: Final = Need(Role.VIEWER)
_DO: Final = Need(Role.OPERATOR)
_RUN: Final = Need(Role.OWNER)

_PAGES: Final[dict[str, Doors]] = {
    "login": {"GET": _ANYBODY, "POST": _ANYBODY},
    "logout": {"POST": _ANYBODY},
    "healthz": {"GET": _ANYBODY},
    "ready": {"GET": _ANYBODY},
    "health": {"GET": _ANYBODY},
    "docs": {"GET": _SEE},
    "pages:credits": {"GET": _ANYBODY},
    "pages:overview": {"GET": _SEE},
    "pages:bots": {"GET": _SEE},
    "pages:bot": {"GET": _SEE, "POST": _DO},
    "pages:bot-curve": {"GET": _SEE},
    "pages:bot-decision": {"GET": _SEE},
    "pages:backtests": {"GET": _SEE},
    "pages:backtest": {"GET": _SEE},
    "pages:backtest-curve": {"GET": _SEE},
    "pages:backtest-cancel": {"POST": _DO},
    "pages:decision": {"GET": _SEE},
    "pages:datasets": {"GET": _SEE},
    "pages:dataset": {"GET": _SEE},
    "pages:dataset-import": {"GET": _DO, "POST": _DO},
    "pages:snapshot": {"GET": _SEE},
    "pages:config-cockpit": {"GET": _SEE},
    "pages:config-time": {"GET": _SEE, "POST": _DO},
    "pages:config-import": {"GET": _SEE, "POST": _DO},
    "pages:config-effective": {"GET": _SEE},
    "pages:config-changes": {"GET": _SEE},
    "pages:config-change": {"GET": _SEE, "POST": _DO},
    "pages:config-search": {"GET": _SEE},
    "pages:config-edit": {"GET": _SEE, "POST": _DO},
    "pages:config-matrix": {"GET": _SEE, "POST": _DO},
}


class Rows(NamedTuple):
    """Who may do what with the rows of one model in the admin; None: nobody, owners included."""

    read: Need
    add: Need | None = None
    change: Need | None = None
    delete: Need | None = None
    act: Need | None = None  # on rows chosen in the list, where that is not a change


_LEDGER: Final = Rows(_SEE)
_OWNERS: Final = Rows(_RUN, _RUN, _RUN, _RUN)

ADMIN_MODELS: Final[dict[str, Rows]] = {
    "access_apitoken": Rows(_SEE, add=_SEE, act=_SEE),
    "access_scopepattern": _OWNERS,
    "auth_group": _OWNERS,
    "auth_user": _OWNERS,
    # Deleting is clearing the scope, which is a change like another.
    "configuration_globalconfiguration": Rows(_SEE, change=_DO, delete=_DO),
    "configuration_symbolconfiguration": Rows(_SEE, add=_DO, change=_DO, delete=_DO),
    "configuration_symbolsideconfiguration": Rows(_SEE, add=_DO, change=_DO, delete=_DO),
    "configuration_changeset": _LEDGER,
    "configuration_override": _LEDGER,
    "configuration_snapshot": _LEDGER,
    "marketdata_instrument": Rows(_SEE, add=_DO, change=_DO),
    "marketdata_dataset": Rows(_SEE, add=_DO, act=_DO),
    "marketdata_study": _LEDGER,
    "bots_bot": Rows(_SEE, add=_DO, change=_DO),
    "bots_enginerun": _LEDGER,
    "bots_cycle": _LEDGER,
    "bots_decision": _LEDGER,
    "bots_orderintent": _LEDGER,
    "bots_brokerorder": _LEDGER,
    "bots_fill": _LEDGER,
    "bots_position": _LEDGER,
    "bots_trade": _LEDGER,
    "bots_leveragestatus": Rows(_SEE, act=Need(Role.RISK_ADMIN)),
    "backtests_backtest": _LEDGER,
}

_ADMIN: Final[dict[str, Doors]] = {
    "admin:login": {"GET": _ANYBODY, "POST": _ANYBODY},
    "admin:logout": {"POST": _ANYBODY},
    "admin:index": {"GET": _SEE},
    "admin:app_list": {"GET": _SEE},
    "admin:jsi18n": {"GET": _SEE},
    "admin:password_change": {"GET": _SEE, "POST": _SEE},
    "admin:password_change_done": {"GET": _SEE},
    "admin:view_on_site": {"GET": _SEE},
    "admin:autocomplete": {},  # no form of ours asks it
    "admin:auth_user_password_change": {"GET": _RUN, "POST": _RUN},
    # Addresses of nothing, and of an older Django: the first is not found, the second leads to the form.
    "admin:django.contrib.admin.sites.catch_all_view": {"GET": _SEE},
    "admin:django.views.generic.base.RedirectView": {"GET": _SEE},
}


def _doors_of(model: str, rows: Rows) -> dict[str, Doors]:
    """The five pages the admin has for a model. An action of the list changes rows, so it is a POST there."""

    def doors(get: Need | None, post: Need | None) -> Doors:
        return {method: need for method, need in (("GET", get), ("POST", post)) if need is not None}

    return {
        f"admin:{model}_changelist": doors(rows.read, rows.act or rows.change or rows.delete),
        f"admin:{model}_add": doors(rows.add, rows.add),
        f"admin:{model}_change": doors(rows.read, rows.change),
        f"admin:{model}_delete": doors(rows.delete, rows.delete),
        f"admin:{model}_history": doors(rows.read, None),
    }


MATRIX: Final[dict[str, Doors]] = {
    **_API,
    **_PAGES,
    **_ADMIN,
    **{route: doors for model, rows in ADMIN_MODELS.items() for route, doors in _doors_of(model, rows).items()},
}


def need_of(route: str, method: str) -> Need | None:
    """What opens a route with a method; None where nothing does. A HEAD is a GET without its body."""
    return MATRIX.get(route, {}).get("GET" if method == "HEAD" else method)


def is_open_to_anybody(route: str, method: str) -> bool:
    """True where nobody has to sign in."""
    return need_of(route, method) == _ANYBODY
