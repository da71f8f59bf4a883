"""Whose work the pages carry."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tradingsite.dashboard.credits import credits


def show(request: HttpRequest) -> HttpResponse:
    """Open to everybody: the licences ask for it."""
    return render(request, "dashboard/credits.html", {"credits": credits()})
