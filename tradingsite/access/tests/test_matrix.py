"""Every route, every method, every kind of principal: what the matrix says is what happens.

The routes are read from the URLconf, so a new one without an entry fails here, and so does an entry without a route.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import resolve

from tests.people import a_person
from tradingsite.access import judging, matrix, routes, services
from tradingsite.access.models import SCOPES
from tradingsite.access.roles import ROLES, Role

pytestmark = pytest.mark.django_db

ROUTES = {(route.name, route.address): route for route in routes.routes()}
SAMPLES = {
    "uuid": str(UUID(int=1)),
    "int": "1",
    "str": "global",
    "path": "global",
    "slug": "global",
    "symbol": "ACME",
    "side": "LONG",
    "namespace": "bot",
    "strategy_id": "external",
    "hash": "0" * 64,
    "object_id": "1",
    "content_type_id": "1",
    "id": "1",
    "version": "1",
}
# The addresses of these are regular expressions.
BY_HAND = {"admin:app_list": "/admin/bots/", "admin:django.contrib.admin.sites.catch_all_view": "/admin/x/y"}
REFUSED = {"NOT_AUTHENTICATED", "NOT_GRANTED"}


class Principal(NamedTuple):
    """Somebody who asks: through a session, with a token, or as a stranger."""

    name: str
    role: Role = Role.NONE
    scopes: frozenset[str] | None = None
    is_staff: bool = True

    @property
    def is_stranger(self) -> bool:
        return self.name == "stranger"


PEOPLE = (
    Principal("stranger"),
    Principal("nobody"),
    *(Principal(role.word, role) for role in ROLES),
    Principal("superuser", Role.OWNER),
    Principal("viewer outside", Role.VIEWER, is_staff=False),
)
TOKENS = (
    *(Principal(f"owner's token: {scope}", Role.OWNER, frozenset({scope})) for scope in SCOPES),
    Principal("operator's token: all", Role.OPERATOR, frozenset(SCOPES)),
    Principal("viewer's token: all", Role.VIEWER, frozenset(SCOPES)),
    Principal("nobody's token: all", Role.NONE, frozenset(SCOPES)),
)


def address_of(route: routes.Route) -> str:
    found = BY_HAND.get(route.name) or re.sub(
        r"<(?:(\w+):)?(\w+)>", lambda part: SAMPLES.get(part[2]) or SAMPLES[str(part[1])], f"/{route.address}"
    )
    assert resolve(found).view_name == route.name, f"{found} is taken by {resolve(found).view_name}"
    return found


def is_api(route: routes.Route) -> bool:
    return route.address.startswith("api/")


def handles(route: routes.Route, method: str) -> bool:
    """Whether the view itself knows the method; of a page's function that cannot be seen."""
    view = getattr(route.pattern.callback, "view_class", None)
    return view is None or hasattr(view, method.lower())


def client_of(principal: Principal) -> Client:
    if principal.is_stranger:
        return Client()
    if principal.name == "superuser":
        user = User.objects.create_superuser(principal.name)
    else:
        word = principal.role.word if principal.role else ""
        user = a_person(principal.name, role=word, is_staff=principal.is_staff)
    if principal.scopes is None:
        client = Client()
        client.force_login(user)
        return client
    made = services.make_token(owner=user, name="t", scopes=list(principal.scopes), days=1, now=datetime.now(UTC))
    return Client(headers={"Authorization": f"Bearer {made.value}"})


@contextmanager
def undone() -> Iterator[list[str]]:
    """What happens inside leaves no trace in the database; the statements that write, but for sessions and last use."""
    written: list[str] = []

    def seen(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        is_noted = "django_session" in sql or 'UPDATE "access_apitoken" SET "last_used_at"' in sql
        if sql.startswith(("INSERT", "UPDATE", "DELETE", "TRUNCATE")) and not is_noted:
            written.append(sql)
        return execute(sql, *rest)

    with transaction.atomic(), connection.execute_wrapper(seen):
        yield written
        transaction.set_rollback(True)


def asked(client: Client, method: str, address: str) -> Any:
    cookies = SimpleCookie({name: one.value for name, one in client.cookies.items()})
    body = {} if method == "GET" else {"data": "{}", "content_type": "application/json"}
    answer = getattr(client, method.lower())(address, **body)
    client.cookies = cookies
    return answer


def is_refused(answer: Any, route: routes.Route) -> bool:
    """Whether the door was closed; what is refused behind it (this parameter, that state) is another matter."""
    if is_api(route):
        return answer.status_code in (401, 403) and answer.json()["error"]["code"] in REFUSED
    if answer.status_code == 302:
        return re.match(r"(/login|/admin/login/)\?next=", answer["Location"]) is not None  # signing out leads there too
    return answer.status_code in (403, 405)


def may(principal: Principal, route: routes.Route, method: str) -> bool:
    """What the matrix says, read without the code that enforces it."""
    need = matrix.MATRIX[route.name].get(method)
    if need is None:
        return False
    if need.role is Role.NONE:
        return True
    if is_api(route):
        return principal.role >= need.role and (principal.scopes is None or need.scope in principal.scopes)
    is_let_in = principal.is_staff or not route.name.startswith("admin:")
    return principal.scopes is None and principal.role >= need.role and is_let_in


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda route: f"{route.name} {route.address}"[:90])
def test_route__asked_by_everybody_with_every_method__is_open_to_those_the_matrix_names(route: routes.Route) -> None:
    assert route.name in matrix.MATRIX, f"{route.name} has no entry in tradingsite/access/matrix.py"
    address = address_of(route)
    principals = (*PEOPLE, *TOKENS) if is_api(route) else (*PEOPLE, TOKENS[0])
    clients = {principal: client_of(principal) for principal in principals}
    methods = [method for method in routes.METHODS if method in matrix.MATRIX[route.name] or handles(route, method)]
    for method in methods if is_api(route) else methods[:2]:
        for principal, client in clients.items():
            with undone() as written:
                answer = asked(client, method, address)
            said = f"{method} {address} by {principal.name}: {answer.status_code} {written}"
            assert answer.status_code < 500, said
            assert is_refused(answer, route) is not may(principal, route, method), said
            assert not (is_refused(answer, route) and written), said


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_page__asked_with_a_method_no_browser_sends__is_closed(method: str) -> None:
    client = client_of(Principal("superuser", Role.OWNER))
    pages = [route for route in ROUTES.values() if not is_api(route) and route.name not in ("login", "admin:login")]
    with undone() as written:
        codes = {route.name: asked(client, method, address_of(route)).status_code for route in pages}
    assert {name: code for name, code in codes.items() if code not in (403, 405)} == {}
    assert written == []


def test_matrix__each_entry__is_of_a_route_that_exists() -> None:
    names = {name for name, _ in ROUTES}
    assert matrix.MATRIX.keys() - names == set()
    assert len(names) > 150


def test_matrix__each_model_of_the_admin__has_an_entry() -> None:
    registered = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    assert registered == matrix.ADMIN_MODELS.keys()


def test_matrix__each_write_of_the_api__asks_for_more_than_the_scope_read() -> None:
    asking = {"config-platform-validate"}
    api = {route.name for route in ROUTES.values() if is_api(route)} - asking
    writes = [(name, method) for name in api for method in matrix.MATRIX[name] if method != "GET"]
    assert len(writes) > 20
    assert [door for door in writes if matrix.MATRIX[door[0]][door[1]].scope in ("", "read")] == []


# Said in words by the issue and the specification, and therefore not read from the matrix.
SAID = [
    ("viewer", "GET", "api-bots", True),
    ("viewer", "POST", "api-bot-start", False),
    ("viewer", "POST", "config-global", False),
    ("viewer", "POST", "config-platform-validate", True),
    ("viewer", "POST", "api-position-close", False),
    ("viewer", "GET", "admin:configuration_changeset_changelist", True),
    ("operator", "POST", "api-bot-start", True),
    ("operator", "POST", "api-position-close", True),
    ("operator", "POST", "config-global", True),
    ("operator", "POST", "config-rollback", True),
    ("operator", "POST", "config-import", True),
    ("operator", "GET", "admin:auth_user_changelist", False),
    ("risk_admin", "POST", "config-global", True),
    ("risk_admin", "GET", "admin:auth_user_changelist", False),
    ("risk_admin", "POST", "admin:access_scopepattern_add", False),
    ("owner", "POST", "admin:auth_user_add", True),
    ("owner", "POST", "admin:access_scopepattern_add", True),
    ("owner", "POST", "admin:configuration_changeset_change", False),
    ("owner", "POST", "admin:bots_fill_delete", False),
    ("", "GET", "pages:overview", False),
    ("", "GET", "api-bots", False),
]


@pytest.mark.parametrize(("role", "method", "route", "is_open"), SAID)
def test_role__for_what_the_documents_say__may_or_may_not(role: str, method: str, route: str, is_open: bool) -> None:
    assert judging.may(a_person("ann", role=role, is_staff=True), route, method) is is_open


def test_page__of_the_documents__is_what_the_code_prints() -> None:
    page = (settings.BASE_DIR / "docs" / "access.md").read_text(encoding="utf-8")
    assert routes.as_markdown() in page, "the matrix changed: manage.py access_matrix --write"


@pytest.mark.parametrize("role", ["viewer", "operator", "risk_admin", "owner"])
def test_admin__permissions_of_a_role__open_what_the_matrix_opens(role: str) -> None:
    user = a_person("ann", role=role, is_staff=True)
    assert user.has_perm("bots.view_bot")
    assert user.has_perm("bots.change_bot") is (role != "viewer")
    assert user.has_perm("auth.change_user") is (role == "owner")
    assert user.has_module_perms("auth") is (role == "owner")
    assert not user.has_perm("bots.delete_bot")
    assert not user.has_perm("bots.frobnicate_bot")
    assert not user.has_perm("sessions.view_session")


def test_admin__people_outside_the_staff__have_no_permission_there() -> None:
    assert not a_person("ann", role="owner").has_perm("bots.view_bot")
    assert apps.is_installed("tradingsite.access")


def test_refusal__of_a_role_and_a_scope__names_both_and_what_to_do() -> None:
    client = client_of(Principal("viewer's token", Role.VIEWER, frozenset({"read"})))
    error = client.post(f"/api/v1/bots/{UUID(int=1)}/start").json()["error"]
    assert error["code"] == "NOT_GRANTED"
    role, scope = error["gates"]
    assert (role["code"], role["needs"], role["has"]) == ("role_missing", "operator", "viewer")
    assert (scope["code"], scope["needs"], scope["has"]) == ("token_scope_missing", "trade", ["read"])
    assert "Ask an owner to add it to the group operator" in role["how"]


def test_page__for_somebody_without_a_role__says_what_to_ask_for() -> None:
    answer = client_of(Principal("nobody")).get("/")
    assert answer.status_code == 403
    assert "Ask an owner to add it to the group viewer" in answer.content.decode()
