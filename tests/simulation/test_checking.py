"""The check of the ledger: each of its questions finds what it asks for, in books that were right before."""

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from bots.models import Bot, BotStatus, EngineRun
from bots.services import checking
from bots.services.checking import BROKEN
from tests.simulation.theatre import Theatre
from tests.simulation.world import CALM, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

ONE_FILL = "id = (SELECT min(id) FROM bots_fill)"
FILLED = "(SELECT min(id) FROM bots_orderintent WHERE state = 'filled' AND leg = 0)"
BREAKS = {
    "DECIDED_TWICE": "UPDATE bots_enginerun SET rows = rows + 1",
    "ORDER_BEFORE_INTENT": "UPDATE bots_orderintent SET created_at = created_at + interval '1 hour'",
    "FILL_GAP": f"UPDATE bots_fill SET qty = qty - 1 WHERE {ONE_FILL}",
    "FILLED_DIFFERS": "UPDATE bots_brokerorder SET filled_qty = 1, updated_at = '2020-01-01'"
    f" WHERE intent_id = {FILLED}",
    "UNRESOLVED": "UPDATE bots_orderintent SET state = 'unknown', claimed_at = '2020-01-01' WHERE state = 'working'",
    "STATE_DIFFERS": "UPDATE bots_brokerorder SET status = 'filled' WHERE status = 'working'",
    "FILL_UNHEARABLE": "DELETE FROM bots_orderfact WHERE fill_id IS NOT NULL",
    "HEARD_DIFFERS": "UPDATE bots_cycle SET facts = facts + 1",
    "BOOKED_DIFFERS": "UPDATE bots_journalentry SET fill_id = NULL",
    "MONEY_FROM_NOWHERE": "UPDATE bots_posting SET amount = amount + 1 WHERE id = (SELECT min(id) FROM bots_posting)",
    "CASH_DIFFERS": "UPDATE bots_enginerun SET cash = cash + 1",
    "STATUS_WENT_BACK": "UPDATE bots_outbox SET payload = jsonb_set(payload, '{state}', '\"held\"')"
    " WHERE id = (SELECT max(id) FROM bots_outbox WHERE event = 'order_updated' AND payload->>'state' = 'filled')",
    "EVENT_GAP": "DELETE FROM bots_outbox WHERE version = 2",
    "EVENT_UNSENT": "UPDATE bots_outbox SET sent_at = NULL, created_at = '2020-01-01'",
    "TOKEN_FELL": "UPDATE bots_cycle SET lease_token = 1",
    "POSITION_DIFFERS": "UPDATE bots_position SET quantity = quantity + 1 WHERE is_open",
    "WAITS_FOR_NOTHING": "UPDATE bots_orderintent SET state = 'canceled' WHERE state IN ('held', 'working')",
    "ORDER_LOST": f"DELETE FROM bots_brokerorder WHERE intent_id = {FILLED}",
    "FILL_LOST": f"UPDATE bots_fill SET price = price + 1 WHERE {ONE_FILL}",
    "FILL_INVENTED": "INSERT INTO bots_fill"
    """ SELECT (jsonb_populate_record(f, '{"id": 999999, "cum_qty": 999, "activity_id": null}')).*"""
    f" FROM bots_fill f WHERE {ONE_FILL}",
    "BROKER_POSITION_DIFFERS": f"UPDATE bots_fill SET qty = qty + 1, cum_qty = cum_qty + 1 WHERE {ONE_FILL}",
    "BROKER_CASH_DIFFERS": "UPDATE bots_enginerun SET cash = cash + 1",
}


@pytest.fixture
def books(stage: Theatre) -> Iterator[World]:
    """Books after a few calm bars: something was bought, sold, and is held."""
    with stage.scene(5, weather=CALM) as world:
        world.begin()
        world.settle()
        for _ in range(5):
            world.bar()
        world._relay()
        yield world


def test_check__books_that_are_right__finds_nothing(books: World) -> None:
    assert checking.check(checking.open_runs()) == []
    assert checking.check(checking.all_runs()) == []
    call_command("check_ledger", all_runs=True)


def test_check__each_kind_of_broken_books__is_named(books: World) -> None:
    missed = []
    for code, statement in BREAKS.items():
        with transaction.atomic():
            with connection.cursor() as cursor:
                # As somebody would have to who gets past the database's own refusals.
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(statement)
            found = {row.code for row in checking.check(checking.open_runs())}
            if code not in found:
                missed.append((code, found))
            transaction.set_rollback(True)
    assert missed == []
    assert checking.check(checking.open_runs()) == []


def test_stop_broken__one_bot_with_broken_books__is_taken_out_and_the_other_trades_on(books: World) -> None:
    broken, other = books.bots
    EngineRun.objects.filter(bot=broken).update(cash=1)
    checking.stop_broken()
    taken_out = Bot.objects.get(id=broken)
    assert (taken_out.status, taken_out.error_code) == (BotStatus.ERROR, BROKEN)
    assert Bot.objects.get(id=other).status == BotStatus.RUNNING
    with pytest.raises(CommandError) as refused:
        call_command("check_ledger")
    assert refused.value.returncode == 1
