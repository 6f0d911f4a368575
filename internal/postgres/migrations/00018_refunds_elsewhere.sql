-- +goose Up
-- A person has paid a refund past the storefront, which does not make it: the storefront is not asked for it any more.
-- Written while the order's row is locked and no call is under way.
CREATE TABLE refund_decisions (
    refund     text PRIMARY KEY REFERENCES refunds (key),
    order_key  text NOT NULL REFERENCES orders (key),
    request    text NOT NULL,
    reference  text NOT NULL CHECK (reference <> ''),   -- the transfer's number
    reason     text NOT NULL CHECK (reason <> ''),
    not_made   boolean NOT NULL,   -- the person has asked the storefront, which has not made it
    by         text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_key, request)
);

ALTER TABLE refunds DROP CONSTRAINT refunds_route_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_route_check CHECK (route IN ('', 'provider', 'held', 'elsewhere'));

-- From now on each call to a storefront is noted before it is made. Of calls before that nobody knows the end.
INSERT INTO effects (key, order_key, kind, state)
    SELECT key, order_key, 'refund', 'unknown' FROM refunds
    WHERE state = 'trying' AND route = '' AND n >= 0 AND amount_minor + through_minor > 0
    ON CONFLICT DO NOTHING;

-- +goose Down
UPDATE refunds SET route = '' WHERE route = 'elsewhere';
ALTER TABLE refunds DROP CONSTRAINT refunds_route_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_route_check CHECK (route IN ('', 'provider', 'held'));
DELETE FROM effects e USING refunds r WHERE e.key = r.key;
DROP TABLE refund_decisions;
