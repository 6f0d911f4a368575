-- +goose Up

-- What customers paid for orders after they were placed, as their storefronts said; each is a part of its order's
-- captured_minor. A payment pays for one order of its storefront, once.
CREATE TABLE order_payments (
    order_key    text NOT NULL REFERENCES orders (key),
    n            int NOT NULL CHECK (n > 0),                 -- of the order, without gaps
    storefront   text NOT NULL REFERENCES storefronts (id),
    reference    text NOT NULL CHECK (reference <> ''),      -- the storefront's
    request      text NOT NULL CHECK (request <> ''),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    by           text NOT NULL,                              -- a role and its key, or a partner; never a person's name
    document_id  bigint REFERENCES documents (id),
    taken_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, n),
    UNIQUE (order_key, request),
    UNIQUE (storefront, reference)
);

-- +goose Down
DROP TABLE order_payments;
