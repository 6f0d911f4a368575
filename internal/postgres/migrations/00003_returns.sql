-- +goose Up

-- What was asked, and the answer: a repeat gets the same one, also when it was a refusal.
CREATE TABLE return_requests (
    order_key  text NOT NULL REFERENCES orders (key),
    id         text NOT NULL,
    body_hash  bytea NOT NULL,
    answer     jsonb NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, id)
);

-- One row per RMA, kept like an order's: the last recorded snapshot of its workflow, and what waits to
-- be delivered to it.
CREATE TABLE returns (
    rma             text PRIMARY KEY CHECK (length(rma) <= 30),
    order_key       text NOT NULL REFERENCES orders (key),
    request         text NOT NULL,
    po_number       text NOT NULL REFERENCES purchase_orders (number),
    supplier        text NOT NULL REFERENCES suppliers (id),
    stage           text NOT NULL,
    needs_attention boolean NOT NULL DEFAULT false,
    state           jsonb NOT NULL,
    fact_seq        bigint NOT NULL DEFAULT 0,
    delivered_seq   bigint NOT NULL DEFAULT 0,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    closed_at       timestamptz,
    deliver_at      timestamptz DEFAULT now(),
    deliver_tries   int NOT NULL DEFAULT 0,
    FOREIGN KEY (order_key, request) REFERENCES return_requests (order_key, id),
    CHECK (delivered_seq <= fact_seq)
);
CREATE INDEX returns_by_order ON returns (order_key, opened_at);
CREATE INDEX returns_deliver ON returns (deliver_at) WHERE deliver_at IS NOT NULL;
CREATE INDEX returns_attention ON returns (opened_at) WHERE needs_attention;
CREATE INDEX returns_newest ON returns (opened_at DESC, rma DESC);
-- +goose StatementBegin
CREATE FUNCTION return_snapshots_move_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce((OLD.state ->> 'revision')::bigint, 0) > coalesce((NEW.state ->> 'revision')::bigint, 0) THEN
        RAISE EXCEPTION 'return %: a newer snapshot is recorded already', NEW.rma
            USING ERRCODE = 'check_violation', CONSTRAINT = 'snapshots_move_forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER return_snapshots_move_forward BEFORE UPDATE OF state ON returns
    FOR EACH ROW EXECUTE FUNCTION return_snapshots_move_forward();

-- The units of a return. released: it ended without them (cancelled, expired), and they may be returned
-- again.
CREATE TABLE return_lines (
    rma       text NOT NULL REFERENCES returns (rma),
    po_number text NOT NULL,
    line      int NOT NULL,
    quantity  bigint NOT NULL CHECK (quantity > 0),
    released  bigint NOT NULL DEFAULT 0 CHECK (released BETWEEN 0 AND quantity),
    PRIMARY KEY (rma, line),
    FOREIGN KEY (po_number, line) REFERENCES purchase_order_lines (number, line)
);
CREATE INDEX return_lines_by_po ON return_lines (po_number, line);

-- Returned never exceeds what a supplier was to ship, whatever requests come at once.
-- +goose StatementBegin
CREATE FUNCTION returned_within_ordered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bought bigint;
    taken  bigint;
BEGIN
    SELECT quantity INTO bought FROM purchase_order_lines WHERE number = NEW.po_number AND line = NEW.line FOR NO KEY UPDATE;
    SELECT sum(quantity - released) INTO taken FROM return_lines WHERE po_number = NEW.po_number AND line = NEW.line;
    IF taken > bought THEN
        RAISE EXCEPTION 'purchase order % line %: % units in returns, only % were bought', NEW.po_number, NEW.line, taken, bought
            USING ERRCODE = 'check_violation', CONSTRAINT = 'returned_within_ordered';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER returned_within_ordered AFTER INSERT OR UPDATE OF quantity, released ON return_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION returned_within_ordered();

-- Facts about a return, numbered without gaps, waiting for or given to its workflow.
CREATE TABLE return_facts (
    rma         text NOT NULL REFERENCES returns (rma),
    seq         bigint NOT NULL,
    kind        text NOT NULL,
    body        jsonb NOT NULL,
    urgent      boolean NOT NULL,
    document_id bigint REFERENCES documents (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rma, seq)
);

-- Return parcels, by the number on their label.
CREATE TABLE return_parcels (
    carrier       text NOT NULL,
    tracking      text NOT NULL,
    rma           text NOT NULL REFERENCES returns (rma),
    label_url     text NOT NULL DEFAULT '',
    milestone     text NOT NULL DEFAULT 'labelled',
    milestone_at  timestamptz,
    last_scan_at  timestamptz,
    next_check_at timestamptz,
    PRIMARY KEY (carrier, tracking)
);
CREATE INDEX return_parcels_due ON return_parcels (carrier, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX return_parcels_by_return ON return_parcels (rma);

-- Credit memos as suppliers gave them; each counts once.
CREATE TABLE credit_memos (
    supplier  text NOT NULL REFERENCES suppliers (id),
    number    text NOT NULL,
    rma       text NOT NULL REFERENCES returns (rma),
    order_key text NOT NULL REFERENCES orders (key),
    currency  text NOT NULL,
    minor     bigint NOT NULL CHECK (minor > 0),
    given_at  timestamptz NOT NULL,
    PRIMARY KEY (supplier, number)
);
CREATE INDEX credit_memos_by_return ON credit_memos (rma);

-- What is paid for goods that came back stands among the order's refunds: they share its units' prices
-- and what was captured. Their n is 0, their part counts them.
ALTER TABLE refunds ADD COLUMN rma text REFERENCES returns (rma);
ALTER TABLE refunds ADD COLUMN kept_minor bigint NOT NULL DEFAULT 0 CHECK (kept_minor >= 0);

-- +goose Down
ALTER TABLE refunds DROP COLUMN rma, DROP COLUMN kept_minor;
DROP TABLE credit_memos, return_parcels, return_facts, return_lines, returns, return_requests;
DROP FUNCTION returned_within_ordered, return_snapshots_move_forward;
