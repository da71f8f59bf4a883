"""Asking for a backtest: every fault at once, and what is pinned."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from backtests import services
from backtests.errors import BacktestFinished, BacktestNotFound
from backtests.models import Backtest
from backtests.tests.builders import (
    NOW,
    TEN_DAYS,
    a_bot,
    a_dataset,
    a_follower,
    a_signal,
    an_equity,
    everything,
    queued,
    ran,
)
from configuration import selectors as configuration
from configuration import services as configuration_services
from configuration.services import Actor, SetValue, symbol_scope
from engine.domain.errors import InputError

pytestmark = pytest.mark.django_db


def faults_of(owner: User, form: dict[str, Any], *, bots_of: int | None = None) -> set[tuple[str, str]]:
    """(pointer, code) of every fault the request is refused for; nothing may have been stored."""
    with pytest.raises(InputError) as refused:
        services.queue(form=form, owner_id=owner.pk, bots_of=bots_of, now=NOW)
    assert Backtest.objects.count() == 0
    return {(fault.pointer, fault.code) for fault in refused.value.faults}


def test_queue__everything_wrong__names_every_fault_and_stores_nothing(owner, ten_days) -> None:
    an_equity("BARE")  # an instrument without bars
    bot = a_bot(owner, symbols=["ACME", "BARE"])
    found = faults_of(
        owner,
        {
            "bot": bot,
            "start": "2024-01-09",
            "end": "2024-01-02",
            "symbols": ["ACME", "BARE", "NOPE"],
            "fee_bps": -1,
            "slippage_bps": "cheap",
            "max_volume_share": 1.5,
            "latency_bars": 0.5,
            "rounding": "yes",
            "signals": [],
            "colour": "green",
        },
    )
    assert found == {
        ("/colour", "unknown_field"),
        ("/end", "end_before_start"),
        ("/symbols/2", "unknown_symbol"),
        ("/datasets/BARE", "no_dataset"),
        ("/fee_bps", "out_of_range"),
        ("/slippage_bps", "invalid_type"),
        ("/max_volume_share", "out_of_range"),
        ("/latency_bars", "invalid_type"),
        ("/rounding", "invalid_type"),
        ("/signals", "signals_not_taken"),
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"bot": None}, ("/bot", "required")),
        ({"bot": "not an id"}, ("/bot", "invalid_type")),
        ({"bot": "00000000-0000-0000-0000-000000000000"}, ("/bot", "unknown_bot")),
        ({"start": "2030-01-01"}, ("/datasets/ACME", "no_bars_in_window")),
        ({"start": "yesterday"}, ("/start", "invalid_time")),
        ({"start": "2024-02-31"}, ("/start", "invalid_time")),
        ({"end": "2024-01-05T10:00:00"}, ("/end", "invalid_time")),  # no offset: nobody knows when
        ({"fee_bps": float("nan")}, ("/fee_bps", "out_of_range")),
        ({"latency_bars": True}, ("/latency_bars", "invalid_type")),
        ({"symbols": []}, ("/symbols", "no_symbol")),
        ({"symbols": "ACME"}, ("/symbols", "invalid_type")),
        ({"datasets": {"ACME": "00000000-0000-0000-0000-000000000000"}}, ("/datasets/ACME", "unknown_dataset")),
        ({"datasets": {"NOPE": "00000000-0000-0000-0000-000000000000"}}, ("/datasets/NOPE", "unknown_symbol")),
        ({"datasets": {"ACME": "mine"}}, ("/datasets/ACME", "invalid_type")),
        ({"signals": None}, ("/signals", "signals_required")),
        ({"signals": [a_signal(2, "buy")], "signals_csv": ""}, ("/signals_csv", "given_twice")),
        ({"signals": None, "signals_csv": "symbol,at\nACME,2024-01-02"}, ("/signals_csv", "missing_column")),
    ],
)
def test_queue__one_fault__is_named_where_it_stands(owner, ten_days, changes, fault) -> None:
    form = {"bot": a_follower(owner), "signals": [a_signal(2, "buy")], **changes}
    assert fault in faults_of(owner, {name: value for name, value in form.items() if value is not None})


def test_queue__another_timeframe_s_dataset__is_refused(owner, ten_days) -> None:
    an_equity("OTHER")
    other = a_dataset("OTHER", TEN_DAYS)
    form = {"bot": a_follower(owner), "signals": [a_signal(2, "buy")], "datasets": {"ACME": str(other)}}
    assert faults_of(owner, form) == {("/datasets/ACME", "wrong_dataset")}


def test_queue__signals_full_of_faults__names_each_with_its_place(owner, ten_days) -> None:
    signals = [
        a_signal(2, "buy"),
        a_signal(2, "sell"),  # the same bar
        a_signal(3, "hodl"),
        a_signal(4, "buy", confidence=1.5),
        a_signal(5, "buy", symbol="NOPE"),
        a_signal(6, "buy", at="noon"),
        a_signal(7, "buy", at="2023-12-31T12:00:00+00:00"),
        a_signal(8, "buy", at="2024-01-11T00:00:00+00:00"),  # the last bar closed just then
        a_signal(9, "buy", size=3),
        "buy",
    ]
    assert faults_of(owner, {"bot": a_follower(owner), "signals": signals}) == {
        ("/signals/1/at", "two_signals_on_a_bar"),
        ("/signals/2/action", "not_a_choice"),
        ("/signals/3/confidence", "out_of_range"),
        ("/signals/4/symbol", "unknown_symbol"),
        ("/signals/5/at", "invalid_time"),
        ("/signals/6/at", "outside_window"),
        ("/signals/7/at", "outside_window"),
        ("/signals/8/size", "unknown_field"),
        ("/signals/9", "invalid_type"),
    }


def test_queue__a_thousand_bad_signals__names_a_hundred_and_counts_the_rest(owner, ten_days) -> None:
    with pytest.raises(InputError) as refused:
        queued(owner, a_follower(owner), signals=[a_signal(2, "hodl")] * 1000)
    assert len(refused.value.faults) == 101
    assert refused.value.faults[-1].message == "There are 900 more faults in the signals."


def test_queue__signals_as_csv__run_like_signals_in_a_list(owner, ten_days) -> None:
    bot = a_follower(owner)
    text = "symbol,at,action,confidence\nacme,2024-01-02,buy,1\nACME,2024-01-05T12:00Z,sell,1\n"
    as_csv = ran(owner, bot, signals_csv=text)
    as_list = ran(owner, bot, signals=[a_signal(2, "buy"), a_signal(5, "sell")])
    assert as_csv.metrics["trips"] == 1
    assert everything(as_csv) == everything(as_list)


def test_queue__raw_bars_across_a_split__are_refused_until_accepted(owner) -> None:
    # Given: raw bars that halve overnight on the 6th
    halved = [tuple(price / 2 for price in bar) for bar in TEN_DAYS[5:]]
    an_equity("ACME")
    a_dataset("ACME", [*TEN_DAYS[:5], *halved], adjustment="raw")  # type: ignore[list-item]  # tuples of floats
    form = {"bot": a_follower(owner), "signals": [a_signal(2, "buy")]}
    # When / Then
    assert faults_of(owner, form) == {("/datasets/ACME", "unadjusted_split_suspected")}
    accepted = queued(owner, form["bot"], signals=form["signals"], accept_suspected_splits=True)  # type: ignore[arg-type]
    assert accepted.request["accept_suspected_splits"] is True


def test_queue__a_window_of_days__includes_both_ends(owner, ten_days) -> None:
    run = queued(owner, a_follower(owner), start="2024-01-03", end="2024-01-05", signals=[a_signal(4, "buy")])
    assert run.rows_total == 3


def test_queue__somebody_else_s_bot__is_unknown(owner, stranger, ten_days) -> None:
    form = {"bot": a_follower(owner), "signals": [a_signal(2, "buy")]}
    assert faults_of(stranger, form, bots_of=stranger.pk) == {("/bot", "unknown_bot")}


def test_queue__one_parameter_changed__gives_the_next_run_another_snapshot_and_nothing_else(owner, ten_days) -> None:
    # Given
    bot = a_follower(owner)
    signals = [a_signal(2, "buy"), a_signal(5, "sell")]
    first, again = ran(owner, bot, signals=signals), ran(owner, bot, signals=signals)
    assert first.snapshot_id == again.snapshot_id
    # When: ACME may be half as large
    configuration_services.change(
        actor=Actor(kind="user", id="1", label="olga"),
        source="admin",
        reason="half the size for ACME",
        operations=[SetValue(symbol_scope("ACME"), "trading", "position_size_pct", 0.05)],
        now=NOW,
    )
    changed = ran(owner, bot, signals=signals)
    # Then: the pinned results stay, the next one differs in exactly that value
    first.refresh_from_db()
    assert first.snapshot_id == again.snapshot_id != changed.snapshot_id
    assert (changed.engine_fingerprint, changed.data_fingerprint) == (first.engine_fingerprint, first.data_fingerprint)
    assert changed.request == first.request
    before, after = (configuration.snapshot(run.snapshot_id)["nodes"] for run in (first, changed))
    differing = {
        (node, name) for node, values in after.items() for name, held in values.items() if before[node][name] != held
    }
    assert differing == {(node, "trading.position_size_pct") for node in ("ACME", "ACME/LONG", "ACME/SHORT")}
    # 5 % of 10,000 at 100.00 is 5 shares: half of (105 - 101) x 10
    assert (first.metrics["final_equity"], changed.metrics["final_equity"]) == ("10040", "10020")


def test_queue__the_same_request_twice__gives_the_same_bits(owner, ten_days) -> None:
    bot, signals = a_follower(owner), [a_signal(2, "buy"), a_signal(5, "sell")]
    assert everything(ran(owner, bot, signals=signals)) == everything(ran(owner, bot, signals=signals))


def test_cancel__of_an_ended_run__is_refused(owner, ten_days) -> None:
    run = ran(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    with pytest.raises(BacktestFinished):
        services.cancel(backtest_id=run.id, now=NOW)


def test_cancel__of_somebody_else_s_run__is_not_found(owner, stranger, ten_days) -> None:
    run = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    with pytest.raises(BacktestNotFound):
        services.cancel(backtest_id=run.id, now=NOW, owner_id=stranger.pk)


def test_queue__a_retired_bot__is_unknown_and_its_results_stay(owner, ten_days) -> None:
    # Given
    bot = a_follower(owner)
    run = ran(owner, bot, signals=[a_signal(2, "buy")])
    client = APIClient()
    client.force_login(owner)
    # When
    assert client.delete(f"/api/v1/bots/{bot}").status_code == 204
    # Then
    with pytest.raises(InputError):
        queued(owner, bot, signals=[a_signal(2, "buy")])
    assert client.get(f"/api/v1/backtests/{run.id}").json()["data"]["bot_name"] == "Follower"
