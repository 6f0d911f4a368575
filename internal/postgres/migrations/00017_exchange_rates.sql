-- +goose Up
-- What one currency is worth in another, by the day from which it holds. A purchase order keeps the rate that it was
-- routed at in its terms: a new rate changes nothing that was ordered.
CREATE TABLE exchange_rates (
    from_currency text NOT NULL,
    to_currency   text NOT NULL,
    valid_on      date NOT NULL,
    num           bigint NOT NULL CHECK (num > 0),   -- minor units of to_currency: amount * num / den
    den           bigint NOT NULL CHECK (den > 0),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (to_currency, from_currency, valid_on),
    CHECK (from_currency <> to_currency)
);

-- +goose Down
DROP TABLE exchange_rates;
