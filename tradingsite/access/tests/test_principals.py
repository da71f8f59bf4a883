"""Who a request comes from: roles give risks, groups give places, tokens never more than their owner has."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection

from configuration import ports
from configuration.actors import NOTHING, UNLIMITED
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from tests.people import a_person, with_role
from tradingsite.access import selectors
from tradingsite.access.models import ScopePattern
from tradingsite.access.roles import Role
from tradingsite.access.selectors import Token

pytestmark = pytest.mark.django_db


def a_token(*scopes: str) -> Token:
    return Token(
        "11111111-1111-1111-1111-111111111111", "agent", "abcd", frozenset(scopes), datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("role", "risks"),
    [
        ("viewer", set()),
        ("operator", {"low"}),
        ("risk_admin", {"low", "guarded", "critical"}),
        ("owner", {"low", "guarded", "critical"}),
        ("", set()),
    ],
)
def test_actor__of_each_role__may_change_its_risks(role: str, risks: set[str]) -> None:
    actor = ports.principals().actor_of(a_person("ann", role=role), None)
    assert (actor.kind, actor.label, set(actor.grant.risks)) == ("user", "ann", risks)


def test_actor__of_a_superuser__is_an_owner_everywhere() -> None:
    root = with_role(User.objects.create_superuser("root"), "viewer")
    assert selectors.role_of(root) is Role.OWNER
    assert ports.principals().actor_of(root, None).grant == UNLIMITED


def test_role__of_several_groups__is_the_strongest() -> None:
    user = a_person("ann", role="viewer")
    user.groups.add(Group.objects.get_or_create(name="risk_admin")[0], Group.objects.create(name="night shift"))
    assert selectors.role_of(user) is Role.RISK_ADMIN


def test_role__of_nobody_and_of_who_has_left__is_none() -> None:
    gone = a_person("gone", role="owner", is_active=False)
    boss = User.objects.create_superuser("boss", is_active=False)
    assert [selectors.role_of(one) for one in (AnonymousUser(), gone, boss)] == [Role.NONE] * 3


def test_standing__asked_again_of_one_request__costs_one_query(django_assert_num_queries: Any) -> None:
    user = a_person("ann", role="operator")
    with django_assert_num_queries(1):
        assert selectors.standing(user) == selectors.standing(user)


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        ((), {"global", "BTCUSD", "BTCUSD/LONG", "AAPL", "bot 7"}),
        (("*",), {"global", "BTCUSD", "BTCUSD/LONG", "AAPL", "bot 7"}),
        (("global",), {"global"}),
        (("symbol:BTC*",), {"BTCUSD", "BTCUSD/LONG"}),
        (("bot:*",), {"bot 7"}),
        (("symbol:AAPL", "bot:7"), {"AAPL", "bot 7"}),
    ],
)
def test_grant__with_patterns_of_the_groups__covers_those_places(patterns: tuple[str, ...], covered: set[str]) -> None:
    user = a_person("ann", role="operator")
    desk = Group.objects.create(name="desk")
    user.groups.add(desk)
    for pattern in patterns:
        ScopePattern.objects.create(group=desk, pattern=pattern)
    grant = ports.principals().actor_of(user, None).grant

    places: list[Scope] = [
        GLOBAL,
        symbol_scope("BTCUSD"),
        side_scope("BTCUSD", "LONG"),
        symbol_scope("AAPL"),
        bot_scope("7"),
    ]
    assert {str(scope) for scope in places if grant.covers(scope)} == covered


def test_actor__of_a_token__is_named_with_its_owner_and_has_their_grant() -> None:
    ann = a_person("ann", role="operator")
    actor = ports.principals().actor_of(ann, a_token("read", "configure"))
    assert (actor.kind, actor.id, actor.label) == ("token", a_token().id, "ann by token agent")
    assert actor.grant == ports.principals().actor_of(ann, None).grant


def test_actor__of_a_token_without_the_scope_configure__may_change_nothing() -> None:
    root = User.objects.create_superuser("root")
    assert ports.principals().actor_of(root, a_token("read", "trade", "admin")).grant == NOTHING


def test_roles__migrated_into_groups_of_any_kind__exist_once_each_and_keep_their_members() -> None:
    ann = a_person("ann", role="operator")
    Group.objects.exclude(name="operator").delete()
    Group.objects.create(name="night shift")
    roles = import_module("tradingsite.access.migrations.0002_roles")
    for _ in range(2):
        roles.make(apps, connection.schema_editor())
    names = Group.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["night shift", "operator", "owner", "risk_admin", "viewer"]
    assert selectors.role_of(User.objects.get(pk=ann.pk)) is Role.OPERATOR
