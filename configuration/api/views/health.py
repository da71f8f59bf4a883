"""Whether configuration is fresh and sound, and reading it anew on demand."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import selectors, store
from configuration.api import examples
from configuration.api.output.configurations import freshness_output
from configuration.api.output.health import health_output
from configuration.api.requests import body, query
from configuration.api.schemas import answers
from configuration.api.schemas.describing import described
from configuration.api.views.base import ConfigurationView, answer, versioned
from configuration.selectors.pending import pending_restarts


class Health(ConfigurationView):
    """The store of the answering process, every live reader with its version, and the last check of the ledger."""

    @described(answer=answers.Health, example=examples.HEALTH)
    def get(self, request: Request) -> Response:
        query.read(request, {})
        fresh = selectors.freshness()
        if not fresh.is_confirmed:  # the database is away: only what this process knows
            return answer(health_output(fresh, None, ()))
        return answer(health_output(fresh, selectors.ledger_check(), pending_restarts()))


class CacheRefresh(ConfigurationView):
    """Read everything anew in the answering process. Others look at the version before each read anyway."""

    @described(answer=answers.Refreshed, example=examples.REFRESHED)
    def post(self, request: Request) -> HttpResponseBase:
        body.refuse_fields(request)
        read = store.refresh()
        data = {"message": "Configuration read anew.", "version": read.image.version, **freshness_output(read)}
        return versioned(read.image, answer(data, action="refresh"))
