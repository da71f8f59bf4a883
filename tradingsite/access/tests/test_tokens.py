"""Tokens: shown once, kept as a fingerprint, held to scopes and time, never written anywhere."""

import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection
from django.test import Client

from engine.domain.errors import InputError
from tests.people import a_person
from tradingsite.access import recent, selectors, services
from tradingsite.access.models import ApiToken
from tradingsite.access.roles import Role

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/tokens"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nobody_is_remembered() -> None:
    recent._seen.clear()


def a_token(owner: User, *scopes: str, days: int = 30, now: datetime | None = None) -> services.Made:
    return services.make_token(
        owner=owner, name="agent", scopes=list(scopes) or ["read"], days=days, now=now or datetime.now(UTC)
    )


def bearer(value: str, scheme: str = "Bearer") -> Client:
    return Client(headers={"Authorization": f"{scheme} {value}"})


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, **body: Any) -> Any:
    return client.post(TOKENS, body, content_type="application/json")


# --- making


def test_token__made_over_the_api__is_shown_once_and_kept_as_its_hash() -> None:
    client = signed_in(a_person("ann"))
    answer = post(client, name=" nightly report ", scopes=["configure", "read"], days=7)
    made = answer.json()["data"]
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    value = made.pop("token")
    # 32 random bytes are 43 characters of base64 without padding.
    assert re.fullmatch(r"ts_[A-Za-z0-9_-]{43}", value)

    row = ApiToken.objects.get()
    assert row.digest == hashlib.sha256(value.encode()).hexdigest()
    assert (row.name, row.scopes, row.hint) == ("nightly report", ["read", "configure"], value[-4:])
    assert row.expires_at - row.created_at == timedelta(days=7)
    assert client.get(TOKENS).json()["data"] == [made]
    assert "token" not in made
    assert made["hint"] == f"…{value[-4:]}"


def test_tokens__made_one_after_another__never_resemble_each_other() -> None:
    ann = a_person("ann")
    assert len({a_token(ann).value for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, [("required", "/name"), ("empty", "/scopes")]),
        ({"name": " ", "scopes": []}, [("required", "/name"), ("empty", "/scopes")]),
        ({"name": "n" * 61, "scopes": ["read"]}, [("too_long", "/name")]),
        ({"name": 7, "scopes": "read"}, [("required", "/name"), ("empty", "/scopes")]),
        (
            {"name": "n", "scopes": ["read", "root", ["x"]]},
            [("not_a_choice", "/scopes/1"), ("not_a_choice", "/scopes/2")],
        ),
        ({"name": "n", "scopes": ["read"], "days": 91}, [("out_of_range", "/days")]),
        ({"name": "n", "scopes": ["read"], "days": 0}, [("out_of_range", "/days")]),
        ({"name": "n", "scopes": ["read"], "days": True}, [("out_of_range", "/days")]),
        ({"name": "n", "scopes": ["read"], "days": "7"}, [("out_of_range", "/days")]),
        ({"name": "n", "scopes": ["read"], "digest": "x"}, [("unknown_field", "/digest")]),
    ],
)
def test_token__asked_for_wrongly__is_not_made_and_every_fault_told(
    body: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    answer = post(signed_in(a_person("ann")), **body)
    assert answer.status_code == 422
    assert [(fault["code"], fault["pointer"]) for fault in answer.json()["error"]["details"]] == faults
    assert not ApiToken.objects.exists()


def test_token__body_that_is_no_map__is_refused() -> None:
    answer = signed_in(a_person("ann")).post(TOKENS, "[]", content_type="application/json")
    assert answer.status_code == 422


def test_token__made_by_a_token__has_no_scope_its_maker_lacks() -> None:
    client = bearer(a_token(a_person("ann"), "admin", "read").value)
    assert post(client, name="child", scopes=["read"]).status_code == 201
    answer = post(client, name="child", scopes=["read", "trade"])
    assert [one["code"] for one in answer.json()["error"]["details"]] == ["scope_not_held"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "x" * 64},
        {"name": " "},
        {"scopes": ["root"]},
        {"scopes": []},
        {"expires_at": NOW + timedelta(days=90, seconds=1)},
        {"expires_at": NOW},
    ],
)
def test_database__a_token_that_must_not_be__refuses_it(wrong: dict[str, Any]) -> None:
    sound = {"name": "n", "scopes": ["read"], "hint": "abcd", "digest": "0" * 64, "created_at": NOW}
    owner = a_person("ann")
    with pytest.raises(IntegrityError):
        ApiToken.objects.create(owner=owner, **{**sound, "expires_at": NOW + timedelta(days=90), **wrong})


# --- asking


def test_request__with_a_token__is_its_owners_and_needs_no_cookie_or_csrf_token() -> None:
    ann = a_person("ann", role="operator")
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {a_token(ann, 'admin').value}"})
    assert post(client, name="second", scopes=["admin"]).status_code == 201
    assert {row.owner for row in ApiToken.objects.all()} == {ann}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_request__with_the_scheme_in_other_letters__is_understood(scheme: str) -> None:
    assert bearer(a_token(a_person("ann")).value, scheme).get("/api/v1/bots").status_code == 200


def test_request__with_name_and_password__is_a_strangers() -> None:
    User.objects.create_superuser("root", password="correct horse")
    # base64 of root:correct horse
    answer = bearer("cm9vdDpjb3JyZWN0IGhvcnNl", "Basic").get("/api/v1/bots")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "NOT_AUTHENTICATED")


def refusal(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["gates"][0]["code"]


@pytest.mark.parametrize("value", ["", "ts_", "ts_" + "x" * 43, "x" * 5000, "ts_ä"])
def test_request__with_a_token_that_does_not_exist__is_refused_even_with_a_session(value: str) -> None:
    client = signed_in(a_person("ann"))
    answer = client.get("/api/v1/bots", headers={"Authorization": f"Bearer {value}".encode().decode("latin-1")})
    assert refusal(answer) == (401, "TOKEN_REFUSED", "token_unknown")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_request__with_a_token_after_its_time__is_refused() -> None:
    old = a_token(a_person("ann"), days=1, now=datetime.now(UTC) - timedelta(days=1, seconds=1))
    fresh = a_token(a_person("bob"), days=1, now=datetime.now(UTC) - timedelta(hours=23))
    assert refusal(bearer(old.value).get("/api/v1/bots")) == (401, "TOKEN_REFUSED", "token_expired")
    assert bearer(fresh.value).get("/api/v1/bots").status_code == 200


def test_reason_refused__at_the_very_instant_of_expiry__is_expired() -> None:
    row = a_token(a_person("ann"), days=1, now=NOW).row
    end = NOW + timedelta(days=1)
    assert selectors.reason_refused(row, now=end - timedelta(microseconds=1)) == ""
    assert selectors.reason_refused(row, now=end) == "token_expired"


def test_request__of_an_account_that_was_closed__is_refused() -> None:
    ann = a_person("ann")
    made = a_token(ann)
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert refusal(bearer(made.value).get("/api/v1/bots")) == (401, "TOKEN_REFUSED", "owner_inactive")


def test_request__after_the_owner_lost_the_role__is_refused_at_once() -> None:
    ann = a_person("ann", role="operator")
    client = bearer(a_token(ann).value)
    assert client.get("/api/v1/bots").status_code == 200
    ann.groups.clear()
    assert client.get("/api/v1/bots").status_code == 403


def test_token__used_again_within_a_minute__is_noted_once() -> None:
    row = a_token(a_person("ann"), now=NOW).row
    for seconds, noted in ((1, 1), (60, 1), (61, 61), (62, 61)):
        services.note_use(ApiToken.objects.get(), now=NOW + timedelta(seconds=seconds))
        assert ApiToken.objects.get(pk=row.pk).last_used_at == NOW + timedelta(seconds=noted)


def test_request__with_a_token__costs_three_queries_before_the_view(django_assert_num_queries: Any) -> None:
    client = bearer(a_token(a_person("ann")).value)
    client.get("/api/v1/config/trading/defaults")
    with django_assert_num_queries(2):  # the token with its owner, the role; the use was noted a moment ago
        client.get("/api/v1/config/trading/defaults")


# --- ending


def test_token__revoked__opens_nothing_from_then_on_and_stays_listed() -> None:
    ann = a_person("ann")
    made = a_token(ann)
    client = signed_in(ann)
    assert client.delete(f"{TOKENS}/{made.row.pk}").status_code == 204
    first = ApiToken.objects.get().revoked_at
    assert refusal(bearer(made.value).get("/api/v1/bots")) == (401, "TOKEN_REFUSED", "token_revoked")
    assert client.delete(f"{TOKENS}/{made.row.pk}").status_code == 204
    assert ApiToken.objects.get().revoked_at == first
    assert client.get(TOKENS).json()["data"][0]["revoked_at"] is not None


def test_tokens__of_somebody_else__are_not_found_but_by_an_owner() -> None:
    made = a_token(a_person("ann", role="operator"))
    for role in ("viewer", "operator", "risk_admin"):
        other = signed_in(a_person(f"other {role}", role=role))
        answer = other.delete(f"{TOKENS}/{made.row.pk}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "TOKEN_NOT_FOUND")
        assert other.get(TOKENS).json()["data"] == []
    owner = signed_in(a_person("olga", role="owner"))
    assert [one["owner"] for one in owner.get(TOKENS).json()["data"]] == ["ann"]
    assert owner.delete(f"{TOKENS}/{made.row.pk}").status_code == 204


def test_token__that_does_not_exist__cannot_be_revoked() -> None:
    assert signed_in(a_person("ann")).delete(f"{TOKENS}/{UUID(int=1)}").status_code == 404


# --- nowhere written


def test_value__of_a_token__is_in_no_log_and_in_no_column(caplog: Any, capsys: Any) -> None:
    ann = a_person("ann")
    made = a_token(ann, "read", "admin")
    client = bearer(made.value)
    client.get("/api/v1/bots")
    client.get("/api/v1/nothing")
    client.post("/api/v1/bots", "{}", content_type="application/json")
    shown = post(client, name="child", scopes=["read"]).json()["data"]["token"]
    client.delete(f"{TOKENS}/{made.row.pk}")
    client.get("/api/v1/bots")  # refused now

    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        dump = ""
        for table in tables:
            cursor.execute(f'SELECT coalesce(string_agg(t::text, chr(10)), chr(32)) FROM "{table}" t')
            dump += cursor.fetchone()[0]
    assert "agent" in dump
    out = capsys.readouterr()
    logged = caplog.text + out.out + out.err
    assert "request.finished" in logged
    for secret in (made.value, shown):
        for where in (dump, logged, repr(made.row), str(made.row)):
            assert secret not in where
            assert secret.removeprefix("ts_")[:20] not in where


def test_error__of_a_token__does_not_repeat_it() -> None:
    answer = bearer("ts_canary-of-a-secret").get("/api/v1/bots")
    assert "canary" not in answer.content.decode()


# --- without the database


class _Away:
    """Every statement fails as if the server had gone."""

    def __call__(self, *_: Any) -> Any:
        raise OperationalError("the database system is shutting down")


def test_token__seen_a_moment_ago__still_reads_configuration_while_the_database_is_away(settings: Any) -> None:
    settings.CONFIG_CACHE_TTL_SECONDS = 60
    client = bearer(a_token(a_person("ann", role="operator"), "read", "configure").value)
    assert client.get("/api/v1/config/trading/defaults").status_code == 200
    with connection.execute_wrapper(_Away()):
        assert client.get("/api/v1/config/trading/defaults").status_code == 200
        body = {"parameters": {"max_retries": 1}}
        assert client.post("/api/v1/config/trading", body, content_type="application/json").status_code == 503
        assert client.get("/api/v1/bots").status_code == 503
        assert bearer("ts_unknown").get("/api/v1/config/trading/defaults").status_code == 503


def test_token__remembered__is_held_to_its_role_its_time_and_the_setting(settings: Any) -> None:
    now = datetime.now(UTC)
    ann = a_person("ann", role="operator")
    made = a_token(ann, days=1, now=now)
    digest = services.digest_of(made.value)
    settings.CONFIG_CACHE_TTL_SECONDS = 60
    assert selectors.role_of(ann) is Role.OPERATOR
    recent.remember(digest, ann, selectors.carried(made.row))
    assert recent.recall(digest, now=now) == (ann, selectors.carried(made.row))
    assert recent.recall(digest, now=now + timedelta(days=1)) is None
    settings.CONFIG_CACHE_TTL_SECONDS = 0
    recent.remember(digest, ann, selectors.carried(made.row))
    assert recent.recall(digest, now=now) is None


def test_token__revoked_while_the_database_answers__is_forgotten() -> None:
    made = a_token(a_person("ann"))
    client = bearer(made.value)
    client.get("/api/v1/config/trading/defaults")
    services.revoke(made.row.pk, owner_id=None, now=datetime.now(UTC))
    assert client.get("/api/v1/config/trading/defaults").status_code == 401
    with connection.execute_wrapper(_Away()):
        assert client.get("/api/v1/config/trading/defaults").status_code == 503


# --- the command, the admin, the description


def test_command__makes_a_token__and_prints_nothing_but_its_value() -> None:
    a_person("ann", role="operator")
    out, err = io.StringIO(), io.StringIO()
    call_command("token_create", "--user", "ann", "--scopes", "read, trade", "--days", "5", stdout=out, stderr=err)
    value = out.getvalue().strip()
    assert bearer(value).get("/api/v1/bots").status_code == 200
    assert ApiToken.objects.get().scopes == ["read", "trade"]
    assert value not in err.getvalue()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--user", "nobody"], "There is no user 'nobody'."),
        (["--user", "ann", "--days", "91"], "days is '91', allowed 1 to 90."),
        (["--user", "ann", "--scopes", "root"], "There is no scope 'root'"),
    ],
)
def test_command__asked_wrongly__says_why_and_makes_none(arguments: list[str], told: str) -> None:
    a_person("ann")
    with pytest.raises(CommandError, match=re.escape(told)):
        call_command("token_create", *arguments, stdout=io.StringIO())
    assert not ApiToken.objects.exists()


def test_admin__form__makes_a_token_and_shows_it_in_that_answer_alone() -> None:
    ann = a_person("ann", is_staff=True)
    client = signed_in(ann)
    wanted = {"name": "agent", "scopes": ["read"], "days": "30"}
    page = client.post("/admin/access/apitoken/add/", wanted).content.decode()
    value = re.search(r'<code id="token">(ts_[\w-]+)</code>', page)[1]  # type: ignore[index]  # found, or the test fails
    row = ApiToken.objects.get()
    assert (row.owner, row.digest) == (ann, services.digest_of(value))
    for address in (
        "/admin/access/apitoken/",
        f"/admin/access/apitoken/{row.pk}/change/",
        "/admin/access/apitoken/add/",
    ):
        answer = client.get(address)
        assert answer.status_code == 200
        assert value not in answer.content.decode()
        assert row.digest not in answer.content.decode()


def test_admin__form_with_faults__makes_none_and_names_them() -> None:
    client = signed_in(a_person("ann", is_staff=True))
    page = client.post("/admin/access/apitoken/add/", {"name": "", "days": "91"})
    assert "No token was made" in page.content.decode()
    assert not ApiToken.objects.exists()


def test_admin__list__shows_ones_own_tokens_and_ends_them() -> None:
    ann, bob = a_person("ann", is_staff=True), a_person("bob", is_staff=True)
    mine, theirs = a_token(ann).row, a_token(bob).row
    client = signed_in(ann)
    address = "/admin/access/apitoken/"
    assert str(theirs.pk) not in client.get(address).content.decode()
    client.post(address, {"action": "revoke", "_selected_action": [str(mine.pk), str(theirs.pk)]})
    ended = {row.owner.username: row.revoked_at is not None for row in ApiToken.objects.select_related("owner")}
    assert ended == {"ann": True, "bob": False}


def test_schema__of_the_api__names_the_token_beside_the_session() -> None:
    schema = signed_in(a_person("ann")).get("/api/v1/schema").json()
    scheme = schema["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert {"token": []} in schema["paths"]["/api/v1/bots"]["get"]["security"]
    assert json.dumps(schema["paths"][TOKENS]["post"]["requestBody"]).count("nightly report") == 1


def test_make_token__judged_by_the_service_itself__raises_all_faults() -> None:
    with pytest.raises(InputError) as raised:
        services.make_token(owner=a_person("ann"), name=None, scopes=None, days=None, now=NOW)
    assert [fault.code for fault in raised.value.faults] == ["required", "empty", "out_of_range"]
