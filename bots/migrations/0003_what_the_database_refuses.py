"""Facts stay as they were written, money adds up, and orders only go forward: whoever writes, psql included."""

from django.db import migrations

# Databases named test_ may be emptied by TRUNCATE, which is how Django's test runner cleans up.
FACTS_STAY = """
CREATE FUNCTION bots_fact_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_database() LIKE 'test\\_%' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% keeps what happened: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""
KEPT = ("bots_fill", "bots_decision", "bots_journalentry", "bots_posting")
KEPT_ROWS = ("bots_orderintent", "bots_brokerorder", "bots_orderfact", "bots_cycle")

INTENT_STEPS = """
CREATE FUNCTION bots_intent_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.bot_id, OLD.run_id, OLD.account_id, OLD.symbol, OLD.side, OLD.leg, OLD.ordinal, OLD.action,
        OLD.order_type, OLD.is_entry, OLD.qty, OLD.client_order_id, OLD.origin, OLD.mode)
       IS DISTINCT FROM
       (NEW.bot_id, NEW.run_id, NEW.account_id, NEW.symbol, NEW.side, NEW.leg, NEW.ordinal, NEW.action,
        NEW.order_type, NEW.is_entry, NEW.qty, NEW.client_order_id, NEW.origin, NEW.mode)
       OR (OLD.cycle_id, OLD.parent_id, OLD.replaces_id, OLD.snapshot_id)
       IS DISTINCT FROM (NEW.cycle_id, NEW.parent_id, NEW.replaces_id, NEW.snapshot_id) THEN
        RAISE EXCEPTION 'order intent % is what was decided: it cannot become another', OLD.client_order_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state <> NEW.state AND NOT (OLD.state || '>' || NEW.state) = ANY (ARRAY[
        'held>working', 'held>filled', 'held>canceled', 'held>expired', 'held>rejected',
        'pending>submitting', 'pending>unsent',
        'submitting>working', 'submitting>filled', 'submitting>canceled', 'submitting>expired',
        'submitting>rejected', 'submitting>unknown',
        'unknown>submitting', 'unknown>working', 'unknown>filled', 'unknown>canceled', 'unknown>expired',
        'unknown>rejected', 'unknown>abandoned',
        'working>filled', 'working>canceled', 'working>expired', 'working>rejected',
        'rejected>adopted', 'abandoned>adopted', 'unsent>adopted',
        'adopted>filled', 'adopted>canceled', 'adopted>expired'
    ]) THEN
        RAISE EXCEPTION 'order intent % cannot go from % to %', OLD.client_order_id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER intent_steps BEFORE UPDATE ON bots_orderintent FOR EACH ROW EXECUTE FUNCTION bots_intent_steps();
"""

ORDER_GOES_FORWARD = """
CREATE FUNCTION bots_order_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks CONSTANT text[] := ARRAY['held', 'working', 'partially_filled'];
    was int := coalesce(array_position(ranks, OLD.status::text), 4);
    becomes int := coalesce(array_position(ranks, NEW.status::text), 4);
BEGIN
    IF becomes < was OR (was = 4 AND OLD.status <> NEW.status) OR NEW.filled_qty < OLD.filled_qty
       OR (NEW.broker_order_id, NEW.intent_id, NEW.account_id)
       IS DISTINCT FROM (OLD.broker_order_id, OLD.intent_id, OLD.account_id) THEN
        RAISE EXCEPTION 'broker order % cannot go back from % (% filled) to % (% filled)',
            OLD.broker_order_id, OLD.status, OLD.filled_qty, NEW.status, NEW.filled_qty
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_goes_forward BEFORE UPDATE ON bots_brokerorder
    FOR EACH ROW EXECUTE FUNCTION bots_order_goes_forward();
"""

FACT_IS_HEARD_ONCE = """
CREATE FUNCTION bots_fact_is_heard_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.cycle_id IS NOT NULL
       OR (OLD.bot_id, OLD.run_id, OLD.intent_id, OLD.fill_id, OLD.reason, OLD.at_ms, OLD.broker_sequence)
       IS DISTINCT FROM
       (NEW.bot_id, NEW.run_id, NEW.intent_id, NEW.fill_id, NEW.reason, NEW.at_ms, NEW.broker_sequence) THEN
        RAISE EXCEPTION 'order fact % was heard already, or would change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fact_is_heard_once BEFORE UPDATE ON bots_orderfact
    FOR EACH ROW EXECUTE FUNCTION bots_fact_is_heard_once();
"""

# Deferred to the commit: the postings of one entry are several rows.
MONEY_ADDS_UP = """
CREATE FUNCTION bots_money_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
BEGIN
    SELECT sum(amount) INTO total FROM bots_posting WHERE entry_id = NEW.entry_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'the postings of entry % sum to %, not to zero', NEW.entry_id, total
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER money_adds_up AFTER INSERT ON bots_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bots_money_adds_up();
"""


def _stays(table: str, *, rows: str) -> str:
    return f"""
        CREATE TRIGGER {table}_rows_stay BEFORE {rows} ON {table} FOR EACH ROW EXECUTE FUNCTION bots_fact_stays();
        CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION bots_fact_stays();
    """


def _forget(table: str) -> str:
    return f"DROP TRIGGER {table}_rows_stay ON {table}; DROP TRIGGER {table}_stays ON {table};"


class Migration(migrations.Migration):

    dependencies = [
        ("bots", "0002_cycles_orders_books_outbox"),
    ]

    operations = [
        migrations.RunSQL(FACTS_STAY, "DROP FUNCTION bots_fact_stays()"),
        *(migrations.RunSQL(_stays(table, rows="UPDATE OR DELETE"), _forget(table)) for table in KEPT),
        *(migrations.RunSQL(_stays(table, rows="DELETE"), _forget(table)) for table in KEPT_ROWS),
        migrations.RunSQL(
            INTENT_STEPS, "DROP TRIGGER intent_steps ON bots_orderintent; DROP FUNCTION bots_intent_steps()"
        ),
        migrations.RunSQL(
            ORDER_GOES_FORWARD,
            "DROP TRIGGER order_goes_forward ON bots_brokerorder; DROP FUNCTION bots_order_goes_forward()",
        ),
        migrations.RunSQL(
            FACT_IS_HEARD_ONCE,
            "DROP TRIGGER fact_is_heard_once ON bots_orderfact; DROP FUNCTION bots_fact_is_heard_once()",
        ),
        migrations.RunSQL(MONEY_ADDS_UP, "DROP TRIGGER money_adds_up ON bots_posting; DROP FUNCTION bots_money_adds_up()"),
    ]
