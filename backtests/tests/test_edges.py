"""Backtests from a shell and in the admin."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from backtests.models import Backtest, BacktestStatus
from backtests.tests.builders import a_follower, a_signal, ran

pytestmark = pytest.mark.django_db

SIGNALS = "symbol,at,action,confidence\nACME,2024-01-02,buy,1\nACME,2024-01-05,sell,1\n"


@pytest.fixture
def signals(tmp_path) -> str:
    path = tmp_path / "signals.csv"
    path.write_text(SIGNALS)
    return str(path)


def test_command__run__computes_here_and_prints_the_metrics(owner, ten_days, signals, capsys) -> None:
    a_follower(owner)
    call_command("backtest", "run", "Follower", "--fee-bps", "10", "--signals", signals)
    printed = capsys.readouterr().out
    assert "100%" in printed
    assert '"final_equity": "10037.94"' in printed
    assert Backtest.objects.get().owner == owner


def test_command__run_with_faults__names_them_all_and_exits_with_2(owner, ten_days, signals) -> None:
    bot = a_follower(owner)
    with pytest.raises(CommandError) as refused:
        call_command("backtest", "run", bot, "--start", "2024-01-05", "--end", "2024-01-02", "--fee-bps", "-1")
    assert refused.value.returncode == 2
    for told in ("/end: ", "/fee_bps: ", "/signals: "):
        assert told in str(refused.value)


def test_command__run_of_nobody__says_so(db) -> None:
    with pytest.raises(CommandError, match="no bot named 'Nobody'"):
        call_command("backtest", "run", "Nobody")


def test_command__queue_list_and_show__leave_it_to_a_worker(owner, ten_days, signals, capsys) -> None:
    a_follower(owner)
    call_command("backtest", "run", "Follower", "--signals", signals, "--queue")
    queued = Backtest.objects.get()
    assert queued.status == BacktestStatus.QUEUED
    call_command("backtest", "list")
    call_command("backtest", "show", str(queued.id))
    printed = capsys.readouterr().out
    assert len(re.findall(str(queued.id), printed)) == 2  # queued, listed
    assert queued.snapshot_id in printed


def test_admin__list_and_page__show_and_change_nothing(root, owner, ten_days, django_assert_max_num_queries) -> None:
    # Given
    run = ran(owner, a_follower(owner), signals=[a_signal(2, "buy"), a_signal(5, "sell")])
    client = Client()
    client.force_login(root)
    client.get("/admin/backtests/backtest/")
    # When / Then: session, user, counts, rows: as many as for one run
    ran(owner, str(run.bot_id), signals=[a_signal(2, "buy")])
    with django_assert_max_num_queries(5):
        page = client.get("/admin/backtests/backtest/").content.decode()
    assert "0.40%" in page  # 10,040 of 10,000
    shown = client.get(f"/admin/backtests/backtest/{run.id}/change/").content.decode()
    assert run.snapshot_id[:12] in shown
    # The page takes no POST from anybody.
    assert client.post(f"/admin/backtests/backtest/{run.id}/change/", {"bot_name": "x"}).status_code == 405
    assert client.get("/admin/backtests/backtest/add/").status_code == 403
    assert client.post(f"/admin/backtests/backtest/{run.id}/delete/", {"post": "yes"}).status_code == 403


def test_admin__of_a_staff_member__shows_their_own_runs(owner, stranger, ten_days) -> None:
    from django.contrib.auth.models import Permission

    run = ran(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    may_look = Permission.objects.get(codename="view_backtest")
    for person, seen in ((owner, True), (stranger, False)):
        person.user_permissions.add(may_look)
        client = Client()
        client.force_login(person)
        assert (str(run.id) in client.get("/admin/backtests/backtest/").content.decode()) is seen
