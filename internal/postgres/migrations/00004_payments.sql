-- +goose Up

-- One row per order whose money is at a payment provider. Most never need more: deliver_at stays empty
-- and no workflow exists. The others are kept like an order: the last recorded snapshot of the workflow,
-- and what waits to be delivered to it.
CREATE TABLE payments (
    order_key        text PRIMARY KEY REFERENCES orders (key),
    storefront       text NOT NULL REFERENCES storefronts (id),
    reference        text NOT NULL CHECK (reference <> ''),   -- the provider's
    standing         text NOT NULL CHECK (standing IN ('authorised', 'capturing', 'captured', 'voided', 'elsewhere', 'written_off')),
    authorised_minor bigint NOT NULL DEFAULT 0 CHECK (authorised_minor >= 0),   -- held when the order was placed, not captured then
    captured_minor   bigint NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),     -- of it, by us
    capture_try      int NOT NULL DEFAULT 0,     -- number of the newest try, part of its key
    capture_minor    bigint,                     -- what it takes, fixed before the call; null: no try is under way
    awaits_shipment  boolean NOT NULL DEFAULT false,          -- the first parcel's first scan is news
    disputed         boolean NOT NULL DEFAULT false,          -- the customer's bank has not decided
    moved_minor      bigint NOT NULL DEFAULT 0,  -- what came and went at the provider besides captures and refunds
    stage            text NOT NULL,
    needs_attention  boolean NOT NULL DEFAULT false,
    state            jsonb NOT NULL,
    fact_seq         bigint NOT NULL DEFAULT 0,
    delivered_seq    bigint NOT NULL DEFAULT 0,
    opened_at        timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    closed_at        timestamptz,
    deliver_at       timestamptz,
    deliver_tries    int NOT NULL DEFAULT 0,
    UNIQUE (storefront, reference),
    CHECK (delivered_seq <= fact_seq)
);
CREATE INDEX payments_deliver ON payments (deliver_at) WHERE deliver_at IS NOT NULL;
CREATE INDEX payments_attention ON payments (opened_at) WHERE needs_attention;
-- +goose StatementBegin
CREATE FUNCTION payment_snapshots_move_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce((OLD.state ->> 'revision')::bigint, 0) > coalesce((NEW.state ->> 'revision')::bigint, 0) THEN
        RAISE EXCEPTION 'payment of order %: a newer snapshot is recorded already', NEW.order_key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'snapshots_move_forward';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payment_snapshots_move_forward BEFORE UPDATE OF state ON payments
    FOR EACH ROW EXECUTE FUNCTION payment_snapshots_move_forward();

-- Facts about a payment, numbered without gaps, waiting for or given to its workflow.
CREATE TABLE payment_facts (
    order_key   text NOT NULL REFERENCES payments (order_key),
    seq         bigint NOT NULL,
    kind        text NOT NULL,
    body        jsonb NOT NULL,
    document_id bigint REFERENCES documents (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, seq)
);

-- How a refund is made: '' by the storefront, 'provider' by the payment provider. 'released': its price was
-- not captured, and will not be. 'forgiven': it was written off before. 'held': a person makes it.
ALTER TABLE refunds ADD COLUMN route text NOT NULL DEFAULT ''
    CHECK (route IN ('', 'provider', 'released', 'forgiven', 'held'));

-- The provider's refunds, by its own reference: a refund that came back is made again as another one.
CREATE TABLE provider_refunds (
    order_key    text NOT NULL REFERENCES payments (order_key),
    reference    text NOT NULL,
    refund_key   text NOT NULL,
    try          int NOT NULL CHECK (try > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    status       text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, reference),
    UNIQUE (order_key, refund_key, try)
);

-- Chargebacks as the provider told of them.
CREATE TABLE disputes (
    order_key    text NOT NULL REFERENCES payments (order_key),
    reference    text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    opened       boolean NOT NULL DEFAULT false,              -- we were told that it was opened
    closed       boolean NOT NULL DEFAULT false,
    won          boolean,
    told_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, reference)
);

-- What was captured, or is to be, bounds what goes back or is not taken.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refunds_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    captured bigint;
    refunded bigint;
BEGIN
    SELECT captured_minor INTO captured FROM orders WHERE key = NEW.order_key FOR NO KEY UPDATE;
    captured := captured + coalesce((SELECT authorised_minor FROM payments WHERE order_key = NEW.order_key), 0);
    SELECT coalesce(sum(amount_minor), 0) INTO refunded FROM refunds WHERE order_key = NEW.order_key;
    IF refunded > captured THEN
        RAISE EXCEPTION 'order %: refunds of % exceed the % captured', NEW.order_key, refunded, captured
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_capture';
    END IF;
    RETURN NULL;
END $$;

-- An authorisation is captured once, and for no more than was not cancelled.
CREATE FUNCTION captured_within_authorised() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    released bigint;
BEGIN
    SELECT coalesce(sum(amount_minor), 0) INTO released FROM refunds WHERE order_key = NEW.order_key AND route = 'released';
    IF NEW.capture_minor > NEW.authorised_minor - released - OLD.captured_minor THEN
        RAISE EXCEPTION 'payment of order %: a capture of % exceeds the % that are due', NEW.order_key, NEW.capture_minor,
            NEW.authorised_minor - released - OLD.captured_minor
            USING ERRCODE = 'check_violation', CONSTRAINT = 'captured_within_authorised';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER captured_within_authorised BEFORE UPDATE OF capture_minor ON payments
    FOR EACH ROW WHEN (NEW.capture_minor IS NOT NULL AND OLD.capture_minor IS NULL) EXECUTE FUNCTION captured_within_authorised();

-- +goose Down
DROP TABLE disputes, provider_refunds, payment_facts, payments;
ALTER TABLE refunds DROP COLUMN route;
DROP FUNCTION payment_snapshots_move_forward, captured_within_authorised;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refunds_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
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
