-- +goose Up

-- What the bookkeeper has taken over: nothing is posted any more on these days (UTC). The trial balance
-- of the moment is kept, so that a later one of the same day can be held against it.
CREATE TABLE ledger_periods (
    through   date PRIMARY KEY,
    closed_at timestamptz NOT NULL DEFAULT now(),
    closed_by text NOT NULL CHECK (closed_by <> ''),
    balance   jsonb NOT NULL
);

-- A posting that began before the end of a period and comes after its closing is refused, and tried
-- again with the time of then.
-- +goose StatementBegin
CREATE FUNCTION ledger_period_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest date;
BEGIN
    SELECT max(through) INTO latest FROM ledger_periods;
    IF (NEW.posted_at AT TIME ZONE 'UTC')::date <= latest THEN
        RAISE EXCEPTION 'the ledger is closed through %', latest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_period_is_open';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION ledger_periods_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a closed period stays closed: correct it by a reversal today'
        USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER ledger_period_is_open BEFORE INSERT ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION ledger_period_is_open();
CREATE TRIGGER ledger_periods_stay BEFORE UPDATE OR DELETE ON ledger_periods
    FOR EACH ROW EXECUTE FUNCTION ledger_periods_stay();
CREATE TRIGGER ledger_periods_stay_truncate BEFORE TRUNCATE ON ledger_periods
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_periods_stay();
CREATE INDEX ledger_transactions_by_day ON ledger_transactions (posted_at, id);

-- +goose Down
DROP TABLE ledger_periods;
DROP TRIGGER ledger_period_is_open ON ledger_transactions;
DROP INDEX ledger_transactions_by_day;
DROP FUNCTION ledger_period_is_open, ledger_periods_stay;
