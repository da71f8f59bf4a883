"""A snapshot: every value a bot was run under, with who set it and why."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from configuration import selectors
from tradingsite.dashboard import parameters
from tradingsite.dashboard.access import page


@page
def show(request: HttpRequest, hash: str) -> HttpResponse:
    """One snapshot, one of its nodes at a time."""
    content = selectors.snapshot(hash)
    nodes = list(content["nodes"])
    wanted = request.GET.get("node", "")
    node = wanted if wanted in nodes else ""
    context = {
        "hash": hash,
        "bot": content["bot"],
        "catalogue": content["catalogue"],
        "nodes": [(one, parameters.place_of(one)) for one in nodes],
        "chosen_node": node,
        "parameters": parameters.explained(one for one in selectors.explain_snapshot(hash) if one.node == node),
    }
    return render(request, "configuration/snapshot.html", context)
