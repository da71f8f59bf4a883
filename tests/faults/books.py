"""What the database says, in SQL of its own: what a page should show, whether bots trade, what must never be."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from tests.faults.follower import State

Connection = psycopg.Connection[Any]


class Picture(NamedTuple):
    """What a page shows of all bots, comparable: versions, money and positions by id, trades of the newest instant."""

    versions: Mapping[str, int]
    money: Mapping[str, tuple[Any, ...]]
    positions: Mapping[str, tuple[Any, ...]]
    last_trades: Mapping[str, tuple[Any, ...]]


# --- what a page shows

_OF_POSITION = ("quantity", "entry_price", "current_price", "unrealized_pnl")
_NEWEST_RUNS = "SELECT DISTINCT ON (bot_id) id, bot_id, equity, cash FROM bots_enginerun ORDER BY bot_id, number DESC"


def picture(connection: Connection) -> Picture:
    """Everything at one instant."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        versions = connection.execute("SELECT id::text, event_version FROM bots_bot WHERE retired_at IS NULL")
        money = connection.execute(
            f"SELECT bot.id::text, bot.status, run.equity, run.cash FROM bots_bot bot JOIN ({_NEWEST_RUNS}) run"
            " ON run.bot_id = bot.id WHERE bot.retired_at IS NULL"
        )
        positions = connection.execute(
            "SELECT id::text, symbol, side, quantity, entry_price, current_price, unrealized_pnl"
            " FROM bots_position WHERE is_open"
        )
        trades = connection.execute(
            f"""WITH run AS ({_NEWEST_RUNS}),
                     found AS (SELECT t.* FROM bots_trade t JOIN run ON run.id = t.run_id)
                SELECT id::text, symbol, type, quantity, price, profit_loss FROM found
                WHERE timestamp = (SELECT max(timestamp) FROM found)"""
        )
        return Picture(
            {bot: version for bot, version in versions},  # noqa: C416  a cursor is no sequence of pairs to mypy
            *({str(key): tuple(row) for key, *row in cursor} for cursor in (money, positions, trades)),
        )


def picture_of(state: State) -> Picture:
    """The same, of what a browser has."""
    newest = max((trade["timestamp"] for trade in state.trades), default=None)
    return Picture(
        state.versions,
        {key: (row["status"], *_money(row, "equity", "cash")) for key, row in state.bots.items() if row["run"]},
        {
            key: (
                row["symbol"],
                row["side"],
                *_money(row, "quantity", "entry_price", "current_price", "unrealized_pnl"),
            )
            for key, row in state.positions.items()
        },
        {
            row["id"]: (row["symbol"], row["type"], *_money(row, "quantity", "price", "profit_loss"))
            for row in state.trades
            if row["timestamp"] == newest
        },
    )


def _money(row: Mapping[str, Any], *names: str) -> tuple[Decimal | None, ...]:
    return tuple(None if row[name] is None else Decimal(row[name]) for name in names)


def differences(one: Picture, other: Picture) -> list[str]:
    """What of two pictures is not the same, in words."""
    return [
        f"{field} {key}: {mine.get(key)} and {theirs.get(key)}"
        for field, mine, theirs in zip(Picture._fields, one, other, strict=True)
        for key in sorted({*mine, *theirs})
        if mine.get(key) != theirs.get(key)
    ]


# --- whether bots trade

_NOT_TRADING = """
    SELECT count(*) FROM bots_bot bot
    WHERE bot.status = 'running' AND bot.retired_at IS NULL
      AND (SELECT count(*) FROM bots_cycle cycle
           WHERE cycle.bot_id = bot.id AND cycle.kind = 'bars' AND cycle.state = 'done'
             AND cycle.id > %(after)s AND cycle.opened_at > to_timestamp(%(since)s)) < 2
"""
# A broker may have met the bar that the paused replay would publish next: its news belongs to that bar's cycle.
_NOW_MS = """(SELECT CASE WHEN run.ended_at IS NULL AND clock.epoch = run.epoch THEN coalesce(clock.now_ms, -1)
                     ELSE 9223372036854775807 END
              FROM marketdata_replayclock clock WHERE clock.timeframe = run.timeframe)"""
_UNSETTLED = f"""
    SELECT (SELECT count(*) FROM bots_cycle WHERE state IN ('open', 'decided'))
         + (SELECT count(*) FROM bots_orderfact fact JOIN bots_enginerun run ON run.id = fact.run_id
            WHERE fact.cycle_id IS NULL AND run.ended_at IS NULL AND fact.at_ms <= {_NOW_MS})
         + (SELECT count(*) FROM bots_orderintent WHERE state IN ('pending', 'submitting', 'unknown'))
         + (SELECT count(*) FROM bots_outbox WHERE sent_at IS NULL)
         + (SELECT count(*) FROM bots_bot bot JOIN marketdata_replayclock clock ON clock.timeframe = bot.timeframe
            WHERE bot.status = 'running' AND bot.retired_at IS NULL AND NOT EXISTS (
                SELECT FROM bots_enginerun run WHERE run.bot_id = bot.id AND run.ended_at IS NULL
                  AND run.epoch = clock.epoch AND run.recorded_ms IS NOT DISTINCT FROM clock.now_ms))
"""


def newest_cycle(connection: Connection) -> int:
    return _number(connection, "SELECT coalesce(max(id), 0) FROM bots_cycle")


def do_all_trade(connection: Connection, *, after: int, since: float) -> bool:
    """Whether each running bot has recorded two bars since then (seconds since 1970), in cycles younger than ``after``.

    One may have been under way already. The second needs every part: the stream that published its bar when all
    had recorded the first, the queue, and a worker.
    """
    return not _number(connection, _NOT_TRADING, after=after, since=since)


def is_settled(connection: Connection) -> bool:
    """Whether nothing is under way any more, and every bot has recorded what was published; for a paused replay."""
    return not _number(connection, _UNSETTLED)


def least_rows(connection: Connection) -> int:
    """Rows stepped by the open run that has stepped the fewest."""
    return _number(connection, "SELECT coalesce(min(rows), 0) FROM bots_enginerun WHERE ended_at IS NULL")


# --- what must never be: each question's right answer is no row

NEVER = {
    "bots that do not run": "SELECT name, status, error_code, error_message FROM bots_bot WHERE status <> 'running'",
    "errors that were counted": "SELECT name, error_count FROM bots_bot WHERE error_count > 0",
    "cycles that failed": "SELECT bot_id, number, error_code, error_message FROM bots_cycle WHERE state = 'failed'",
    "two orders of one client id at the broker": """
        SELECT client_order_id FROM bots_simulatedorder GROUP BY client_order_id HAVING count(*) > 1""",
    "orders at the broker that nobody asked for": """
        SELECT o.client_order_id FROM bots_simulatedorder o
        LEFT JOIN bots_orderintent i ON i.client_order_id = o.client_order_id AND i.account_id = o.account_id
        WHERE i.id IS NULL""",
    "intents with more than one order of the broker": """
        SELECT intent_id FROM bots_brokerorder GROUP BY intent_id HAVING count(*) > 1""",
    "orders at the broker that our books do not know": """
        SELECT o.client_order_id FROM bots_simulatedorder o
        LEFT JOIN bots_brokerorder b ON b.broker_order_id = o.id WHERE b.broker_order_id IS NULL""",
    "one leg asked twice on one bar": """
        SELECT run_id, symbol, side, leg, open_ms FROM bots_orderintent
        WHERE origin = 'bot' AND open_ms IS NOT NULL AND leg = 0
        GROUP BY run_id, symbol, side, leg, open_ms, is_entry HAVING count(*) > 1""",
    "fills of the broker that our books do not have, or other ones": f"""
        SELECT e.account_id, e.sequence FROM bots_simulatedevent e
        JOIN bots_enginerun run ON run.account_id = e.account_id
        LEFT JOIN bots_fill f ON f.broker_order_id = e.order_id AND f.cum_qty = e.cum_qty
        WHERE e.kind = 'fill' AND e.at_ms <= {_NOW_MS}
          AND (f.id IS NULL OR f.qty <> e.qty OR f.price <> e.price OR f.fee <> e.fee)""",
    "fills that the broker does not have": """
        SELECT f.id FROM bots_fill f LEFT JOIN bots_simulatedevent e
          ON e.order_id = f.broker_order_id AND e.cum_qty = f.cum_qty AND e.kind = 'fill'
        WHERE e.id IS NULL""",
    "fills that the engine did not hear of, or that were not booked": f"""
        SELECT f.id FROM bots_fill f JOIN bots_enginerun run ON run.id = f.run_id
        LEFT JOIN bots_orderfact o ON o.fill_id = f.id LEFT JOIN bots_journalentry j ON j.fill_id = f.id
        WHERE (o.cycle_id IS NULL OR j.id IS NULL) AND f.bar_open_ms <= {_NOW_MS}""",
    "events that are missing": """
        SELECT bot.id, bot.event_version, count(*), max(o.version) FROM bots_bot bot
        JOIN bots_outbox o ON o.bot_id = bot.id GROUP BY bot.id
        HAVING max(o.version) <> bot.event_version OR max(o.version) - min(o.version) + 1 <> count(*)""",
    "events that were not sent": "SELECT bot_id, version FROM bots_outbox WHERE sent_at IS NULL",
}  # fmt: skip


def violations(connection: Connection) -> list[str]:
    """Each question that has an answer, with its first ones."""
    found = []
    for words, query in NEVER.items():
        rows = connection.execute(query).fetchmany(5)
        if rows:
            found.append(f"{words}: {'; '.join(', '.join(map(str, row)) for row in rows)}")
    return found


def counts(connection: Connection) -> str:
    """How much there is to judge, in words."""
    tables = {
        "runs": "bots_enginerun", "cycles": "bots_cycle", "orders at the broker": "bots_simulatedorder",
        "fills": "bots_fill", "events": "bots_outbox",
    }  # fmt: skip
    return ", ".join(f"{_number(connection, f'SELECT count(*) FROM {table}')} {name}" for name, table in tables.items())


def _number(connection: Connection, query: str, **facts: Any) -> int:
    row = connection.execute(query, facts or None).fetchone()  # type: ignore[arg-type]  # our own words
    assert row is not None
    return int(row[0])
