"""The admin's permissions, read off the matrix: no rows to keep in step with it."""

from typing import Any, Final

from django.contrib.auth.backends import BaseBackend

from tradingsite.access import judging, matrix

_PAGE_OF: Final = {
    "view": ("changelist", "GET"),
    "add": ("add", "POST"),
    "change": ("change", "POST"),
    "delete": ("delete", "POST"),
}


class RolePermissions(BaseBackend):
    """``user.has_perm("bots.change_bot")`` asks whether the role opens that page of the admin. Signs nobody in."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        app, _, codename = perm.partition(".")
        action, _, model = codename.partition("_")
        if f"{app}_{model}" not in matrix.ADMIN_MODELS or action not in _PAGE_OF:
            return False
        page, method = _PAGE_OF[action]
        return judging.may(user_obj, f"admin:{app}_{model}_{page}", method)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """True where one of the app's models may be looked at."""
        models = (name.partition("_")[2] for name in matrix.ADMIN_MODELS if name.startswith(f"{app_label}_"))
        return any(self.has_perm(user_obj, f"{app_label}.view_{model}") for model in models)
