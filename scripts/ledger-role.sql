-- A database role for the running platform that can add to the ledger of configuration and read it, no more.
-- Run it as the owner of the tables, after every migration, in the platform's database:
--
--     psql "$OWNER_DATABASE_URL" --single-transaction -v ON_ERROR_STOP=1 -f scripts/ledger-role.sql
--
-- then give the role a password (ALTER ROLE tradingsite_app LOGIN PASSWORD '...') and put it into DATABASE_URL.
-- Migrations go on as the owner. docs/evidence.md says what this stops and what it does not.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tradingsite_app') THEN
        CREATE ROLE tradingsite_app NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO tradingsite_app', current_database());
END $$;

GRANT USAGE ON SCHEMA public TO tradingsite_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tradingsite_app;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO tradingsite_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tradingsite_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO tradingsite_app;

-- The ledger. The head and the overrides stay writable: they are what the ledger adds up to.
REVOKE ALL ON
    configuration_changeset,
    configuration_change,
    configuration_snapshot,
    configuration_catalogueedition
FROM tradingsite_app;
GRANT SELECT, INSERT ON
    configuration_changeset,
    configuration_change,
    configuration_snapshot,
    configuration_catalogueedition
TO tradingsite_app;
