"""Who may: everybody logged in reads, staff writes."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class StaffWrites(BasePermission):
    """The default of the whole API, until roles refine it."""

    message = "Reading is open to everybody logged in; changing anything needs a staff account."

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        return request.method in SAFE_METHODS or user.is_staff
