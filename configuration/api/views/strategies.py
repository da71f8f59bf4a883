"""The strategies, as document 001 has them: what each is, its parameters, its configuration, its audit."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import selectors, store
from configuration.api import examples, output
from configuration.api.requests import places, query
from configuration.api.schemas import answers, bodies
from configuration.api.schemas.describing import (
    ABSENT,
    CLEARING,
    CLEARS,
    CONDITIONS,
    GETS,
    MERGES,
    REFUSED,
    REPLACES,
    WRITE_REFUSED,
    chosen,
    described,
    named,
)
from configuration.api.views.base import ConfigurationView, answer, unchanged, versioned
from configuration.api.views.namespaces import NamespaceDefaults, NamespaceSchema
from configuration.api.views.scopes import ScopeView
from configuration.catalogue import CATALOGUE, Namespace
from configuration.image import Image
from configuration.scopes import GLOBAL, symbol_scope

LARGEST_AUDIT = 1000


class Strategies(ConfigurationView):
    """Every strategy, installed or declared ahead of its code, and where it is overridden."""

    @described(answer=answers.Strategy(many=True), example=examples.STRATEGIES, reads=chosen("If-None-Match"))
    def get(self, request: Request) -> HttpResponseBase:
        query.read(request, {})
        image = store.read().image
        known = [_strategy_output(about, image) for about in CATALOGUE.strategies()]
        return unchanged(request, image) or versioned(image, answer(known, total=len(known)))


class StrategySchema(NamespaceSchema):
    """Every parameter of a strategy with its type, limits, unit and words."""

    def named(self) -> Namespace:
        return places.strategy_of(self.kwargs["strategy_id"])


class StrategyDefaults(NamespaceDefaults):
    """The default of every parameter of a strategy."""

    def named(self) -> Namespace:
        return places.strategy_of(self.kwargs["strategy_id"])

    def named_in_metadata(self, about: Namespace) -> dict[str, Any]:
        return {"strategy_id": about.name, "strategy_name": about.title}


@extend_schema_view(
    get=described(
        answer=answers.Configuration,
        example=examples.STRATEGY_CONFIGURATION,
        reads=chosen("If-None-Match"),
        refused={404: ABSENT, 422: REFUSED},
        description=GETS,
    ),
    post=described(
        body=bodies.ScopeBody,
        body_example=examples.STRATEGY_BODY,
        answer=answers.ConfigurationWritten,
        example=examples.STRATEGY_WRITTEN,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
        description=MERGES,
    ),
    put=described(
        body=bodies.ScopeBody,
        body_example=examples.STRATEGY_BODY,
        answer=answers.ConfigurationWritten,
        example=examples.STRATEGY_WRITTEN,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
        description=REPLACES,
    ),
    delete=described(
        answer=answers.ConfigurationWritten,
        example=examples.STRATEGY_WRITTEN,
        reads=(*CLEARING, *CONDITIONS),
        refused=WRITE_REFUSED,
        description=CLEARS,
    ),
)
class StrategyConfiguration(ScopeView):
    """A strategy's configuration: global, or of one symbol."""

    def named(self) -> str:
        return places.strategy_of(self.kwargs["strategy_id"]).name

    def named_in_answer(self) -> dict[str, Any]:
        return {"strategy_id": self.named()}


class StrategyAudit(ConfigurationView):
    """Who changed a strategy's configuration, when and why, newest first, each scope before and after."""

    @described(
        answer=answers.AuditEntry(many=True),
        example=examples.AUDIT,
        reads=(
            *chosen("symbol"),
            named("limit", "How many at most, 1 to 1000; 100 where it is left out.", int),
        ),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request, strategy_id: str) -> Response:
        about = places.strategy_of(strategy_id)
        asked = query.read(request, {"symbol": query.upper, "limit": query.whole(1, LARGEST_AUDIT)})
        if asked["symbol"]:
            places.scope_of_query(asked)
        rows = selectors.audit(about.name, symbol=asked["symbol"] or "", limit=asked["limit"] or 100)
        return answer([output.audit_output(row) for row in rows], total=len(rows), strategy_name=about.title)


def _strategy_output(about: Namespace, image: Image) -> dict[str, Any]:
    overridden = {scope for owner, scope in image.places() if owner == about.name}
    return {
        "strategy_id": about.name,
        "name": about.title,
        "description": about.description,
        "category": about.category,
        "type": about.style,
        "is_installed": about.is_installed,
        "has_global_config": GLOBAL in overridden,
        "symbol_overrides": sorted(scope.symbol for scope in overridden if scope == symbol_scope(scope.symbol)),
        "bot_overrides": sum(scope.kind == "bot" for scope in overridden),
        "parameter_count": len(about.documented),
        "extra_count": len(about.extras),
        "config": output.address_of(about.name, GLOBAL),
    }
