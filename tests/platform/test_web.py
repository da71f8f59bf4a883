"""What every address of the site sends: headers, envelopes, refusals."""

import subprocess
import sys
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings

from tests.people import a_person
from tradingsite import deployment
from tradingsite.api import plain

pytestmark = pytest.mark.django_db
ADDRESSES = ["/healthz", "/ready", "/health", "/login", "/api/v1/nothing", "/nothing", "/admin/login/"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_headers__of_every_answer__are_strict(address: str, client: Client) -> None:
    answer = client.get(address)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Request-ID"]


def test_api__unknown_address__is_a_404_envelope(client: Client) -> None:
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_api__anonymous__is_401_with_a_challenge(client: Client) -> None:
    answer = client.get("/api/v1/schema")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "NOT_AUTHENTICATED")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_api__schema__describes_the_envelope_and_the_session(client: Client) -> None:

    client.force_login(a_person("u", password="x"))
    schema = client.get("/api/v1/schema").json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert all(
        operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
        for operation in operations
    )
    # A file to be kept, as the export is, has no envelope around it.
    contents = [operation["responses"].get("200", {}).get("content", {}) for operation in operations]
    wrapped = [content for content in contents if "application/yaml" not in content]
    assert len(contents) - len(wrapped) == 1
    good = [answer["schema"] for content in wrapped for answer in content.values()]
    assert good
    assert all(set(schema["required"]) == {"success", "data", "metadata"} for schema in good)
    assert schema["components"]["securitySchemes"]["session"]["in"] == "cookie"


@pytest.mark.parametrize("address", ["bots", "backtests", "datasets", "config/trading", "schema"])
def test_api__options__is_refused_like_any_method_there_is_not(address: str, client: Client) -> None:

    client.force_login(a_person("u", role="operator", password="x"))
    answer = client.options(f"/api/v1/{address}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("address", ["/api/v1/x%00y", "/api/v1/x?name=%00"])
def test_api__nul_character_in_the_address__is_unreadable(address: str, client: Client) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNREADABLE")


def test_page__nul_character_in_the_address__is_unreadable(client: Client) -> None:
    assert client.get("/x%00y").status_code == 400


@pytest.mark.parametrize(
    ("view", "status", "code"),
    [
        (lambda request: plain.bad_request(request, ValueError()), 400, "UNREADABLE"),
        (lambda request: plain.permission_denied(request, PermissionError()), 403, "NOT_ALLOWED"),
        (lambda request: plain.page_not_found(request, KeyError()), 404, "NOT_FOUND"),
        (plain.server_error, 500, "INTERNAL_ERROR"),
        (lambda request: plain.csrf_failure(request, "missing"), 403, "NOT_ALLOWED"),
    ],
)
def test_plain_errors__under_api__are_envelopes(view: Any, status: int, code: str) -> None:
    import json

    answer = view(RequestFactory().get("/api/v1/x"))
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (status, code)


def test_plain_errors__database_away_before_any_view_is_reached__is_503_and_no_defect_of_ours() -> None:
    import json

    from django.db import OperationalError

    try:  # as Django calls it: while the exception is being handled
        raise OperationalError("the database system is shutting down")
    except OperationalError:
        answer = plain.server_error(RequestFactory().get("/api/v1/bots"))
        page = plain.server_error(RequestFactory().get("/bots"))
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (503, "NOT_READY")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database does not answer" in page.content.decode()
    assert "shutting down" not in page.content.decode()


def test_plain_errors__elsewhere__are_pages(client: Client) -> None:
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_csrf__a_write_without_token__is_refused_with_an_envelope() -> None:

    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("u", role="operator", password="x"))
    answer = client.post("/api/v1/schema", data="{}", content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "NOT_ALLOWED")


@override_settings(ALLOWED_HOSTS=["trading.example.com"])
def test_host__that_is_not_ours__is_refused(client: Client) -> None:
    assert client.get("/login", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.slow
def test_production__settings__have_secure_cookies_hsts_and_a_time_limit_in_the_database() -> None:
    code = """
import django; django.setup()
from django.conf import settings as s
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout"); limit = cursor.fetchone()[0]
print(s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_NAME, s.CSRF_COOKIE_SECURE,
      s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS, s.DEBUG, limit)
connection.close_pool()
"""
    import os

    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.prod",
        "TRADINGSITE_ENVIRONMENT": "production",
        "TRADINGSITE_DEBUG": "false",
        "ALLOWED_HOSTS": "trading.example.com",
        "PLATFORM_PROCESS": "web",
        "DATABASE_URL": deployment.load().database_url.replace("/platform?", "/postgres?"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=deployment.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["__Host-sid", "True", "__Host-csrf", "True", "True", "31536000", "False", "5s"], (
        done.stderr
    )
