"""Who may: what the matrix of roles and routes says, and nobody where it says nothing."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tradingsite.access import judging, matrix


class ByMatrix(BasePermission):
    """The default of the whole API. A method the view does not know is left to its 405."""

    def has_permission(self, request: Request, view: Any) -> bool:
        match = request.resolver_match
        route, method = (match.view_name if match else ""), str(request.method)
        if matrix.is_open_to_anybody(route, method):
            return True
        if not request.user.is_authenticated:
            return False
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True
        judging.refuse(request.user, request.auth, route, method)
        return True
