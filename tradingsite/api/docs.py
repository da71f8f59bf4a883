"""The description of the API as a page one can try it on: Swagger UI, its files served by us."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def show(request: HttpRequest) -> HttpResponse:
    """Every address with its parameters, bodies and examples; what is tried is done in the reader's own name."""
    return render(request, "api/docs.html")
