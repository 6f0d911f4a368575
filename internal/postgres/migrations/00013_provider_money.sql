-- +goose Up

-- What of an authorisation was paid by other means, and what nobody will pay.
ALTER TABLE payments
    ADD COLUMN elsewhere_minor   bigint NOT NULL DEFAULT 0 CHECK (elsewhere_minor >= 0),
    ADD COLUMN written_off_minor bigint NOT NULL DEFAULT 0 CHECK (written_off_minor >= 0);
UPDATE payments SET elsewhere_minor = coalesce((state #>> '{capture,elsewhere}')::bigint, 0),
    written_off_minor = coalesce((state #>> '{capture,writtenOff}')::bigint, 0)
    WHERE state #>> '{capture,elsewhere}' IS NOT NULL OR state #>> '{capture,writtenOff}' IS NOT NULL;

-- What of a refund's price the customer never paid: it is not asked for any more, or was written off. amount_minor
-- is what goes back besides, by the refund's route.
ALTER TABLE refunds
    ADD COLUMN released_minor bigint NOT NULL DEFAULT 0 CHECK (released_minor >= 0),
    ADD COLUMN forgiven_minor bigint NOT NULL DEFAULT 0 CHECK (forgiven_minor >= 0);
DROP TRIGGER refunds_within_capture ON refunds;
UPDATE refunds SET released_minor = amount_minor, amount_minor = 0, route = 'provider' WHERE route = 'released';
UPDATE refunds SET forgiven_minor = amount_minor, amount_minor = 0, route = 'provider' WHERE route = 'forgiven';
ALTER TABLE refunds DROP CONSTRAINT refunds_route_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_route_check CHECK (route IN ('', 'provider', 'held'));

-- No more is given back or let go than was captured or authorised, and no more goes back than was paid.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refunds_within_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid bigint;
    authorised bigint;
    taken bigint;
    back bigint;
    unpaid bigint;
BEGIN
    SELECT captured_minor + exchange_minor INTO paid FROM orders WHERE key = NEW.order_key FOR NO KEY UPDATE;
    SELECT authorised_minor, captured_minor + elsewhere_minor INTO authorised, taken FROM payments WHERE order_key = NEW.order_key;
    SELECT coalesce(sum(amount_minor + credit_minor + moved_minor + through_minor), 0), coalesce(sum(released_minor + forgiven_minor), 0)
        INTO back, unpaid FROM refunds WHERE order_key = NEW.order_key;
    IF back + unpaid > paid + coalesce(authorised, 0) OR back > paid + coalesce(taken, 0) THEN
        RAISE EXCEPTION 'order %: refunds of %, and % that was never paid, exceed the % captured', NEW.order_key, back, unpaid,
            paid + coalesce(taken, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_capture';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION captured_within_authorised() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    released bigint;
BEGIN
    SELECT coalesce(sum(released_minor), 0) INTO released FROM refunds WHERE order_key = NEW.order_key;
    IF NEW.capture_minor > NEW.authorised_minor - released - OLD.captured_minor THEN
        RAISE EXCEPTION 'payment of order %: a capture of % exceeds the % that are due', NEW.order_key, NEW.capture_minor,
            NEW.authorised_minor - released - OLD.captured_minor
            USING ERRCODE = 'check_violation', CONSTRAINT = 'captured_within_authorised';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER refunds_within_capture
    AFTER INSERT OR UPDATE OF amount_minor, credit_minor, moved_minor, through_minor, released_minor, forgiven_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_capture();

-- +goose Down
DROP TRIGGER refunds_within_capture ON refunds;
ALTER TABLE refunds DROP CONSTRAINT refunds_route_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_route_check CHECK (route IN ('', 'provider', 'released', 'forgiven', 'held'));
UPDATE refunds SET amount_minor = released_minor, route = 'released' WHERE amount_minor = 0 AND released_minor > 0;
UPDATE refunds SET amount_minor = forgiven_minor, route = 'forgiven' WHERE amount_minor = 0 AND forgiven_minor > 0;
ALTER TABLE refunds DROP COLUMN released_minor, DROP COLUMN forgiven_minor;
ALTER TABLE payments DROP COLUMN elsewhere_minor, DROP COLUMN written_off_minor;
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
CREATE OR REPLACE FUNCTION captured_within_authorised() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER refunds_within_capture AFTER INSERT OR UPDATE OF amount_minor, credit_minor, moved_minor, through_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refunds_within_capture();
