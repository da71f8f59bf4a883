"""The search behind Ctrl-K."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from configuration import store
from tradingsite.dashboard import palette, places
from tradingsite.dashboard.access import owner_seen_by, page


@page
def find(request: HttpRequest) -> HttpResponse:
    """What a few words lead to, in the API's envelope."""
    image = store.current()
    known = places.known(image, owner_id=owner_seen_by(request))
    hits = palette.found(request.GET.get("q", ""), image, known)
    return JsonResponse({"success": True, "data": [hit._asdict() for hit in hits], "metadata": {}})
