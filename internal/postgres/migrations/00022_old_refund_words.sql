-- +goose Up

-- Processes of the release before run on beside those of this one. It says of a whole refund that its price was
-- released or forgiven, in route; here those are amounts of their own, and amount_minor is what goes back besides.
-- +goose StatementBegin
CREATE FUNCTION refunds_in_old_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.route = 'released' THEN
        NEW.released_minor := NEW.released_minor + NEW.amount_minor;
    ELSE
        NEW.forgiven_minor := NEW.forgiven_minor + NEW.amount_minor;
    END IF;
    NEW.amount_minor := 0;
    NEW.route := 'provider';
    RETURN NEW;
END $$;

-- That release keeps what was paid otherwise, or written off, in the snapshot alone.
CREATE FUNCTION payments_in_old_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.elsewhere_minor = OLD.elsewhere_minor AND NEW.written_off_minor = OLD.written_off_minor THEN
        NEW.elsewhere_minor := coalesce((NEW.state #>> '{capture,elsewhere}')::bigint, 0);
        NEW.written_off_minor := coalesce((NEW.state #>> '{capture,writtenOff}')::bigint, 0);
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER refunds_in_old_words BEFORE INSERT OR UPDATE OF route, amount_minor ON refunds
    FOR EACH ROW WHEN (NEW.route IN ('released', 'forgiven')) EXECUTE FUNCTION refunds_in_old_words();
CREATE TRIGGER payments_in_old_words BEFORE UPDATE OF state ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_in_old_words();

-- +goose Down
DROP TRIGGER payments_in_old_words ON payments;
DROP TRIGGER refunds_in_old_words ON refunds;
DROP FUNCTION payments_in_old_words, refunds_in_old_words;
