"""The matrix, held against every request for a page; the API holds it against itself, where it knows tokens."""

from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed

from tradingsite.access import judging, matrix
from tradingsite.access.errors import NotGranted

_API: Final = "/api/"


class Gate:
    """A middleware: a page is shown to whom the matrix names; strangers are led to the login.

    A method without an entry is answered 405, an address without one 403.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.process_view: Callable[..., Any] = self._judge
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view = self._judge_async

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    async def _judge_async(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        # Who asks is in the database; what is open to everybody must answer without it.
        if _is_judged_elsewhere(request):
            return None
        return await sync_to_async(self._judge)(request, *view)

    def _judge(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        if _is_judged_elsewhere(request):
            return None
        route = _route(request)
        if not request.user.is_authenticated:
            login = "admin:login" if route.startswith("admin:") else None
            return redirect_to_login(request.get_full_path(), login)
        if matrix.MATRIX.get(route) and matrix.need_of(route, str(request.method)) is None:
            return HttpResponseNotAllowed(sorted(matrix.MATRIX[route]))
        try:
            judging.refuse(request.user, None, route, str(request.method))
        except NotGranted as refused:
            raise PermissionDenied(refused.message) from refused
        return None


def _is_judged_elsewhere(request: HttpRequest) -> bool:
    return request.path.startswith(_API) or matrix.is_open_to_anybody(_route(request), str(request.method))


def _route(request: HttpRequest) -> str:
    return request.resolver_match.view_name if request.resolver_match else ""
