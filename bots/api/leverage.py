"""Leverage over HTTP: what is wanted and what is in force; bring them together, or set one by hand."""

from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from bots.api import output
from bots.api.query import Query
from bots.api.views import actor_of, seen_by
from bots.selectors import leverage as selected
from bots.services import leverage
from configuration.api.requests import body
from configuration.api.schemas.describing import ABSENT, BARRED, REFUSED, chosen, described, named
from configuration.api.schemas.shapes import NULLABLE, OPTIONAL, flag, instant, several, shape, text, whole, words
from engine.domain.errors import Fault, InputError

_COUNT: Final = {"min_value": 0}
_STATUS: Final[dict[str, Any]] = {
    "account": text("The broker account's id."),
    "broker": text(),
    "mode": words("", "paper", "live"),
    "bot": text("The id of the bot that trades in it."),
    "bot_name": text(),
    "symbol": text(),
    "target": whole("The parameter leverage as it resolves for this bot and symbol now."),
    "configured": whole("What was asked of the broker last; null: nothing yet.", **NULLABLE),
    "actual": whole("In force at the broker; null: never told.", **NULLABLE),
    "in_doubt": flag("A call's answer never came: actual may be another."),
    "synced": flag("actual is known and equal to configured."),
    "offered": flag("Whether the broker has leverage for this symbol."),
    "note": text("'not offered by this broker', or empty."),
    "last_sync_at": instant(**NULLABLE),
    "last_sync_success": flag(**NULLABLE),
    "last_sync_error": text("The broker's words, after their code."),
    "forced_at": instant("When somebody last set it by hand.", **NULLABLE),
    "forced_by": text(),
    "forced_reason": text(),
    "updated_at": instant(**NULLABLE),
}
Status = shape("LeverageStatus", "The leverage of one symbol in one account.", **_STATUS)
Outcome = shape(
    "LeverageOutcome",
    "What came of one symbol.",
    account=text(),
    symbol=text(),
    leverage=whole("What was to be in force."),
    outcome=words("A mismatch stops no trade.", *leverage.Outcome),
    error=text("Why it is not in force; empty where it is."),
)
Synced = shape(
    "LeverageSynced",
    "total = synced + failed + not_offered.",
    total=whole(**_COUNT),
    synced=whole(**_COUNT),
    failed=whole(**_COUNT),
    not_offered=whole(**_COUNT),
    results=several(Outcome()),
)
Force = shape(
    "LeverageForce",
    "Set the leverage of one symbol now, whatever is configured.",
    leverage=whole("1 to 125.", min_value=1, max_value=125),
    reason=text("Why; kept with the status.", max_length=2000),
    account=text("Which account, where several trade the symbol.", **OPTIONAL, **NULLABLE),
)

_ACCOUNT: Final = "6b1f7c8e-0c55-4b1d-9a55-3f1f6d1f2b10"
_EXAMPLE: Final[dict[str, Any]] = {
    "account": _ACCOUNT,
    "broker": "simulated",
    "mode": "paper",
    "bot": "0f9d3c52-6a43-4a5f-8a8f-6c1b7f6b0d21",
    "bot_name": "Two voters",
    "symbol": "BTCUSDT",
    "target": 20,
    "configured": 20,
    "actual": 10,
    "in_doubt": False,
    "synced": False,
    "offered": True,
    "note": "",
    "last_sync_at": "2026-11-21T04:00:00Z",
    "last_sync_success": False,
    "last_sync_error": "open_position: Leverage cannot be reduced with an open position.",
    "forced_at": None,
    "forced_by": "",
    "forced_reason": "",
    "updated_at": "2026-11-21T04:00:00Z",
}
_FORCED: Final = {
    **_EXAMPLE,
    "configured": 5,
    "actual": 5,
    "synced": True,
    "last_sync_success": True,
    "last_sync_error": "",
    "forced_at": "2026-11-21T04:00:00Z",
    "forced_by": "ann",
    "forced_reason": "Less risk over the weekend",
}
_OUTCOME: Final = {"account": _ACCOUNT, "symbol": "BTCUSDT", "leverage": 20, "outcome": "in_force", "error": ""}
_SYNCED: Final = {"total": 1, "synced": 1, "failed": 0, "not_offered": 0, "results": [_OUTCOME]}
_FORCING: Final = {
    "leverage": body.Field((object,)),
    "reason": body.Field((str,), "", longest=2000),
    "account": body.Field((str,), "", longest=36),
}
_SAYS_NO: Final = "The broker refused, or has no leverage for the symbol; the record is as it was."
_SILENT: Final = (
    "The broker did not answer: the leverage may be set, or not. The record is in doubt until the next sync."
)


class LeverageList(GenericAPIView[Any]):
    """The leverage of every symbol that the caller's bots trade: wanted now, asked for last, and in force."""

    filter_backends = ()

    @described(
        answer=Status(many=True),
        example=[_EXAMPLE],
        reads=(
            *chosen("symbol", "page", "page_size"),
            named("synced", "Only those in force, or only the others.", bool),
        ),
        operation_id="leverage_list",
    )
    def get(self, request: Request) -> Response:
        query = Query(request, pages_of=self)
        symbol, synced = query.symbol(), query.flag("synced")
        query.refuse_faults()
        found = [
            shown
            for shown in map(output.leverage_output, selected.in_use(owner_id=seen_by(request)))
            if symbol in (None, shown["symbol"]) and synced in (None, shown["synced"])
        ]
        return self.get_paginated_response(self.paginate_queryset(found))


class ForceLeverage(GenericAPIView[Any]):
    """Set the leverage of one symbol at its broker now. The next sync brings back what is configured."""

    pagination_class = None

    @described(
        body=Force,
        body_example={"leverage": 5, "reason": "Less risk over the weekend"},
        answer=Status,
        example=_FORCED,
        refused={403: BARRED, 404: ABSENT, 409: _SAYS_NO, 422: REFUSED, 502: _SILENT},
        operation_id="leverage_force",
    )
    def post(self, request: Request, symbol: str) -> Response:
        given = body.read(request, _FORCING)
        account_id, faults = _account(given["account"])
        faults = (*given.faults, *faults, *leverage.force_faults(given["leverage"], given["reason"]))
        if faults:
            raise InputError("The leverage was not set.", faults=faults)
        use = selected.one_in_use(symbol.upper(), account_id=account_id, owner_id=seen_by(request))
        status = leverage.force_leverage(
            account=use.account,
            symbol=use.symbol,
            leverage=given["leverage"],
            actor=actor_of(request),
            reason=given["reason"],
            now=timezone.now(),
        )
        return Response(output.leverage_output(use._replace(status=status)))


class SyncLeverage(GenericAPIView[Any]):
    """Ask the brokers for the configured leverage wherever it is not known to be in force."""

    pagination_class = None

    @described(answer=Synced, example=_SYNCED, operation_id="leverage_sync")
    def post(self, request: Request) -> Response:
        body.refuse_fields(request)
        uses = selected.in_use(owner_id=seen_by(request))
        return Response(output.leverage_synced(leverage.sync_all(uses, now=timezone.now())))


def _account(given: str | None) -> tuple[UUID | None, tuple[Fault, ...]]:
    if not given:
        return None, ()
    try:
        return UUID(given), ()
    except ValueError:
        return None, (Fault("invalid_type", "/account", f"account is {given!r}, not an id.", "uuid", given),)
