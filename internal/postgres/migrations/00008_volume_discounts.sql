-- +goose Up

-- What suppliers charged for goods that they shipped, for each invoice under a contract with volume discounts.
-- Written by the matching of the invoice's order; amounts are minor units, before the discount.
CREATE TABLE volume_purchases (
    supplier  text NOT NULL REFERENCES suppliers (id),
    invoice   text NOT NULL,
    order_key text NOT NULL REFERENCES orders (key),
    period    text NOT NULL,                    -- '2026', '2026-Q1' or '2026-03', in the supplier's time zone
    ends_at   timestamptz NOT NULL,             -- of the period
    currency  text NOT NULL,
    goods     bigint NOT NULL CHECK (goods >= 0),
    credited  bigint NOT NULL DEFAULT 0 CHECK (credited BETWEEN 0 AND goods), -- by what corrected the invoice
    granted   bigint NOT NULL DEFAULT 0 CHECK (granted >= 0), -- the discount that the invoice was expected with
    claimed   bigint NOT NULL DEFAULT 0 CHECK (claimed >= 0), -- the discount that was claimed afterwards
    pending   boolean NOT NULL DEFAULT true,    -- its period was not looked at since it changed
    PRIMARY KEY (supplier, invoice)
);
CREATE INDEX volume_purchases_by_period ON volume_purchases (supplier, period, currency);
CREATE INDEX volume_purchases_pending ON volume_purchases (supplier, period, currency) WHERE pending;

-- How far the purchases of a period have come. Whoever claims, settles or credits its discounts holds this row
-- before the orders, which it locks in the order of their keys.
CREATE TABLE volume_periods (
    supplier   text NOT NULL REFERENCES suppliers (id),
    period     text NOT NULL,
    currency   text NOT NULL,
    reached_bp bigint NOT NULL DEFAULT 0 CHECK (reached_bp BETWEEN 0 AND 10000),
    due_at     timestamptz,                     -- what rounding left over is claimed then
    PRIMARY KEY (supplier, period, currency)
);
CREATE INDEX volume_periods_due ON volume_periods (due_at) WHERE due_at IS NOT NULL;

-- +goose Down
DROP TABLE volume_periods, volume_purchases;
