"""Lists come in pages of up to 500; a page number that is none is a fault, not a guess."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from engine.domain.errors import Fault, InputError

DEFAULT_SIZE = 50
LARGEST_SIZE = 500
# Beyond this PostgreSQL would count rows nobody reads; a filter serves better.
LAST_PAGE = 1_000_000


class Pages(BasePagination):
    """``?page=1&page_size=50``; the answer carries ``metadata.pagination``.

    A page beyond the last is empty: rows may have gone since the caller counted.
    """

    page = 1
    page_size = DEFAULT_SIZE
    total = 0

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any]:
        """The rows of the page asked for.

        Raises: InputError (VALIDATION_ERROR) naming page, page_size or both.
        """
        faults = self.faults(request)
        if faults:
            raise InputError("The page asked for does not exist.", faults=faults)
        self.total = queryset.count() if isinstance(queryset, QuerySet) else len(queryset)
        first = (self.page - 1) * self.page_size
        return list(queryset[first : first + self.page_size]) if first < self.total else []

    def faults(self, request: Request) -> list[Fault]:
        """What is wrong with the page asked for; a view that judges a query as a whole adds its own."""
        faults: list[Fault] = []
        self.page = _number(request, "page", 1, LAST_PAGE, faults)
        self.page_size = _number(request, "page_size", DEFAULT_SIZE, LARGEST_SIZE, faults, alias="pageSize")
        return faults

    def get_paginated_response(self, data: Any) -> Response:
        response = Response(data)
        response.metadata = {"pagination": self.facts()}  # type: ignore[attr-defined]  # read by the renderer
        return response

    def facts(self) -> dict[str, int | bool]:
        """What ``metadata.pagination`` says."""
        pages = max(1, -(-self.total // self.page_size))
        return {
            "page": self.page,
            "page_size": self.page_size,
            "total": self.total,
            "pages": pages,
            "has_next": self.page < pages,
            "has_previous": self.page > 1,
        }

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter("page", "Which page.", LAST_PAGE, 1),
            _parameter("page_size", "Rows per page.", LARGEST_SIZE, DEFAULT_SIZE),
        ]


def _number(request: Request, name: str, default: int, most: int, faults: list[Fault], *, alias: str = "") -> int:
    text = request.query_params.get(name, request.query_params.get(alias))
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most:
        return int(text)
    message = f"{name} is {text[:40]!r}, allowed is a whole number from 1 to {most}"
    faults.append(Fault("out_of_range", f"/{name}", message, [1, most], text))
    return default


def _parameter(name: str, description: str, most: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
