-- +goose Up
-- Which order was placed with a payment: it pays for no other one.
CREATE INDEX orders_placed_with ON orders (storefront, (document #>> '{payment,reference}')) WHERE document #>> '{payment,reference}' IS NOT NULL;

-- +goose Down
DROP INDEX orders_placed_with;
