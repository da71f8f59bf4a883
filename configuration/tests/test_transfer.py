"""Configuration as a document: the same bytes for the same values, and nothing read in two ways."""

import json
import math
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from configuration import canonical, documents, selectors, services
from configuration.catalogue import CATALOGUE
from configuration.documents import as_json, as_yaml, named_scope, read_document, scope_name
from configuration.models import ChangeSet, Override
from configuration.planning import ClearScope
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import Applied
from configuration.tests.examples import BEN, NOON, decide, put, undone, value_at
from engine.domain.errors import InputError, NotFound

AAPL, LONG = symbol_scope("AAPL"), side_scope("AAPL", "LONG")


def import_(document: dict[str, Any], **more: Any) -> Applied:
    return services.import_document(document, **{"actor": BEN, "reason": "from git", "now": NOON, **more})


def a_document(**namespaces: Any) -> dict[str, Any]:
    return {"format": documents.FORMAT, "namespaces": namespaces}


def faults_of(document: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(fault.code, fault.pointer) for fault in services.plan_import(document, **more).faults]


def body_of(text: str) -> str:
    """A document in YAML without its header, which says where it comes from."""
    document = yaml.safe_load(text)
    del document["header"]
    return as_yaml(document)


def in_force() -> dict[tuple[str, Scope, str], Any]:
    return {(row.namespace, row.scope, row.parameter): row.value for row in Override.objects.all()}


# --- writing


@pytest.mark.django_db
def test_export__some_values__is_exactly_this_text() -> None:
    put(LONG, leverage=7)
    put(GLOBAL, stop_loss_pct=2, timeframe_weights={"4h": 1.2, "1h": 1.0}, override_min_qty=None)
    put(bot_scope("bot-1"), namespace="bot", capital="5000.50")
    put(bot_scope("bot-1"), namespace="indicator_voting", indicators=["RSI", "MACD"])

    document = selectors.exported(namespaces=["trading", "bot", "indicator_voting"])

    # By hand: namespaces and scopes in order, a float as a float, money as text, null as null.
    assert (
        as_yaml(document)
        == f"""\
format: tradingsite-configuration-1
header:
  catalogue: {CATALOGUE.fingerprint}
  hash: {selectors.head().hash}
  version: 4
namespaces:
  bot:
    bot:bot-1:
      capital: '5000.5'
  indicator_voting:
    bot:bot-1:
      indicators:
      - RSI
      - MACD
  trading:
    global:
      override_min_qty: null
      stop_loss_pct: 2.0
      timeframe_weights:
        1h: 1.0
        4h: 1.2
    symbol_side:AAPL/LONG:
      leverage: 7
"""
    )


@pytest.mark.django_db
def test_export__in_json__holds_the_same_in_sorted_keys() -> None:
    put(GLOBAL, leverage=7)
    document = selectors.exported()
    text = as_json(document)
    assert json.loads(text) == document == read_document(text) == read_document(as_yaml(document))
    assert text == json.dumps(document, sort_keys=True, indent=2) + "\n"


@pytest.mark.django_db
def test_export__in_another_order_of_writing__is_the_same_but_for_the_header() -> None:
    with undone():
        put(GLOBAL, leverage=7, max_retries=5)
        put(AAPL, leverage=8)
        one = as_yaml(selectors.exported())
    put(AAPL, leverage=9)
    put(AAPL, leverage=8)
    put(GLOBAL, max_retries=5)
    put(GLOBAL, leverage=7)
    two = as_yaml(selectors.exported())
    assert one != two
    assert body_of(one) == body_of(two)


@pytest.mark.django_db
def test_export__limited_to_scopes__says_so_and_holds_those_only() -> None:
    put(GLOBAL, leverage=7)
    put(AAPL, leverage=8)
    document = selectors.exported(namespaces=["trading"], scopes=[AAPL])
    assert document["scopes"] == ["symbol:AAPL"]
    assert document["namespaces"] == {"trading": {"symbol:AAPL": {"leverage": 8}}}


@pytest.mark.django_db
def test_export__of_an_old_version__is_what_it_was_then() -> None:
    put(GLOBAL, leverage=7)
    then = as_yaml(selectors.exported())
    put(GLOBAL, leverage=8)
    put(AAPL, leverage=9)
    assert as_yaml(selectors.exported(at_version=1)) == then


@pytest.mark.django_db
def test_export__of_what_there_is_not__is_not_found() -> None:
    with pytest.raises(NotFound):
        selectors.exported(namespaces=["no such"])
    with pytest.raises(NotFound):
        selectors.exported(at_version=1)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (GLOBAL, "global"),
        (AAPL, "symbol:AAPL"),
        (LONG, "symbol_side:AAPL/LONG"),
        (symbol_scope("BTC/USD"), "symbol:BTC/USD"),
        (side_scope("BTC/USD:X", "SHORT"), "symbol_side:BTC/USD:X/SHORT"),
        (bot_scope("0d6c3c0f-6a0f"), "bot:0d6c3c0f-6a0f"),
    ],
)
def test_scope_name__each_kind__is_read_back(scope: Scope, name: str) -> None:
    assert (scope_name(scope), named_scope(name)) == (name, scope)


# --- bringing in


@pytest.mark.django_db
def test_import__merge__sets_what_is_named_and_keeps_the_rest_as_one_change_set() -> None:
    put(GLOBAL, leverage=7, max_retries=5)
    put(AAPL, leverage=8)
    document = a_document(trading={"global": {"leverage": 9}, "symbol:MSFT": {"leverage": 10}})

    plan = services.plan_import(document)
    applied = import_(document)

    assert (plan.created, plan.updated, plan.deleted, plan.unchanged) == (1, 1, 0, 0)
    assert (applied.version, applied.changes) == (3, plan.changes)
    assert {(str(scope), name): value for (_, scope, name), value in in_force().items()} == {
        ("global", "leverage"): 9,
        ("global", "max_retries"): 5,
        ("AAPL", "leverage"): 8,
        ("MSFT", "leverage"): 10,
    }
    row = ChangeSet.objects.get(version=3)
    assert (row.kind, row.source, row.actor_label, row.reason) == ("import", "import", "ben", "from git")


@pytest.mark.django_db
def test_import__replace__clears_what_is_not_named_in_the_namespaces_it_names() -> None:
    put(GLOBAL, leverage=7, max_retries=5)
    put(AAPL, leverage=8)
    put(bot_scope("bot-1"), namespace="bot", capital="5000")
    document = a_document(trading={"global": {"leverage": 7, "stop_loss_pct": 1.5}})

    plan = services.plan_import(document, mode="replace")
    import_(document, mode="replace")

    assert (plan.created, plan.updated, plan.deleted, plan.unchanged) == (1, 0, 2, 1)
    assert in_force() == {
        ("trading", GLOBAL, "leverage"): 7,
        ("trading", GLOBAL, "stop_loss_pct"): 1.5,
        ("bot", bot_scope("bot-1"), "capital"): "5000",
    }


@pytest.mark.django_db
def test_import__replace_with_an_export_of_some_scopes__leaves_the_other_scopes() -> None:
    put(GLOBAL, leverage=7)
    put(AAPL, leverage=8, max_retries=5)
    document = selectors.exported(scopes=[AAPL])
    del document["namespaces"]["trading"]["symbol:AAPL"]["max_retries"]
    import_(document, mode="replace")
    assert in_force() == {("trading", GLOBAL, "leverage"): 7, ("trading", AAPL, "leverage"): 8}


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_import__of_an_export_of_now__changes_nothing(mode: services.Mode) -> None:
    put(GLOBAL, leverage=7, override_min_qty=None)
    put(AAPL, leverage=8)
    document = read_document(as_yaml(selectors.exported()))
    plan = services.plan_import(document, mode=mode)
    assert plan == services.ImportPlan(0, 0, 0, 3, (), ())
    assert import_(document, mode=mode) == Applied(2, ())


@pytest.mark.django_db
def test_import__many_things_wrong__names_each_with_its_place_and_changes_nothing() -> None:
    document = a_document(
        trading={"global": {"leverage": 200, "nonsense": 1}, "symbol:AAPL": {"leverage": True}},
        indicator_voting={"global": {"rsi_oversold": 80.0}},
        other={"global": {"x": 1}},
    )
    assert sorted(faults_of(document)) == [
        ("invalid_type", "/namespaces/trading/symbol:AAPL/leverage"),
        ("not_rising", "/namespaces/indicator_voting/global/rsi_oversold"),
        ("out_of_range", "/namespaces/trading/global/leverage"),
        ("unknown_namespace", "/namespaces/other/global/x"),
        ("unknown_parameter", "/namespaces/trading/global/nonsense"),
    ]
    with pytest.raises(InputError) as refused:
        import_(document)
    assert len(refused.value.faults) == 5
    assert (in_force(), ChangeSet.objects.count()) == ({}, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({}, [("required", "/format"), ("required", "/namespaces")]),
        ({**a_document(), "namespace": {}, "verison": 1},
         [("unknown_field", "/namespace"), ("unknown_field", "/verison")]),
        ({**a_document(), "format": "tradingsite-configuration-9"}, [("not_a_choice", "/format")]),
        ({**a_document(), "namespaces": []}, [("invalid_type", "/namespaces")]),
        (a_document(trading=None), [("invalid_type", "/namespaces/trading")]),
        (a_document(trading={"global": 5}), [("invalid_type", "/namespaces/trading/global")]),
        (a_document(nothing={}), [("unknown_namespace", "/namespaces/nothing")]),
        (a_document(trading={"planet:X": {}}), [("unknown_scope", "/namespaces/trading/planet:X")]),
        (a_document(trading={"symbol:A/B?": {}}), [("invalid_symbol", "/namespaces/trading/symbol:A~1B?")]),
        (a_document(trading={"symbol_side:AAPL/UP": {}}),
         [("not_a_choice", "/namespaces/trading/symbol_side:AAPL~1UP")]),
        ({**a_document(trading={"global": {"leverage": 5}}), "scopes": ["symbol:AAPL"]},
         [("outside_scopes", "/namespaces/trading/global")]),
        ({**a_document(), "scopes": "symbol:AAPL"}, [("invalid_type", "/scopes")]),
        ({**a_document(), "scopes": ["planet"]}, [("unknown_scope", "/scopes/0")]),
        (a_document(trading={"symbol:aapl": {"leverage": 5}, "symbol:AAPL": {"leverage": 6}}),
         [("given_twice", "/namespaces/trading/symbol:AAPL/leverage")]),
    ],
)  # fmt: skip
def test_import__no_such_form__is_refused_and_each_fault_named(document: Any, faults: Any) -> None:
    assert faults_of(document) == faults
    with pytest.raises(InputError):
        import_(document)


@pytest.mark.django_db
def test_import__unknown_mode_or_no_reason__is_refused() -> None:
    document = a_document(trading={"global": {"max_retries": 5}})
    assert faults_of(document, mode="overwrite") == [("not_a_choice", "/mode")]
    with pytest.raises(InputError) as refused:
        import_(document, reason="")
    assert [fault.code for fault in refused.value.faults] == ["reason_required"]


@pytest.mark.django_db
def test_import__same_idempotency_key_again__writes_once() -> None:
    put(GLOBAL, leverage=7)
    document = a_document(trading={"global": {"max_retries": 5}})
    once = import_(document, mode="replace", idempotency_key="k")
    put(AAPL, leverage=8)  # a replacement asked anew would clear this
    assert import_(document, mode="replace", idempotency_key="k", now=NOON + timedelta(hours=1)) == once
    assert value_at(AAPL, "leverage") == 8


@pytest.mark.django_db
def test_import__retired_parameter_still_stored__is_left_and_told_in_the_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:
        then.setattr("configuration.planning._judged", lambda operation, image, *, at: _Judged(operation.value))
        put(AAPL, old_name=5, leverage=8)
    document = selectors.exported(namespaces=["trading"])
    assert document["header"]["retired"] == ["trading.old_name at symbol:AAPL"]
    assert document["namespaces"] == {"trading": {"symbol:AAPL": {"leverage": 8}}}
    assert import_(document, mode="replace").changes == ()


class _Judged:
    faults = ()

    def __init__(self, value: Any) -> None:
        self.value = value


# --- reading text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &x 1\nb: *x\n", "alias"),
        ("a: &x {}\n", "alias"),
        ("a: !!python/object/apply:os.system ['true']\n", "alias"),
        ("a: !!int '5'\n", "alias"),
        ("<<: {a: 1}\nb: *c\n", "alias"),
        ("a: 1\na: 2\n", "given_twice"),
        ("a: {b: 1, 'b': 2}\n", "given_twice"),
        ('{"a": 1, "a": 2}', "given_twice"),
        ('{"a": {"b": 1, "b": 1}}', "given_twice"),
        ("a: .nan\n", "not_finite"),
        ("a: [-.inf]\n", "not_finite"),
        ('{"a": NaN}', "not_finite"),
        ('{"a": [Infinity]}', "not_finite"),
        ("a: 1e999\n", "not_finite"),
        ('{"a": 1e999}', "not_finite"),
        ('{"a": "\\u0000"}', "invalid"),
        ('{"a": "\\ud800"}', "invalid"),
        ('{"\\ud800": 1}', "invalid"),
        ('a: "\\0"\n', "invalid"),
        ("[1, 2]\n", "invalid_type"),
        ("", "unreadable"),
        ("a: 1\n---\nb: 2\n", "unreadable"),
        ("a: [1\n", "unreadable"),
        ('{"a": 1', "unreadable"),
        ("? [a]\n: 1\n", "invalid_type"),
        ("a: " + "9" * 5000, "unreadable"),
        ('{"a": ' + "9" * 5000 + "}", "unreadable"),
        ("[" * 5000, "unreadable"),
        ('{"a":' * 5000, "unreadable"),
        ('{"a":' * 30 + "1" + "}" * 30, "unreadable"),
        ("\ud800", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (" " * 5_000_001, "file_too_large"),
        ("é" * 2_500_001, "file_too_large"),
    ],
)  # fmt: skip
def test_reading__what_is_unclear_or_hostile__is_refused(text: str | bytes, code: str) -> None:
    with pytest.raises(InputError) as refused:
        read_document(text)
    assert code in [fault.code for fault in refused.value.faults]
    # The answer can be sent.
    json.dumps([fault._asdict() for fault in refused.value.faults], allow_nan=False).encode()


def test_reading__a_bomb_of_aliases__is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(InputError) as refused:
        read_document("\n".join(lines))
    assert {fault.code for fault in refused.value.faults} == {"alias"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("5", 5),
        ("-5", -5),
        ("1.50", 1.5),
        ("1e-5", 1e-5),
        ("null", None),
        ("~", None),
        ("", None),
        # In the YAML of 2005 these are a boolean, an octal, a base-60 number, a date, an int: here they are text.
        ("yes", "yes"),
        ("on", "on"),
        ("010", "010"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_reading__a_plain_word__is_what_json_would_have_it_or_text(word: str, value: Any) -> None:
    found = read_document(f"a: {word}\n")["a"]
    assert (found, type(found)) == (value, type(value))


def test_reading__a_mark_of_byte_order_and_dos_lines__is_read() -> None:
    assert read_document(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inside: st.lists(inside, max_size=4)
    | st.dictionaries(st.text("ab:/ -#'\n", max_size=5), inside, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@example(document={"a": 1e16, "b": 1e-7, "c": "1e5", "d": "null", "e": "", "f": "5.0"})
@given(document=st.dictionaries(st.text("abc:", max_size=4), json_values, max_size=4))
def test_text__any_document__is_read_back_as_it_was(document: dict[str, Any]) -> None:
    assert canonical.text(read_document(as_json(document))) == canonical.text(document)
    assert canonical.text(read_document(as_yaml(document))) == canonical.text(document)


# --- the round trip

_SCOPES = (GLOBAL, AAPL, LONG, symbol_scope("BTC/USD"), side_scope("BTC/USD", "SHORT"))
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "leverage": st.integers(1, 125),
    "stop_loss_pct": st.floats(0.5, 50),
    "override_min_qty": st.none() | st.floats(1e-6, 1000),
    "enabled": st.booleans(),
    "timeframe_weights": st.dictionaries(st.sampled_from(["1h", "4h", "1d"]), st.floats(0, 10)),
}
_STORED = st.dictionaries(
    st.sampled_from([(scope, name) for scope in _SCOPES for name in _VALUES]), st.data(), max_size=8
).flatmap(lambda keys: st.fixed_dictionaries({key: _VALUES[key[1]] for key in keys}))


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=_STORED, there=_STORED, form=st.sampled_from([as_yaml, as_json]))
def test_round_trip__export_import_elsewhere_export__is_the_same_bytes(here: Any, there: Any, form: Any) -> None:
    from configuration.services import SetValue

    with undone():
        if here:
            decide(*(SetValue(scope, "trading", name, value) for (scope, name), value in here.items()))
        document = selectors.exported()
        first = form(document)
    with undone():
        # Elsewhere: another ledger, in which something else was set.
        if there:
            decide(*(SetValue(scope, "trading", name, value) for (scope, name), value in there.items()))
        import_(read_document(first), mode="replace")
        again = selectors.exported()
        assert form({**again, "header": document["header"]}) == first
        assert len(in_force()) == len(here)


@pytest.mark.django_db
def test_floats__in_a_document__are_finite_and_keep_every_digit() -> None:
    value = math.nextafter(2.0, 3.0)
    put(GLOBAL, stop_loss_pct=value)
    document = read_document(as_yaml(selectors.exported()))
    decide(ClearScope(GLOBAL, "trading"))
    import_(document)
    assert value_at(GLOBAL, "stop_loss_pct") == value
