"""The API's envelope: one form for answers, one for errors, and status codes that mean what they say."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.core import exceptions as django_exceptions
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from engine.domain.errors import BrokerError, Fault, InputError, NotFound, StaleVersion, WrongState
from tradingsite.api import exceptions
from tradingsite.api.pagination import Pages


class _User:
    is_authenticated = True
    is_staff = False
    is_active = True
    pk = 1


class _Staff(_User):
    is_staff = True


def ask(answer: Any, *, method: str = "get", user: Any = None, **request: Any) -> tuple[int, dict[str, Any]]:
    """What the API answers when a view returns or raises ``answer``."""

    class View(APIView):
        permission_classes = ()  # it has no address, so the matrix has no entry

        def get(self, request: Request) -> Response:
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else Response(answer)

        post = get

    path = request.pop("path", "/api/v1/thing")
    http_request = getattr(APIRequestFactory(), method)(path, **request)
    force_authenticate(http_request, user=user or _Staff())
    response = View.as_view()(http_request)
    response.render()
    return response.status_code, json.loads(response.content)


def test_answer__plain_data__is_wrapped_with_request_id_and_time() -> None:
    status, body = ask({"equity": Decimal("10.50")})
    assert status == 200
    assert body["success"] is True
    assert body["data"] == {"equity": "10.50"}  # money as text, no digit lost
    assert set(body["metadata"]) == {"request_id", "timestamp"}


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (InputError("x"), 422, "VALIDATION_ERROR"),
        (NotFound("x"), 404, "NOT_FOUND"),
        (WrongState("x"), 409, "WRONG_STATE"),
        (StaleVersion("x"), 412, "STALE_VERSION"),
        (BrokerError("x"), 502, "BROKER_ERROR"),
        (drf.ParseError(), 400, "UNREADABLE"),
        (drf.NotAuthenticated(), 401, "NOT_AUTHENTICATED"),
        (drf.PermissionDenied(), 403, "NOT_ALLOWED"),
        (drf.MethodNotAllowed("PUT"), 405, "METHOD_NOT_ALLOWED"),
        (drf.UnsupportedMediaType("text/xml"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (drf.Throttled(wait=3), 429, "RATE_LIMITED"),
        (Http404(), 404, "NOT_FOUND"),
        (django_exceptions.ObjectDoesNotExist(), 404, "NOT_FOUND"),
        (django_exceptions.PermissionDenied(), 403, "NOT_ALLOWED"),
        (django_exceptions.ValidationError({"name": "x"}), 422, "VALIDATION_ERROR"),
        (django_exceptions.RequestDataTooBig(), 413, "TOO_LARGE"),
        (OperationalError("canceling statement due to statement timeout"), 503, "NOT_READY"),
        (ZeroDivisionError("secret detail"), 500, "INTERNAL_ERROR"),
    ],
)
def test_error__of_each_kind__has_its_status_and_code(raised: Exception, status: int, code: str) -> None:
    got_status, body = ask(raised)
    assert (got_status, body["error"]["code"]) == (status, code)
    assert body["success"] is False
    assert set(body["error"]) >= {"code", "message", "component", "details", "gates", "request_id", "timestamp"}
    assert "secret detail" not in json.dumps(body)


def test_error__with_faults__lists_every_fault_with_its_pointer() -> None:
    faults = [
        Fault("out_of_range", "/parameters/leverage", "leverage is 130, allowed 1 to 125", [1, 125], 130),
        Fault("unknown_field", "/colour", "colour is no field"),
    ]
    _, body = ask(InputError("Two faults.", faults=faults))
    assert body["error"]["details"] == [
        {
            "code": "out_of_range",
            "pointer": "/parameters/leverage",
            "message": "leverage is 130, allowed 1 to 125",
            "allowed": [1, 125],
            "got": 130,
        },
        {"code": "unknown_field", "pointer": "/colour", "message": "colour is no field", "allowed": None, "got": None},
    ]


def test_serializer__nested_faults__become_json_pointers() -> None:
    class Bar(serializers.Serializer[Any]):
        close = serializers.FloatField()

    class Body(serializers.Serializer[Any]):
        name = serializers.CharField()
        bars = Bar(many=True)

    def validate(request: Request) -> Response:
        Body(data=request.data).is_valid(raise_exception=True)
        return Response()

    body = {"bars": [{"close": 1.0}, {"close": "high"}]}
    status, answer = ask(validate, method="post", data=body, format="json")
    assert status == 422
    found = {(fault["pointer"], fault["code"]) for fault in answer["error"]["details"]}
    assert found == {("/name", "required"), ("/bars/1/close", "invalid")}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\\u0000"}',
        b'{"a": ["\\ud800"]}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_body__that_is_no_strict_json__is_unreadable(body: bytes) -> None:
    read = lambda request: Response(request.data)  # noqa: E731  shortest way to touch the body
    status, answer = ask(read, method="post", data=body, content_type="application/json")
    assert (status, answer["error"]["code"]) == (400, "UNREADABLE")


def test_trace__only_for_staff_while_debug_is_on(settings: Any) -> None:
    crash = ZeroDivisionError("where it broke")
    settings.DEBUG = True
    assert "where it broke" in ask(crash, user=_Staff())[1]["error"]["trace"]
    assert "trace" not in ask(crash, user=_User())[1]["error"]
    settings.DEBUG = False
    assert "trace" not in ask(crash, user=_Staff())[1]["error"]


def test_view__without_an_entry_in_the_matrix__is_closed_to_everybody() -> None:
    http_request = APIRequestFactory().get("/api/v1/thing")
    force_authenticate(http_request, user=_Staff())
    assert APIView.as_view()(http_request).status_code == 405  # a method it does not know

    class View(APIView):
        def get(self, request: Request) -> Response:
            return Response({})

    assert View.as_view()(http_request).status_code == 403


def page(query: str) -> tuple[int, dict[str, Any]]:
    def view(request: Request) -> Response:
        pages = Pages()
        return pages.get_paginated_response(pages.paginate_queryset(range(120), request))

    return ask(view, path=f"/api/v1/thing?{query}")


def test_pages__second_page_of_fifty__carries_the_facts() -> None:
    status, body = page("page=2")
    assert status == 200
    assert body["data"] == list(range(50, 100))
    assert body["metadata"]["pagination"] == {
        "page": 2,
        "page_size": 50,
        "total": 120,
        "pages": 3,  # 50 + 50 + 20
        "has_next": True,
        "has_previous": True,
    }


def test_pages__beyond_the_last__is_empty() -> None:
    assert page("page=4")[1]["data"] == []


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=two", "page=1.5", "page=", "page=9999999", "page=²"])
def test_pages__no_page_number__is_a_fault(query: str) -> None:
    status, body = page(query)
    assert status == 422
    assert [fault["pointer"] for fault in body["error"]["details"]] == ["/page"]


def test_pages__both_wrong__both_are_named() -> None:
    _, body = page("page=x&page_size=501")
    assert [fault["pointer"] for fault in body["error"]["details"]] == ["/page", "/page_size"]


def test_faults_of__top_level_list__points_at_the_body() -> None:
    assert [(fault.pointer, fault.message) for fault in exceptions.faults_of(["bad"])] == [("", "bad")]
