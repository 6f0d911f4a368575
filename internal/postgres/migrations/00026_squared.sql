-- +goose Up
-- Each try to give a store credit is noted before it is made, also where the storefront takes the payments: a person may
-- pay it otherwise. Of tries before that nobody knows the end.
INSERT INTO effects (key, order_key, kind, state)
    SELECT 'store_credit/' || c.refund, c.order_key, 'store_credit', 'unknown' FROM store_credits c JOIN refunds r ON r.key = c.refund
    WHERE r.state = 'trying'
    ON CONFLICT DO NOTHING;

-- +goose Down
SELECT 1;
