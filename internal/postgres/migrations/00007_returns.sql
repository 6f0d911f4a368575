-- +goose Up
-- An exchange is an order of its own, paid by what came back of the order it replaces: exchange_minor of its
-- price was moved here from exchange_of, and whatever is refunded of it goes back through that order's payment.
ALTER TABLE orders
    ADD COLUMN exchange_of    text REFERENCES orders (key),
    ADD COLUMN exchange_minor bigint NOT NULL DEFAULT 0 CHECK (exchange_minor >= 0);
CREATE INDEX orders_by_exchange ON orders (exchange_of) WHERE exchange_of IS NOT NULL;

-- What a refund gives back besides money through the order's own payment (amount_minor): store credit; value
-- moved to an exchange order, less than zero when it comes back as money; money through the payment of the
-- order that this one was exchanged for. supplement_minor of it is what the customer paid in addition for the
-- exchange. label_minor is the part of kept_minor that is for the label. A refund through this order's payment for
-- its exchange order has n -1.
ALTER TABLE refunds
    ADD COLUMN credit_minor   bigint NOT NULL DEFAULT 0 CHECK (credit_minor >= 0),
    ADD COLUMN moved_minor    bigint NOT NULL DEFAULT 0,
    ADD COLUMN through_minor  bigint NOT NULL DEFAULT 0 CHECK (through_minor >= 0),
    ADD COLUMN supplement_minor bigint NOT NULL DEFAULT 0 CHECK (supplement_minor >= 0),
    ADD COLUMN label_minor    bigint NOT NULL DEFAULT 0 CHECK (label_minor >= 0 AND label_minor <= kept_minor),
    ADD COLUMN exchange_order text REFERENCES orders (key);
CREATE UNIQUE INDEX refunds_by_exchange ON refunds (exchange_order) WHERE exchange_order IS NOT NULL;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refunds_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid bigint;
    gone bigint;
BEGIN
    SELECT captured_minor + exchange_minor INTO paid FROM orders WHERE key = NEW.order_key FOR NO KEY UPDATE;
    paid := paid + coalesce((SELECT authorised_minor FROM payments WHERE order_key = NEW.order_key), 0);
    SELECT coalesce(sum(amount_minor + credit_minor + moved_minor + through_minor), 0) INTO gone FROM refunds WHERE order_key = NEW.order_key;
    IF gone > paid THEN
        RAISE EXCEPTION 'order %: refunds of % exceed the % captured', NEW.order_key, gone, paid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_capture';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER refunds_within_capture ON refunds;
CREATE TRIGGER refunds_within_capture AFTER INSERT OR UPDATE OF amount_minor, credit_minor, moved_minor, through_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_capture();

-- What customers hold instead of their money. Redeeming it is the storefront's.
CREATE TABLE store_credits (
    refund      text PRIMARY KEY REFERENCES refunds (key),   -- its key at the storefront, too
    order_key   text NOT NULL REFERENCES orders (key),
    rma         text NOT NULL REFERENCES returns (rma),
    currency    text NOT NULL,
    minor       bigint NOT NULL CHECK (minor > 0),           -- bonus included
    bonus_minor bigint NOT NULL DEFAULT 0 CHECK (bonus_minor >= 0 AND bonus_minor <= minor),
    reference   text NOT NULL DEFAULT '',                    -- the storefront's own
    asked_at    timestamptz NOT NULL DEFAULT now(),
    issued_at   timestamptz
);
CREATE INDEX store_credits_by_order ON store_credits (order_key);

-- Payments that storefronts captured for dearer goods, each of which pays for one exchange.
CREATE TABLE exchange_payments (
    storefront text NOT NULL REFERENCES storefronts (id),
    reference  text NOT NULL,
    order_key  text NOT NULL REFERENCES orders (key),
    request    text NOT NULL,
    currency   text NOT NULL,
    minor      bigint NOT NULL CHECK (minor > 0),
    taken_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (storefront, reference)
);

-- A return parcel is watched like one to a customer.
ALTER TABLE return_parcels
    ADD COLUMN first_scan_at timestamptz,
    ADD COLUMN note          text NOT NULL DEFAULT '';

UPDATE return_parcels SET next_check_at = now() WHERE milestone <> 'delivered';

-- Where the customer's pictures are; nothing is ever fetched from there.
ALTER TABLE return_requests ADD COLUMN photos text[] NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE return_requests DROP COLUMN photos;
ALTER TABLE return_parcels DROP COLUMN first_scan_at, DROP COLUMN note;
DROP TABLE exchange_payments, store_credits;
DROP TRIGGER refunds_within_capture ON refunds;
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
-- +goose StatementEnd
CREATE TRIGGER refunds_within_capture AFTER INSERT OR UPDATE OF amount_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_capture();
ALTER TABLE refunds DROP COLUMN credit_minor, DROP COLUMN moved_minor, DROP COLUMN through_minor, DROP COLUMN supplement_minor,
    DROP COLUMN label_minor, DROP COLUMN exchange_order;
ALTER TABLE orders DROP COLUMN exchange_of, DROP COLUMN exchange_minor;
