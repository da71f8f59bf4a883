"""The ledger as evidence: nothing in it can be altered unseen, and the first altered version is named."""

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from structlog.testing import capture_logs

from configuration import chain, seal, selectors, services, tasks
from configuration.models import CatalogueEdition, Change, ChangeSet, ConfigHead, LedgerCheck, Override
from configuration.scopes import GLOBAL, symbol_scope
from configuration.selectors import evidence as reading
from configuration.services import ClearScope, SetValue, evidence
from configuration.tests.examples import ANN, BEN, NOON, decide, put, some_bot
from configuration.tests.tampering import flipped, sealed, tampering
from tests import emptying

AAPL = symbol_scope("AAPL")
SCRIPT = Path(settings.BASE_DIR) / "scripts" / "verify_ledger.py"
ROLE = Path(settings.BASE_DIR) / "scripts" / "ledger-role.sql"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger() -> None:
    """Five versions; the third says something in every column that may be empty, and replaces a value."""
    put(GLOBAL, leverage=11, override_min_qty=None, strategy_weights={"default": 1e16, "slow": 1e-7})
    put(AAPL, leverage=20, stop_loss_pct=1.5)
    decide(
        SetValue(GLOBAL, "trading", "leverage", 12),
        SetValue(GLOBAL, "trading", "margin_type", "cross"),
        actor=BEN,
        reason='the "calm" weeks\nare over: größer, ☂',
        idempotency_key="key-3",
        base_version=2,
        request_id="request-3",
        on_behalf_of="the desk",
    )
    decide(ClearScope(AAPL, "trading"), SetValue(AAPL, "trading", "leverage", 30))
    put(AAPL, override_min_qty=0.25)


TARGET = 3


# --- the two verifiers


def exported(folder: Path) -> Path:
    file = folder / "ledger.jsonl"
    file.write_text("".join(f"{line}\n" for line in reading.ledger_lines()), encoding="utf-8")
    return file


def stand_alone(ledger: Path, *more: str) -> str:
    """What a copy of the script says in a folder without anything else of ours."""
    script = shutil.copy(SCRIPT, ledger.parent)
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, ledger.name, *more],
        cwd=ledger.parent, env={}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout.startswith("ok") else 1)
    return done.stdout


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("verify_ledger", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPTED = load_script()


def by_script(ledger: Path, anchors: dict[int, set[str]], *, parts: int = 1) -> int | None:
    """The first bad version that the script's functions name, in this process."""
    try:
        SCRIPTED.verify(str(ledger), anchors, parts=parts, each=map)
    except SCRIPTED.Bad as bad:
        return int(bad.args[0])
    return None


def first_bad(folder: Path, *, anchors: str = "") -> tuple[int | None, int | None]:
    """What the service and what the script name as first bad version."""
    read = reading.read_anchors(anchors)
    checked = evidence.verify(now=NOON, anchors=read)
    by_version = {one.version: {same.hash for same in read if same.version == one.version} for one in read}
    by_version.pop(0, None)
    return checked.first_bad_version, by_script(exported(folder), by_version)


def test_verify__nothing_altered__is_whole_and_says_how_far(ledger: None, tmp_path: Path) -> None:
    checked = evidence.verify(now=NOON)
    assert (checked.first_bad_version, checked.finding, checked.version) == (None, "", 5)
    assert checked.head_hash == ConfigHead.objects.get().hash
    assert stand_alone(exported(tmp_path)) == "ok  5 versions, 0 anchors\n"


def test_script__alone_in_a_folder__names_version_and_reason(ledger: None, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_text(f'{{"version": 0, "hash": "", "at": ""}}\n\n{anchored()}')
    with tampering() as cursor:
        cursor.execute("UPDATE configuration_changeset SET reason = 'x' WHERE version = 2")
    file = exported(tmp_path)
    assert stand_alone(file) == "BROKEN  version 2 does not say in its columns what was sealed\n"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    head = {"head": {"version": 1, "hash": json.loads(lines[0])["hash"]}}
    file.write_text(f"{lines[0]}{json.dumps(head)}\n")
    assert stand_alone(file) == "ok  1 versions, 0 anchors\n"
    said = stand_alone(file, "--anchor", anchors.name)
    assert said == "BROKEN  version 2 is missing: the anchors know version 5, the tail was cut\n"


def test_verify__null_replaced_and_cleared__is_whole(tmp_path: Path) -> None:
    put(GLOBAL, override_min_qty=None)
    put(GLOBAL, override_min_qty=0.5)  # its old value is null, which is one
    put(GLOBAL, override_min_qty=None)
    decide(ClearScope(GLOBAL, "trading"))
    assert list(Change.objects.order_by("id").values_list("old_version", flat=True)) == [0, 1, 2, 3]
    assert first_bad(tmp_path) == (None, None)


def test_verify__nothing_ever_written__is_whole(tmp_path: Path) -> None:
    assert first_bad(tmp_path) == (None, None)
    assert evidence.verify(now=NOON).version == 0


@pytest.mark.parametrize("column", [field.column for field in ChangeSet._meta.concrete_fields])
def test_verify__column_of_a_change_set_altered__names_its_version(column: str, ledger: None, tmp_path: Path) -> None:
    field = next(field for field in ChangeSet._meta.concrete_fields if field.column == column)
    altered = flipped(field, getattr(ChangeSet.objects.get(version=TARGET), field.attname))
    with tampering() as cursor:
        cursor.execute(f"UPDATE configuration_changeset SET {column} = %s WHERE version = %s", [altered, TARGET])
        assert cursor.rowcount == 1
    assert first_bad(tmp_path) == (TARGET, TARGET)


# The surrogate key of a change means nothing and is in no export.
CHANGE_FIELDS = [field.column for field in Change._meta.concrete_fields if field.column != "id"]


@pytest.mark.parametrize("column", CHANGE_FIELDS)
def test_verify__column_of_a_change_altered__names_its_version(column: str, ledger: None, tmp_path: Path) -> None:
    field = next(field for field in Change._meta.concrete_fields if field.column == column)
    row = Change.objects.get(change_set=TARGET, parameter="leverage")
    altered = flipped(field, getattr(row, field.attname))
    with tampering() as cursor:
        cursor.execute(f"UPDATE configuration_change SET {column} = %s WHERE id = %s", [altered, row.id])
        assert cursor.rowcount == 1
    assert first_bad(tmp_path) == (TARGET, TARGET)


def test_seal__every_column__is_under_the_hash() -> None:
    # A column added later belongs into a new format: old rows were sealed without it.
    under = {*seal.CHANGE_SET_COLUMNS, *seal.SEALS}
    assert under == {field.column for field in ChangeSet._meta.concrete_fields}
    assert {*seal.CHANGE_COLUMNS, "old", "new", "version"} == set(CHANGE_FIELDS)


@pytest.mark.parametrize(
    ("column", "altered"),
    [
        ("new", "null"),
        ("new", None),
        ("old", "null"),
        ("old", None),
        ("new", "12.0000000000000000001"),
        ("new", "true"),
    ],
)
def test_verify__value_of_a_change_almost_the_same__names_its_version(
    column: str, altered: str | None, ledger: None, tmp_path: Path
) -> None:
    with tampering() as cursor:
        cursor.execute(
            f"UPDATE configuration_change SET {column} = %s::jsonb WHERE version = 3 AND parameter = 'leverage'",
            [altered],
        )
    assert first_bad(tmp_path) == (3, 3)


def test_verify__null_that_is_a_value_taken_for_none__names_its_version(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute(
            "UPDATE configuration_change SET new = NULL WHERE parameter = 'override_min_qty' AND version = 1"
        )
    assert first_bad(tmp_path) == (1, 1)


@pytest.mark.parametrize("altered", ["infinity", "0044-03-15 12:00:00+00 BC", "12026-03-02 12:00:00+00"])
def test_verify__time_that_python_cannot_hold__names_its_version(altered: str, ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute("UPDATE configuration_changeset SET created_at = %s WHERE version = 2", [altered])
    assert first_bad(tmp_path) == (2, 2)


def test_verify__number_of_thousands_of_digits__names_its_version(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute("UPDATE configuration_change SET new = %s WHERE version = 2 AND ordinal = 0", ["9" * 5000])
    assert first_bad(tmp_path) == (2, 2)


# --- whole rows


def test_verify__row_deleted__names_the_version_that_is_missing(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute("DELETE FROM configuration_change WHERE version = 2")
        cursor.execute("DELETE FROM configuration_changeset WHERE version = 2")
    assert first_bad(tmp_path) == (2, 2)


def test_verify__change_set_deleted_and_its_changes_left__names_it(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute("DELETE FROM configuration_changeset WHERE version = 2")
    assert first_bad(tmp_path) == (2, 2)


def test_verify__all_changes_of_a_set_dropped__names_it(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        cursor.execute("DELETE FROM configuration_change WHERE version = 4")
    assert first_bad(tmp_path) == (4, 4)


def move(cursor: Any, before: int, after: int) -> None:
    for table in ("configuration_changeset", "configuration_change"):
        cursor.execute(f"UPDATE {table} SET version = %s WHERE version = %s", [after, before])


def test_verify__two_versions_swapped__names_the_first(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:
        for before, after in ((2, 99), (3, 2), (99, 3)):
            move(cursor, before, after)
    assert first_bad(tmp_path) == (2, 2)


def forge(version: int, *, like: int, prev_hash: str, **altered: Any) -> ChangeSet:
    """A version without changes, made like another and sealed by all rules, after ``prev_hash``."""
    model = ChangeSet.objects.get(version=like)
    columns = {name: getattr(model, name) for name in seal.CHANGE_SET_COLUMNS}
    columns |= {"version": version, "idempotency_key": None, **altered}
    text, own = sealed(columns, [], prev_hash)
    return ChangeSet(**columns, canonical=text, prev_hash=prev_hash, hash=own)


@pytest.mark.parametrize("many", [1, 2])
def test_verify__versions_inserted_and_sealed_by_the_rules__names_the_first(
    many: int, ledger: None, tmp_path: Path
) -> None:
    link = ChangeSet.objects.get(version=2).hash
    with tampering() as cursor:
        for version in (5, 4, 3):
            move(cursor, version, version + many)
        for place in range(many):
            made_up = forge(3 + place, like=2, prev_hash=link, reason="invented")
            made_up.save(force_insert=True)
            link = made_up.hash
        cursor.execute("UPDATE configuration_confighead SET version = version + %s", [many])
    assert first_bad(tmp_path) == (3, 3)


def test_verify__version_rewritten_and_sealed_by_the_rules__names_it(ledger: None, tmp_path: Path) -> None:
    before = ChangeSet.objects.get(version=2)
    made_up = forge(3, like=3, prev_hash=before.hash, reason="invented")
    with tampering() as cursor:
        cursor.execute("DELETE FROM configuration_change WHERE version = 3")
        made_up.save(force_update=True)
    assert first_bad(tmp_path) == (3, 3)


def test_verify__hash_of_the_last_version_and_of_the_head_altered__names_it(ledger: None, tmp_path: Path) -> None:
    with tampering() as cursor:  # no later version is chained to it, and the head agrees
        cursor.execute("UPDATE configuration_changeset SET hash = %s WHERE version = 5", ["0" * 64])
        cursor.execute("UPDATE configuration_confighead SET hash = %s", ["0" * 64])
    assert first_bad(tmp_path) == (5, 5)


def test_verify__first_version_chained_to_something__names_it(ledger: None, tmp_path: Path) -> None:
    with tampering():
        made_up = forge(1, like=1, prev_hash="0" * 64)
        Change.objects.filter(change_set=1)._raw_delete("default")
        made_up.save(force_update=True)
    assert first_bad(tmp_path) == (1, 1)


def test_verify__changes_of_a_version_that_never_was__names_it(ledger: None) -> None:
    with tampering() as cursor:
        cursor.execute(
            "INSERT INTO configuration_change (version, ordinal, namespace, scope_kind, bot, symbol, side, parameter,"
            " op, old_version, new) VALUES (9, 0, 'trading', 'global', '', '', '', 'leverage', 'set', 0, '99')"
        )
    checked = evidence.verify(now=NOON)
    assert checked.first_bad_version == 9
    assert "no change-set" in checked.finding


# --- the tail, and a history rewritten whole: only what is kept elsewhere knows


def cut_after(version: int) -> None:
    """As thoroughly as it can be done: ledger, head and overrides agree afterwards."""
    kept = _in_force_at(version)
    with tampering() as cursor:
        cursor.execute("DELETE FROM configuration_change WHERE version > %s", [version])
        cursor.execute("DELETE FROM configuration_changeset WHERE version > %s", [version])
        cursor.execute("DELETE FROM configuration_override")
        for change in kept:
            cursor.execute(
                "INSERT INTO configuration_override"
                " (namespace, scope_kind, bot, symbol, side, parameter, value, version)"
                " SELECT namespace, scope_kind, bot, symbol, side, parameter, new, version"
                " FROM configuration_change WHERE id = %s",
                [change.id],
            )
    newest = ChangeSet.objects.get(version=version)
    ConfigHead.objects.update(version=version, hash=newest.hash)


def _in_force_at(version: int) -> list[Change]:
    newest: dict[Any, Change] = {}
    for change in Change.objects.filter(change_set__lte=version).order_by("change_set", "ordinal"):
        newest[change.namespace, change.scope, change.parameter] = change
    return [change for change in newest.values() if change.op == "set"]


def anchored() -> str:
    return json.dumps(evidence.anchor(NOON)) + "\n"


def test_verify__tail_cut__only_an_anchor_shows_it(ledger: None, tmp_path: Path) -> None:
    anchors = anchored()
    cut_after(3)
    assert first_bad(tmp_path) == (None, None)
    assert first_bad(tmp_path, anchors=anchors) == (4, 4)


def test_verify__history_rewritten_whole__only_an_anchor_shows_it(ledger: None, tmp_path: Path) -> None:
    anchors = anchored()
    cut_after(4)
    put(AAPL, override_min_qty=0.5)  # another fifth version
    assert first_bad(tmp_path) == (None, None)
    assert first_bad(tmp_path, anchors=anchors) == (5, 5)


def test_verify__anchors_of_two_histories__are_a_finding_even_if_one_is_met(ledger: None, tmp_path: Path) -> None:
    other = json.dumps({"version": 2, "hash": "0" * 64, "at": "2026-01-01"}) + "\n"
    true = json.dumps({"version": 2, "hash": ChangeSet.objects.get(version=2).hash, "at": "2026-01-02"}) + "\n"
    assert first_bad(tmp_path, anchors=other + true) == (2, 2)
    assert first_bad(tmp_path, anchors=true) == (None, None)


def test_verify__anchor_of_before_the_first_version__asks_for_nothing(tmp_path: Path) -> None:
    anchors = anchored()
    put(GLOBAL, leverage=11)
    assert first_bad(tmp_path, anchors=anchors) == (None, None)


# --- what follows from the ledger


@pytest.mark.parametrize(
    ("statement", "version", "words"),
    [
        ("UPDATE configuration_confighead SET version = 7", 6, "head is at 7"),
        ("UPDATE configuration_confighead SET version = 4", 5, "head is at version 4"),
        ("UPDATE configuration_confighead SET hash = 'x'", 5, "head's hash"),
        ("UPDATE configuration_override SET value = '13' WHERE parameter = 'leverage' AND symbol = ''", 3,
         "trading.leverage at global is 13 of version 3; the ledger says 12 of version 3"),
        ("UPDATE configuration_override SET version = 2 WHERE parameter = 'leverage' AND symbol = 'AAPL'", 4,
         "trading.leverage at AAPL"),
        ("DELETE FROM configuration_override WHERE parameter = 'margin_type'", 3,
         "trading.margin_type at global is not there; the ledger says \"cross\" of version 3"),
        ("UPDATE configuration_override SET parameter = 'a_new_one' WHERE parameter = 'margin_type'", 3,
         "trading.a_new_one at global"),
        ("UPDATE configuration_override SET value = '0' WHERE parameter = 'override_min_qty' AND symbol = ''", 1,
         "trading.override_min_qty at global is 0 of version 1; the ledger says null"),
    ],
)  # fmt: skip
def test_verify__head_or_override_does_not_follow_from_the_ledger__says_which(
    statement: str, version: int, words: str, ledger: None
) -> None:
    with tampering() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1
    checked = evidence.verify(now=NOON)
    assert checked.first_bad_version == version
    assert words in checked.finding


def test_ledger_check__newest_verdict__is_kept_and_told(ledger: None) -> None:
    assert selectors.ledger_check() is None
    evidence.verify(now=NOON)
    Override.objects.filter(parameter="margin_type").delete()
    with capture_logs() as logged:
        evidence.verify(now=NOON + timedelta(hours=1))

    newest = selectors.ledger_check()
    assert newest is not None
    assert (newest.version, newest.first_bad_version, newest.checked_at) == (5, 3, NOON + timedelta(hours=1))
    assert LedgerCheck.objects.count() == 2
    assert [(line["event"], line["version"], line["log_level"]) for line in logged] == [
        ("config.ledger_broken", 3, "error")
    ]


def test_ledger__its_user_gone__stays_readable_and_whole() -> None:
    user = User.objects.create_user("cleo")
    decide(SetValue(GLOBAL, "trading", "leverage", 7), actor=services.Actor("user", str(user.pk), "cleo"))
    user.delete()

    newest = selectors.change_sets().first()
    assert newest is not None
    assert (newest.actor_label, newest.changes.get().new) == ("cleo", 7)
    assert evidence.verify(now=NOON).first_bad_version is None


@pytest.mark.django_db(transaction=True)
def test_verify__while_others_write__never_raises_a_false_alarm() -> None:
    put(GLOBAL, leverage=10, max_retries=1)
    is_over = threading.Event()

    def write() -> int:
        written = 0
        try:
            while not is_over.is_set():
                written += bool(put(symbol_scope(f"S{written % 7}"), max_retries=written % 9).changes)
        finally:
            connection.close()
        return written

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            findings = [evidence.verify(now=NOON).finding for _ in range(30)]
        finally:
            is_over.set()
        assert sum(writer.result(timeout=30) for writer in writers) > 10
    assert set(findings) == {""}


# --- the export, bit by bit


@pytest.fixture
def whole(ledger: None) -> bytes:
    return "".join(f"{line}\n" for line in reading.ledger_lines()).encode()


@hypothesis(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_export__any_bit_flipped__the_script_names_the_version_of_its_line(
    data: st.DataObject, whole: bytes, tmp_path: Path
) -> None:
    file, altered = tmp_path / "ledger.jsonl", bytearray(whole)
    place = data.draw(st.integers(0, len(whole) - 2))  # the last line feed says nothing
    bit = data.draw(st.integers(0, 7))
    line = whole[:place].count(b"\n") + 1
    altered[place] ^= 1 << bit
    file.write_bytes(altered)

    said = SCRIPTED.judge_part((0, len(whole)), path=str(file), anchors={})

    assert isinstance(said, SCRIPTED.Bad), (place, bit)
    # The head stands in line 6; its version may say less than there is, and then that is the first in doubt.
    assert said.args[0] == line or (line == 6 and said.args[0] <= 6)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 64])
def test_export__judged_in_parts__has_the_same_first_bad_version(parts: int, ledger: None, tmp_path: Path) -> None:
    lines = exported(tmp_path).read_text(encoding="utf-8").splitlines()
    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    for altered, wanted in ((lines, None), (swapped, 2), (lines[:2] + lines[3:], 3), (lines[:-1], 6), (lines[1:], 1)):
        file = tmp_path / "altered.jsonl"
        file.write_text("".join(f"{line}\n" for line in altered), encoding="utf-8")
        bounds = SCRIPTED.parts_of(str(file), parts)
        assert bounds[0][0] == 0
        assert bounds[-1][1] == file.stat().st_size
        assert by_script(file, {}, parts=parts) == wanted


def test_export__written_anew_by_somebody_else__is_judged_the_same(ledger: None, tmp_path: Path) -> None:
    # Given: other spaces, order and forms of numbers, as another program would write them
    lines = exported(tmp_path).read_text(encoding="utf-8").splitlines()
    file = tmp_path / "anew.jsonl"

    def written(rows: list[dict[str, Any]]) -> Path:
        anew = [json.dumps(dict(reversed(row.items()))).replace(": 1.5,", ": 1.50,") for row in rows]
        file.write_text("\n".join([*anew, lines[-1]]), encoding="utf-8")
        return file

    rows = [json.loads(line) for line in lines[:-1]]
    assert by_script(written(rows), {}) is None
    rows[2]["changes"][0]["new"] = 13
    assert by_script(written(rows), {}) == 3


def test_export__its_lines__hold_columns_as_fields_and_the_head_at_the_end(ledger: None) -> None:
    *versions, head = [json.loads(line) for line in reading.ledger_lines()]
    assert [row["version"] for row in versions] == [1, 2, 3, 4, 5]
    assert set(versions[2]) == {field.column for field in ChangeSet._meta.concrete_fields} | {"changes", "format"}
    assert versions[2]["changes"][0] == {
        "ordinal": 0, "namespace": "trading", "scope_kind": "global", "bot": "", "symbol": "", "side": "",
        "parameter": "leverage", "op": "set", "old_version": 1, "old": 11, "new": 12,
    }  # fmt: skip
    assert versions[0]["changes"][2]["new"] == {"default": 10**16, "slow": 1e-07}
    assert head == {"head": {"version": 5, "hash": versions[-1]["hash"]}}


# --- what the database refuses

CLOSED = [*emptying.CLOSED]


def refused(statement: str, *, match: str) -> None:
    with pytest.raises(DatabaseError, match=match), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def one_of_each(ledger: None) -> None:
    services.keep(selectors.snapshot_for(some_bot()))
    CatalogueEdition.objects.create(fingerprint="0" * 64, content="{}")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("table", CLOSED)
def test_database__row_of_the_ledger__can_neither_change_nor_go(table: str, one_of_each: None) -> None:
    column = {"configuration_changeset": "reason", "configuration_change": "parameter"}.get(table, "content")
    message = f"{table} only grows: {{}} refused. Record a new change-set"
    refused(f"UPDATE {table} SET {column} = {column}", match=message.format("UPDATE"))
    refused(f"DELETE FROM {table}", match=message.format("DELETE"))


@pytest.mark.parametrize("table", CLOSED)
def test_database__whole_table_of_the_ledger__cannot_be_emptied(table: str, one_of_each: None) -> None:
    emptying.refuse()  # as outside of tests
    refused(f"TRUNCATE {table} CASCADE", match="only grows: TRUNCATE refused")


def test_emptying__outside_of_test_databases__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", "tradingsite")
    with pytest.raises(RuntimeError, match="no test database"):
        emptying.allow()


@pytest.fixture
def role() -> Callable[[], None]:
    """Become the platform's role of the script, until the test's transaction ends."""
    name = f"ledger_role_{connection.settings_dict['NAME']}"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(ROLE.read_text(encoding="utf-8").replace("tradingsite_app", name))

    def become() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {name}")

    return become


def test_role__of_the_platform__writes_configuration_as_ever(role: Callable[[], None]) -> None:
    role()
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12)
    decide(ClearScope(AAPL, "trading"), idempotency_key="again")
    assert decide(ClearScope(AAPL, "trading"), idempotency_key="again").version == 3
    services.keep(selectors.snapshot_for(some_bot()))
    with transaction.atomic():
        assert services.hold_head() == 3
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # foreign keys look at the ledger, too
    assert evidence.verify(now=NOON).first_bad_version is None


@pytest.mark.parametrize("table", CLOSED)
def test_role__of_the_platform__has_no_right_to_alter_the_ledger(
    table: str, one_of_each: None, role: Callable[[], None]
) -> None:
    column = {"configuration_changeset": "reason", "configuration_change": "parameter"}.get(table, "content")
    role()
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        refused(statement, match=f"permission denied for table {table}")
    refused(f"ALTER TABLE {table} DISABLE TRIGGER ALL", match=f"must be owner of table {table}")
    refused("SET session_replication_role = replica", match="permission denied to set parameter")


# --- the format, and rows of before


def test_seal__any_number__is_written_as_the_database_gives_it_back() -> None:
    numbers = [0.1, 2.0, 1e16, 1e-7, 1e23, -0.0, 5e-324, 1.7976931348623157e308, 123456789.123456789, 3, 10**30]
    with connection.cursor() as cursor:
        for written in numbers:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(written)])
            (stored,) = cursor.fetchone()
            assert repr(seal.read(stored)) == repr(seal.plain(written))


def test_migration__rows_of_before__are_sealed_as_the_service_would(ledger: None) -> None:
    before = list(ChangeSet.objects.order_by("version").values_list("canonical", "prev_hash", "hash"))
    migration = importlib.import_module("configuration.migrations.0003_append_only")
    with tampering() as cursor:
        cursor.execute("UPDATE configuration_changeset SET canonical = '{}', prev_hash = '', hash = version::text")
        migration.seal(None, SimpleNamespace(connection=connection))

    assert list(ChangeSet.objects.order_by("version").values_list("canonical", "prev_hash", "hash")) == before
    assert evidence.verify(now=NOON).first_bad_version is None


def test_chain__finding__names_the_columns_that_differ(ledger: None) -> None:
    with tampering() as cursor:
        cursor.execute("UPDATE configuration_changeset SET reason = 'x', source = 'api' WHERE version = 2")
    assert evidence.verify(now=NOON).finding == "Version 2 is not what was sealed: reason, source differ."


# --- commands and schedule


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_commands__anchor_ledger_and_verify__work_together(ledger: None, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    printed = run("config_anchor", "--append", str(file))
    assert file.read_text() == printed
    assert {**json.loads(printed), "at": ""} == {"version": 5, "hash": ConfigHead.objects.get().hash, "at": ""}

    (tmp_path / "ledger.jsonl").write_text(run("config_ledger"))
    assert stand_alone(tmp_path / "ledger.jsonl", "--anchor", file.name) == "ok  5 versions, 1 anchors\n"
    assert "Verified to version 5" in run("config_verify", "--anchor", str(file))

    cut_after(4)
    with pytest.raises(CommandError, match="First bad version 5") as failed:
        run("config_verify", "--anchor", str(file))
    assert failed.value.returncode == 1


@pytest.mark.parametrize("written", ["[1]", "{}", "no json", '{"version": 1}'])
def test_command__unreadable_anchors__says_which_line(written: str, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    file.write_text('{"version": 0, "hash": ""}\n\n' + written)
    with pytest.raises(CommandError, match="Line 3 is no anchor"):
        run("config_verify", "--anchor", str(file))


def test_task__each_day_once__anchors_a_whole_ledger_and_logs_it(ledger: None, settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path
    file = tmp_path / "config-anchors.jsonl"
    with capture_logs() as logged:
        tasks.keep_evidence()
        tasks.keep_evidence()
    (line,) = reading.read_anchors(file.read_text())
    assert (line.version, line.hash) == (5, ConfigHead.objects.get().hash)
    assert [entry["event"] for entry in logged] == ["config.anchor"]
    assert LedgerCheck.objects.filter(first_bad_version=None).count() == 2
    # The day after, one more.
    assert evidence.append_daily_anchor(file, now=NOON.replace(year=2030)) is not None
    assert len(file.read_text().splitlines()) == 2


def test_task__ledger_cut_below_its_anchor__finds_it_and_anchors_nothing(
    ledger: None, settings: Any, tmp_path: Path
) -> None:
    settings.STATE_DIR = tmp_path
    file = tmp_path / "config-anchors.jsonl"
    evidence.append_anchor(file, evidence.anchor(NOON))
    cut_after(4)
    tasks.keep_evidence()
    newest = selectors.ledger_check()
    assert newest is not None
    assert newest.first_bad_version == 5
    assert len(file.read_text().splitlines()) == 1


def test_task__anchors_unreadable__says_so_and_still_verifies(ledger: None, settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path
    (tmp_path / "config-anchors.jsonl").write_text("half a li")
    with capture_logs() as logged:
        tasks.keep_evidence()
    assert [entry["event"] for entry in logged] == ["config.anchors_unreadable"]
    assert selectors.ledger_check() is not None


def test_schedule__each_hour__on_the_queue_that_every_installation_serves() -> None:
    app = Celery("schedule", set_as_current=False)
    tasks.schedule(app)
    (entry,) = app.conf.beat_schedule.values()
    assert (entry["task"], str(entry["schedule"])) == (
        "configuration.keep_evidence",
        "<crontab: 17 * * * * (m/h/dM/MY/d)>",
    )
    assert (entry["options"]["queue"], entry["options"]["expires"]) == ("backtests", 3600)
    assert settings.CELERY_TASK_ROUTES["configuration.*"] == {"queue": "backtests"}


def test_chain__an_anchor__is_what_config_anchor_prints() -> None:
    put(GLOBAL, leverage=11, actor=ANN)
    (read,) = reading.read_anchors(anchored())
    assert read == chain.Anchor(1, ConfigHead.objects.get().hash, "2026-03-02T12:00:00.000000+00:00")
