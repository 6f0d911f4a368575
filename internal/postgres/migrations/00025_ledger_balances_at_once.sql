-- +goose Up

-- All entries of a ledger transaction come in one statement, so their sum is checked once for that statement, and
-- not at the end of the transaction once for each of them. An entry that is added later must balance by itself.
-- +goose StatementBegin
CREATE FUNCTION ledger_entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT a.transaction_id INTO wrong FROM (SELECT DISTINCT transaction_id FROM added) a, LATERAL (
        SELECT FROM ledger_entries e WHERE e.transaction_id = a.transaction_id
        GROUP BY e.currency HAVING sum(e.minor) <> 0) unbalanced LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    RETURN NULL;
END $$;

-- Only the end of the transaction shows that a posting was left without entries. The order makes the planner take
-- the index, also where it knows the table from the time when it was small.
CREATE FUNCTION ledger_transaction_has_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ledger_entries WHERE transaction_id = NEW.id ORDER BY n LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER ledger_balances ON ledger_entries;
DROP TRIGGER ledger_balances ON ledger_transactions;
DROP FUNCTION ledger_balances;
CREATE TRIGGER ledger_balances AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_balance();
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_transaction_has_entries();

-- +goose Down
DROP TRIGGER ledger_balances ON ledger_entries;
DROP TRIGGER ledger_balances ON ledger_transactions;
DROP FUNCTION ledger_entries_balance, ledger_transaction_has_entries;
-- +goose StatementBegin
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tx bigint;
BEGIN
    tx := CASE TG_TABLE_NAME WHEN 'ledger_transactions' THEN (to_jsonb(NEW)->>'id')::bigint
                             ELSE (to_jsonb(NEW)->>'transaction_id')::bigint END;
    IF NOT EXISTS (SELECT 1 FROM ledger_entries WHERE transaction_id = tx) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', tx
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    IF EXISTS (SELECT 1 FROM ledger_entries WHERE transaction_id = tx
               GROUP BY currency HAVING sum(minor) <> 0) THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', tx
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
