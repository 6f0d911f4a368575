-- +goose Up

-- What was paid to suppliers. A remittance is whole: its lines sum up to its total, which is below nothing when the
-- supplier paid.
CREATE TABLE remittances (
    supplier    text NOT NULL REFERENCES suppliers (id),
    reference   text NOT NULL,
    paid_on     date NOT NULL,
    currency    text NOT NULL,
    total       bigint NOT NULL,
    content     bytea NOT NULL,               -- hash: the same reference with other content is refused
    by          text NOT NULL,                -- a role and a key, never a person's name
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (supplier, reference)
);

CREATE TABLE remittance_lines (
    supplier  text NOT NULL,
    reference text NOT NULL,
    n         int NOT NULL,
    payment   text NOT NULL,                  -- what its postings are keyed by
    invoice   text,                           -- paid
    credit    text,                           -- set off: a credit memo's number, or a claim's reference
    minor     bigint NOT NULL CHECK (minor <> 0),
    reversed  bigint NOT NULL DEFAULT 0 CHECK (reversed BETWEEN 0 AND abs(minor)),
    PRIMARY KEY (supplier, reference, n),
    UNIQUE (supplier, payment),
    FOREIGN KEY (supplier, reference) REFERENCES remittances (supplier, reference),
    CHECK ((invoice IS NULL) <> (credit IS NULL)),
    CHECK ((invoice IS NOT NULL) = (minor > 0))
);
CREATE INDEX remittance_lines_by_invoice ON remittance_lines (supplier, invoice) WHERE invoice IS NOT NULL;
CREATE INDEX remittance_lines_by_credit ON remittance_lines (supplier, credit) WHERE credit IS NOT NULL;

-- Why a posting was reversed.
CREATE TABLE ledger_reversals (
    order_key   text NOT NULL,
    key         text NOT NULL,                -- of the posting that was made in error
    reason      text NOT NULL,                -- a word
    by          text NOT NULL,
    reversed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_key, key),
    FOREIGN KEY (order_key, key) REFERENCES ledger_transactions (order_key, key)
);

-- +goose Down
DROP TABLE ledger_reversals, remittance_lines, remittances;
