-- +goose Up

-- Partners and their terms, as loaded from the catalogue files. Documents are the parsed, defaulted
-- form; routing freezes copies of them into its decisions.
CREATE TABLE storefronts (
    id         text PRIMARY KEY,
    document   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE suppliers (
    id         text PRIMARY KEY,
    document   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE carriers (
    id         text PRIMARY KEY,
    document   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- reserved is what open purchase orders hold of on_hand. A feed may bring on_hand below it.
CREATE TABLE offers (
    supplier     text NOT NULL REFERENCES suppliers (id),
    sku          text NOT NULL,
    document     jsonb NOT NULL,
    on_hand      bigint NOT NULL CHECK (on_hand >= 0),
    reserved     bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sku, supplier)
);

CREATE TABLE api_keys (
    id         text PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,
    role       text NOT NULL CHECK (role IN ('storefront', 'support', 'operator')),
    storefront text,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CHECK (role <> 'storefront' OR storefront IS NOT NULL)
);

-- Every inbound document, raw, before it is acknowledged. The natural key makes a repeat a no-op.
CREATE TABLE documents (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source          text NOT NULL,               -- 'api/shop', 'shopify/shop', 'supplier/acme', 'carrier/ups'
    kind            text NOT NULL,               -- topic or event type, as the source names it
    natural_key     text NOT NULL,
    content_type    text NOT NULL,
    body            bytea NOT NULL,
    body_hash       bytea NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    status          text NOT NULL DEFAULT 'received'
                    CHECK (status IN ('received', 'applied', 'ignored', 'quarantined')),
    reason_code     text NOT NULL DEFAULT '',
    reason          text NOT NULL DEFAULT '',
    order_key       text,
    attempts        int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    processed_at    timestamptz,
    UNIQUE (source, natural_key)
);
CREATE INDEX documents_due ON documents (next_attempt_at) WHERE status = 'received';
CREATE INDEX documents_quarantined ON documents (received_at) WHERE status = 'quarantined';
CREATE INDEX documents_by_order ON documents (order_key) WHERE order_key IS NOT NULL;

-- One row per order. state is the last recorded snapshot of the order's workflow; what facts have
-- arrived since is folded over it by the same code that runs in the workflow.
CREATE TABLE orders (
    key             text PRIMARY KEY,            -- 'storefront/order'
    storefront      text NOT NULL REFERENCES storefronts (id),
    order_id        text NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    placed_at       timestamptz NOT NULL,
    document        jsonb NOT NULL,              -- canonical order without people: lines, amounts, payment
    body_hash       bytea NOT NULL,
    currency        text NOT NULL,
    country         text NOT NULL,
    customer_hash   bytea NOT NULL,              -- for velocity; keyed hash, never the address itself
    total_minor     bigint NOT NULL CHECK (total_minor >= 0),
    captured_minor  bigint NOT NULL CHECK (captured_minor >= 0),
    stage           text NOT NULL DEFAULT 'received',
    needs_attention boolean NOT NULL DEFAULT false,
    state           jsonb,
    fact_seq        bigint NOT NULL DEFAULT 0,   -- number of the newest fact
    delivered_seq   bigint NOT NULL DEFAULT 0,   -- number of the newest fact given to the workflow
    started_at      timestamptz,                 -- the workflow exists
    closed_at       timestamptz,
    deliver_at      timestamptz,                 -- something waits for the workflow since; null: nothing
    deliver_tries   int NOT NULL DEFAULT 0,
    UNIQUE (storefront, order_id),
    CHECK (delivered_seq <= fact_seq)
);
CREATE INDEX orders_deliver ON orders (deliver_at) WHERE deliver_at IS NOT NULL;
CREATE INDEX orders_velocity ON orders (storefront, customer_hash, received_at);
CREATE INDEX orders_by_stage ON orders (storefront, stage, received_at);
CREATE INDEX orders_newest ON orders (received_at DESC, key DESC);
CREATE INDEX orders_newest_of_storefront ON orders (storefront, received_at DESC, key DESC);
CREATE INDEX orders_attention ON orders (received_at) WHERE needs_attention;

-- An older snapshot never takes the place of a newer one: a step that was given up for lost, and wakes
-- up after the next one is through, would otherwise undo reservations and reopen what was closed.
-- +goose StatementBegin
CREATE FUNCTION snapshots_move_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce((OLD.state ->> 'revision')::bigint, 0) > coalesce((NEW.state ->> 'revision')::bigint, 0) THEN
        RAISE EXCEPTION 'order %: a newer snapshot is recorded already', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'snapshots_move_forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER snapshots_move_forward BEFORE UPDATE OF state ON orders
    FOR EACH ROW WHEN (OLD.state IS NOT NULL) EXECUTE FUNCTION snapshots_move_forward();

-- The only place for the customer's name, address and e-mail.
CREATE TABLE order_contacts (
    order_key text PRIMARY KEY REFERENCES orders (key),
    ship_to   jsonb NOT NULL,
    email     text NOT NULL DEFAULT '',
    locale    text NOT NULL DEFAULT ''
);

-- A new address waits here until the workflow takes or refuses the change.
CREATE TABLE address_changes (
    id         text PRIMARY KEY,
    order_key  text NOT NULL REFERENCES orders (key),
    ship_to    jsonb NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz
);

CREATE TABLE order_lines (
    order_key  text NOT NULL REFERENCES orders (key),
    line       int NOT NULL,
    sku        text NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    cancelled  bigint NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    PRIMARY KEY (order_key, line),
    CHECK (cancelled <= quantity)
);

CREATE TABLE routing_decisions (
    order_key  text NOT NULL REFERENCES orders (key),
    n          int NOT NULL,
    request    text NOT NULL,                    -- canonical bytes, so that a recomputation can be compared
    decision   text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, n)
);

CREATE TABLE purchase_orders (
    number        text PRIMARY KEY CHECK (length(number) <= 22),
    order_key     text NOT NULL REFERENCES orders (key),
    decision      int NOT NULL,
    supplier      text NOT NULL REFERENCES suppliers (id),
    status        text NOT NULL,
    currency      text NOT NULL,
    method        text NOT NULL DEFAULT '',
    terms         jsonb NOT NULL,
    reference     text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    submitted_at  timestamptz,
    ack_due_at    timestamptz,
    ship_due_at   timestamptz,
    acknowledged_at timestamptz,                 -- by the supplier's clock
    first_scan_at timestamptz,
    FOREIGN KEY (order_key, decision) REFERENCES routing_decisions (order_key, n)
);
CREATE INDEX purchase_orders_by_order ON purchase_orders (order_key);
CREATE INDEX purchase_orders_ack_due ON purchase_orders (ack_due_at)
    WHERE acknowledged_at IS NULL AND submitted_at IS NOT NULL;

-- live is what the purchase order still answers for. quantity >= live always.
CREATE TABLE purchase_order_lines (
    number       text NOT NULL REFERENCES purchase_orders (number),
    order_key    text NOT NULL,
    line         int NOT NULL,
    sku          text NOT NULL,
    supplier_sku text NOT NULL,
    quantity     bigint NOT NULL CHECK (quantity > 0),
    live         bigint NOT NULL CHECK (live >= 0),
    reserved     bigint NOT NULL CHECK (reserved >= 0),   -- of the supplier's stock, until shipped or given back
    units        jsonb NOT NULL DEFAULT '{}',
    unit_cost    bigint NOT NULL CHECK (unit_cost >= 0),
    PRIMARY KEY (number, line),
    FOREIGN KEY (order_key, line) REFERENCES order_lines (order_key, line),
    CHECK (live <= quantity AND reserved <= quantity)
);
CREATE INDEX purchase_order_lines_by_order ON purchase_order_lines (order_key, line);

-- At most one live purchase order for a unit: what is live with suppliers plus what is cancelled
-- never exceeds what was ordered. Deferred, because a failover moves units in one transaction.
-- +goose StatementBegin
CREATE FUNCTION one_live_purchase_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ordered bigint;
    gone    bigint;
    held    bigint;
BEGIN
    SELECT quantity, cancelled INTO ordered, gone FROM order_lines
        WHERE order_key = NEW.order_key AND line = NEW.line;
    SELECT coalesce(sum(live), 0) INTO held FROM purchase_order_lines
        WHERE order_key = NEW.order_key AND line = NEW.line;
    IF held + gone > ordered THEN
        RAISE EXCEPTION 'order % line %: % units live with suppliers and % cancelled, only % were ordered',
            NEW.order_key, NEW.line, held, gone, ordered
            USING ERRCODE = 'check_violation', CONSTRAINT = 'one_live_purchase_order';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER one_live_purchase_order
    AFTER INSERT OR UPDATE OF live ON purchase_order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION one_live_purchase_order();
CREATE CONSTRAINT TRIGGER one_live_purchase_order
    AFTER UPDATE OF cancelled ON order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION one_live_purchase_order();

-- Facts about an order, numbered without gaps per order, waiting for or given to its workflow.
-- A fact that is not urgent waits for the next urgent one, to spare the workflow a task.
CREATE TABLE facts (
    order_key   text NOT NULL REFERENCES orders (key),
    seq         bigint NOT NULL,
    kind        text NOT NULL,
    body        jsonb NOT NULL,
    urgent      boolean NOT NULL,
    document_id bigint REFERENCES documents (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, seq)
);

CREATE TABLE parcels (
    po_number     text NOT NULL REFERENCES purchase_orders (number),
    carrier       text NOT NULL,
    tracking      text NOT NULL,
    order_key     text NOT NULL,
    lines         jsonb NOT NULL,
    noticed_at    timestamptz NOT NULL,
    milestone     text NOT NULL DEFAULT 'labelled',
    milestone_at  timestamptz,
    first_scan_at timestamptz,
    last_scan_at  timestamptz,
    note          text NOT NULL DEFAULT '',      -- contradictions and unknown words, for a person
    next_check_at timestamptz,                   -- null: nothing more is expected
    PRIMARY KEY (po_number, carrier, tracking)
);
CREATE INDEX parcels_by_tracking ON parcels (carrier, tracking);
CREATE INDEX parcels_due ON parcels (carrier, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX parcels_by_order ON parcels (order_key);

-- Every scan, kept as evidence, whether or not a parcel is known for it yet.
CREATE TABLE tracking_events (
    carrier     text NOT NULL,
    tracking    text NOT NULL,
    scan_id     text NOT NULL,
    status      text NOT NULL,
    detail      text NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (carrier, tracking, scan_id)
);

-- Effects on the outside world, by business key: recorded before the call and after it.
CREATE TABLE effects (
    key        text PRIMARY KEY,
    order_key  text NOT NULL REFERENCES orders (key),
    kind       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('trying', 'not_sent', 'unknown', 'done')),
    previous   text NOT NULL DEFAULT '',         -- the state in which the newest attempt found it; empty: it is the first
    attempts   int NOT NULL DEFAULT 1,
    result     jsonb,
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX effects_by_order ON effects (order_key);

-- Messages to customers, storefronts and suppliers, committed with the step that causes them.
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    order_key  text NOT NULL REFERENCES orders (key),
    channel    text NOT NULL CHECK (channel IN ('customer_mail', 'storefront', 'supplier_mail')),
    kind       text NOT NULL,
    payload    jsonb NOT NULL DEFAULT '{}',
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'skipped')),
    attempts   int NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz,
    last_error text NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'pending';
CREATE INDEX outbox_by_order ON outbox (order_key);

-- A refund that is asked for again with more units keeps its part and gets another one.
CREATE TABLE refunds (
    key            text PRIMARY KEY,             -- 'refund/<order key>/<n>', further parts with '.<part>'
    order_key      text NOT NULL REFERENCES orders (key),
    n              int NOT NULL,
    part           int NOT NULL DEFAULT 1,
    lines          jsonb NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor >= 0),
    goods_minor    bigint NOT NULL,
    tax_minor      bigint NOT NULL,
    shipping_minor bigint NOT NULL,
    shipping_tax_minor bigint NOT NULL DEFAULT 0,
    reason         text NOT NULL,
    state          text NOT NULL CHECK (state IN ('trying', 'done')),
    reference      text NOT NULL DEFAULT '',
    asked_at       timestamptz NOT NULL DEFAULT now(),
    done_at        timestamptz,
    UNIQUE (order_key, n, part)
);

-- Refunds never exceed what was captured, also under concurrency: the order's row is locked.
-- +goose StatementBegin
CREATE FUNCTION refunds_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    captured bigint;
    refunded bigint;
BEGIN
    SELECT captured_minor INTO captured FROM orders WHERE key = NEW.order_key FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount_minor), 0) INTO refunded FROM refunds WHERE order_key = NEW.order_key;
    IF refunded > captured THEN
        RAISE EXCEPTION 'order %: refunds of % exceed the % captured', NEW.order_key, refunded, captured
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_capture';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER refunds_within_capture AFTER INSERT OR UPDATE OF amount_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_capture();

CREATE TABLE supplier_invoices (
    supplier   text NOT NULL REFERENCES suppliers (id),
    invoice    text NOT NULL,
    po_number  text NOT NULL REFERENCES purchase_orders (number),
    order_key  text NOT NULL REFERENCES orders (key),
    currency   text NOT NULL,
    total      bigint NOT NULL,
    document   jsonb NOT NULL,
    invoiced_at timestamptz NOT NULL,
    standing   text NOT NULL DEFAULT 'received' CHECK (standing IN ('received', 'matched', 'disputed')),
    PRIMARY KEY (supplier, invoice)
);
CREATE INDEX supplier_invoices_by_po ON supplier_invoices (po_number);

-- The ledger: append-only, every transaction balanced per currency.
CREATE TABLE ledger_transactions (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_key text NOT NULL REFERENCES orders (key),
    key       text NOT NULL,
    kind      text NOT NULL,
    memo      text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_key, key)
);

CREATE TABLE ledger_entries (
    transaction_id bigint NOT NULL REFERENCES ledger_transactions (id),
    n              int NOT NULL,
    account        text NOT NULL,
    currency       text NOT NULL,
    minor          bigint NOT NULL CHECK (minor <> 0),    -- debit positive, credit negative
    PRIMARY KEY (transaction_id, n)
);
CREATE INDEX ledger_entries_by_account ON ledger_entries (account, currency);

-- +goose StatementBegin
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tx bigint;
BEGIN
    -- The trigger watches both tables, so that a transaction without entries is refused too.
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

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: post a reversal instead'
        USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only_truncate BEFORE TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only_truncate BEFORE TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Named open claims: what an order's accounts may carry after it is settled.
CREATE TABLE claims (
    order_key  text NOT NULL REFERENCES orders (key),
    key        text NOT NULL,
    kind       text NOT NULL,
    account    text NOT NULL,
    currency   text NOT NULL,
    minor      bigint NOT NULL,
    owner      text NOT NULL,
    due_at     timestamptz NOT NULL,
    opened_at  timestamptz NOT NULL DEFAULT now(),
    closed_at  timestamptz,
    resolution text NOT NULL DEFAULT '',
    PRIMARY KEY (order_key, key)
);
CREATE INDEX claims_open ON claims (due_at) WHERE closed_at IS NULL;

-- +goose Down
DROP TABLE claims, ledger_entries, ledger_transactions, supplier_invoices, refunds, outbox, effects,
    tracking_events, parcels, facts, purchase_order_lines, purchase_orders, routing_decisions,
    order_lines, address_changes, order_contacts, orders, documents, api_keys, offers, carriers,
    suppliers, storefronts;
DROP FUNCTION snapshots_move_forward, one_live_purchase_order, refunds_within_capture, ledger_balances, ledger_is_append_only;
