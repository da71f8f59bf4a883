"""What a run does when what it stands on is broken: it ends with a code, and the next run is not harmed."""

import pytest
import structlog
from django.contrib.auth.models import User
from django.db import connection
from structlog.testing import capture_logs

from backtests import records, tasks
from backtests.models import Backtest, BacktestStatus, RecordKind
from backtests.tests.builders import TEN_DAYS, a_bot, a_dataset, a_signal, an_equity, queued

pytestmark = pytest.mark.django_db


def a_queued_run(owner: User, symbol: str) -> Backtest:
    an_equity(symbol)
    a_dataset(symbol, TEN_DAYS)
    bot = a_bot(owner, name=symbol, strategy="external", symbols=[symbol], indicators=None)
    return queued(owner, bot, signals=[a_signal(2, "buy", symbol=symbol)])


def run(backtest: Backtest) -> Backtest:
    tasks.run_backtest(backtest_id=str(backtest.id))
    backtest.refresh_from_db()
    return backtest


def behind_everybodys_back(sql: str, *, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with deferred checks pending cannot be altered
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_run__stored_bars_damaged__fails_with_the_code_and_the_next_one_completes(owner, settings, tmp_path) -> None:
    # Given: two runs, a worker that has no bars in its cache yet, and one price that is not the sealed one
    damaged, sound = a_queued_run(owner, "DAMAGED"), a_queued_run(owner, "SOUND")
    (dataset,) = damaged.request["datasets"]
    behind_everybodys_back(
        "UPDATE marketdata_barchunk SET close = set_byte(close, 3, (get_byte(close, 3) + 1) % 256) "
        f"WHERE dataset_id = '{dataset['id']}'",
        table="marketdata_barchunk",
    )
    settings.DATA_DIR = tmp_path
    # When
    with capture_logs(processors=[structlog.stdlib.add_log_level]) as logged:
        failed, completed = run(damaged), run(sound)
    # Then: one says what broke, and has no half result; the other is not concerned
    assert (failed.status, failed.error_code) == (BacktestStatus.FAILED, "BARS_CORRUPTED")
    assert "chunk 0" in failed.error_message
    assert records.counts(failed.id, RecordKind.EQUITY) == {}
    assert (completed.status, completed.error_code) == (BacktestStatus.COMPLETED, "")
    ended = [(event["backtest_id"], event["status"]) for event in logged if event["event"] == "backtest.ended"]
    assert ended == [(str(damaged.id), "failed"), (str(sound.id), "completed")]


def test_run__its_snapshot_altered__is_halted_before_anything_is_computed(owner) -> None:
    # Given: somebody raised the bot's capital in the stored snapshot, of which the run has the hash
    backtest = a_queued_run(owner, "ALTERED")
    behind_everybodys_back(
        "UPDATE configuration_snapshot SET content = replace(content, '\"10000\"', '\"90000\"')",
        table="configuration_snapshot",
    )
    # When / Then
    halted = run(backtest)
    assert (halted.status, halted.error_code) == (BacktestStatus.FAILED, "INVARIANT_BROKEN")
    assert halted.rows_done == 0
    assert records.counts(halted.id, RecordKind.EQUITY) == {}
