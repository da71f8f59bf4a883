"""Configuration from a terminal: get, set, roll back, export and import; refusals tell every fault and end with 2."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from configuration import selectors
from configuration.models import ChangeSet
from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.tests.examples import put, value_at

pytestmark = pytest.mark.django_db
AAPL = symbol_scope("AAPL")


def run(*words: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, words), stdout=out)
    return out.getvalue()


def refused(*words: Any) -> str:
    with pytest.raises(CommandError) as error:
        run(*words)
    assert error.value.returncode == 2
    return str(error.value)


# --- set and get


def test_set__one_value_at_a_side__is_a_change_set_of_the_systems_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    out = run("config_set", "trading.leverage", "20", "--symbol=aapl", "--side=long", "--reason=it is calm")
    assert out == "Version 1: 1 changed.\n  trading.leverage at AAPL/LONG: inherited -> 20\n"
    assert selectors.stored(side_scope("AAPL", "LONG"))["leverage"].value == 20
    row = ChangeSet.objects.get()
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("system", "carol", "carol")
    assert (row.source, row.kind, row.reason) == ("cli", "set", "it is calm")


def test_set__as_somebody__keeps_the_name_and_the_systems_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "root")
    run("config_set", "trading.max_retries", "5", "--as=Ann of operations")
    row = ChangeSet.objects.get()
    assert (row.actor_id, row.actor_label) == ("root", "Ann of operations")


@pytest.mark.parametrize(
    ("name", "text", "scope", "value"),
    [
        ("trading.enabled", "false", (), False),
        ("trading.stop_loss_pct", "2", (), 2.0),
        ("trading.override_min_qty", "none", (), None),
        ("trading.timeframe_weights", "1h=1.0,4h=1.2", (), {"1h": 1.0, "4h": 1.2}),
        ("indicator_voting.indicators", "RSI,MACD", ("--bot=b1",), ["RSI", "MACD"]),
        ("bot.capital", "5000.50", ("--bot=b1",), "5000.5"),
    ],
)
def test_set__text_of_any_kind__is_read_as_the_parameters_kind(name: str, text: str, scope: Any, value: Any) -> None:
    run("config_set", name, text, *scope, "--reason=because")
    namespace, parameter = name.split(".")
    assert selectors.stored(bot_scope("b1") if scope else GLOBAL, namespace)[parameter].value == value


def test_set__clear__lets_it_be_inherited_again() -> None:
    put(AAPL, leverage=20)
    out = run("config_set", "trading.leverage", "--clear", "--symbol=AAPL", "--reason=enough")
    assert out == "Version 2: 1 changed.\n  trading.leverage at AAPL: 20 -> inherited\n"
    assert selectors.stored(AAPL) == {}


def test_set__same_value__says_that_nothing_changed() -> None:
    put(GLOBAL, leverage=20)
    out = run("config_set", "trading.leverage", "20", "--reason=because")
    assert out == "Nothing to change; version 1 stays the newest.\n"


def test_set__dry_run__tells_the_change_and_writes_nothing() -> None:
    out = run("config_set", "trading.leverage", "20", "--dry-run")
    assert out.startswith("Would change 1, after version 0. Nothing was changed.\n  trading.leverage at global: inher")
    assert ChangeSet.objects.count() == 0


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        (("trading.leverage", "200", "--reason=x"), ["out_of_range  /trading.leverage  leverage is 200"]),
        (("trading.leverage", "many", "--reason=x"), ["invalid_type"]),
        (("trading.leverage", "5"), ["reason_required  /reason"]),
        (("trading.leverage",), ["one_of"]),
        (("trading.leverage", "5", "--clear"), ["one_of"]),
        (("trading.nonsense", "5", "--reason=x"), ["unknown_parameter"]),
        (("nonsense", "5", "--reason=x"), ["unknown_namespace"]),
        (("trading.leverage", "5", "--side=LONG", "--reason=x"), ["invalid_symbol"]),
        (("trading.leverage", "5", "--symbol=A?", "--side=UP", "--reason=x"), ["invalid_symbol", "not_a_choice"]),
        (("trading.leverage", "200", "--bot=b", "--symbol=A", "--dry-run"), ["scope_part", "out_of_range"]),
        (("trading.leverage", "nan", "--bot=b!"), ["invalid_bot", "invalid_type", "reason_required"]),
    ],
)  # fmt: skip
def test_set__asked_wrongly__tells_each_fault_and_ends_with_2(words: Any, faults: list[str]) -> None:
    said = refused("config_set", *words)
    assert [fault for fault in faults if fault not in said] == []
    assert len(said.splitlines()) == 1 + len(faults)
    assert ChangeSet.objects.count() == 0


def test_get__one_parameter__tells_its_origin_and_what_it_shadows() -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12)
    put(bot_scope("b1"), leverage=13)
    assert run("config_get", "trading.leverage", "--symbol=AAPL", "--side=LONG", "--bot=b1") == (
        "trading.leverage = 13  (bot b1, version 3)\n"
        "  shadows 12  (AAPL, version 2)\n"
        "  shadows 11  (global, version 1)\n"
        "  shadows 10  (default)\n"
    )
    assert run("config_get", "trading.leverage", "--at-version=1").startswith("trading.leverage = 11  (global")


def test_get__a_namespace__has_a_line_for_each_parameter() -> None:
    lines = run("config_get", "trading", "--symbol=AAPL").splitlines()
    assert len(lines) == len(selectors.resolve(AAPL, ("trading",)))
    assert lines[0] == "trading.leverage = 10  (default)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nonsense",), "nonsense"),
        (("trading.nonsense",), "nonsense"),
        (("trading", "--symbol=A?"), "symbol is 'A?'"),
        (("trading", "--at-version=9"), "9"),
    ],
)
def test_get__what_there_is_not__is_refused_by_its_name(words: Any, told: str) -> None:
    assert told in refused("config_get", *words)


# --- rolling back


def test_rollback__undo__is_a_new_version_and_says_what_it_did() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    out = run("config_rollback", "--undo=2", "--reason=too much", "--as=carol")
    assert out == "Version 3: 1 changed.\n  trading.leverage at global: 12 -> 11\n"
    row = ChangeSet.objects.get(version=3)
    assert (row.kind, row.reverts_version, row.actor_label) == ("rollback", 2, "carol")


def test_rollback__dry_run__tells_and_writes_nothing() -> None:
    put(GLOBAL, leverage=11)
    out = run("config_rollback", "--to=0", "--dry-run")
    assert "trading.leverage at global: 11 -> inherited" in out
    assert value_at(GLOBAL, "leverage") == 11


def test_rollback__limited__leaves_the_rest() -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12)
    run("config_rollback", "--before=1", "--symbol=AAPL", "--reason=x")
    assert (value_at(GLOBAL, "leverage"), selectors.stored(AAPL)) == (11, {})
    put(AAPL, leverage=12)
    run("config_rollback", "--to=0", "--only-global", "--namespace=trading", "--reason=x")
    assert (selectors.stored(GLOBAL), value_at(AAPL, "leverage")) == ({}, 12)


def test_rollback__conflict__is_refused_unless_overridden_or_left() -> None:
    put(GLOBAL, leverage=11, max_retries=4)
    put(GLOBAL, leverage=12, max_retries=5)
    put(GLOBAL, leverage=13)
    assert "changed_since  /restored/trading/global/leverage" in refused("config_rollback", "--undo=2", "--reason=x")
    assert "left as it is: changed_since" in run("config_rollback", "--undo=2", "--only-possible", "--reason=x")
    assert (value_at(GLOBAL, "leverage"), value_at(GLOBAL, "max_retries")) == (13, 4)
    run("config_rollback", "--undo=2", "--override-newer", "--reason=x")
    assert value_at(GLOBAL, "leverage") == 11


def test_rollback__no_reason_or_no_such_version__is_refused() -> None:
    put(GLOBAL, max_retries=5)
    assert "reason_required" in refused("config_rollback", "--to=0")
    assert "out_of_range" in refused("config_rollback", "--to=7", "--reason=x")


# --- transfer


def test_export_and_import__through_a_file__round_trip(tmp_path: Path) -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, stop_loss_pct=1.5)
    file = tmp_path / "configuration.yaml"
    run("config_export", "--output", file)
    assert file.read_text() == run("config_export")
    put(GLOBAL, leverage=12, max_retries=5)

    assert "0 created, 1 updated, 1 deleted, 1 unchanged." in run("config_import", file, "--mode=replace", "--dry-run")
    assert value_at(GLOBAL, "leverage") == 12
    out = run("config_import", file, "--mode=replace", "--reason=from git", "--as=ci")

    assert out.startswith("Version 4: 2 changed.\n")
    assert ChangeSet.objects.get(version=4).source == "import"
    body = run("config_export").partition("namespaces:")[2]
    assert body == file.read_text().partition("namespaces:")[2]


def test_export__json_of_one_namespace_at_a_version__is_what_it_was() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    document = selectors.exported(namespaces=["trading"], at_version=1)
    assert document["namespaces"]["trading"] == {"global": {"leverage": 11}}
    assert run("config_export", "--format=json", "--namespace=trading", "--at-version=1") == selectors.as_json(document)


def test_import__from_a_pipe__is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "format: tradingsite-configuration-1\nnamespaces: {trading: {global: {max_retries: 5}}}\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    run("config_import", "-", "--reason=piped")
    assert value_at(GLOBAL, "max_retries") == 5


def test_import__faulty_or_missing_file__tells_why_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "faulty.yaml"
    file.write_text("namespaces: {trading: {global: {leverage: 200}}}\n")
    assert "required  /format" in refused("config_import", file, "--reason=x")
    file.write_text("format: tradingsite-configuration-1\nnamespaces: {trading: {global: {leverage: 200, x: 1}}}\n")
    said = refused("config_import", file, "--reason=x")
    assert "/namespaces/trading/global/leverage" in said
    assert "/namespaces/trading/global/x" in said
    with pytest.raises(CommandError, match="No such file"):
        run("config_import", tmp_path / "gone.yaml", "--reason=x")
    assert ChangeSet.objects.count() == 0
