-- +goose Up

-- Each comparison of our books with those of partners, over whole days (UTC); until_day is not part of it.
CREATE TABLE reconciliation_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_day    date NOT NULL,
    until_day   date NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,                     -- null: it is under way, or was cut short
    summary     jsonb NOT NULL DEFAULT '[]',     -- one entry for each book that was compared
    CHECK (from_day < until_day)
);
CREATE INDEX reconciliation_runs_newest ON reconciliation_runs (id DESC) WHERE finished_at IS NOT NULL;

-- What differs, once, by what it is about. A run opens it, sees it again, or finds it gone. An operator may
-- accept it: it stays so until it changes.
CREATE TABLE reconciliation_differences (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL UNIQUE,
    book         text NOT NULL,                  -- 'payments/shop', 'supplier/acme', 'carrier/ups'
    what         text NOT NULL,
    cause        text NOT NULL,                  -- the likely one
    subject      text NOT NULL,                  -- payment's reference, document's number, tracking number
    order_key    text,
    currency     text NOT NULL,
    ours_minor   bigint,                         -- null: we have nothing
    theirs_minor bigint,
    at           timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'gone')),
    first_run    bigint NOT NULL REFERENCES reconciliation_runs (id),
    last_run     bigint NOT NULL REFERENCES reconciliation_runs (id),
    opened_at    timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz,
    accepted_by  text NOT NULL DEFAULT '',
    reason       text NOT NULL DEFAULT '',
    CHECK (state <> 'accepted' OR (accepted_by <> '' AND reason <> '')),
    CHECK ((state = 'open') = (closed_at IS NULL))
);
CREATE INDEX reconciliation_differences_open ON reconciliation_differences (at) WHERE state = 'open';
CREATE INDEX reconciliation_differences_by_book ON reconciliation_differences (book, at);

-- Statements and bills of partners, as imported; their raw files are in documents. The days that a
-- supplier's statement covers are those on which what is missing from it is a difference.
CREATE TABLE supplier_statements (
    document_id bigint PRIMARY KEY REFERENCES documents (id),
    supplier    text NOT NULL REFERENCES suppliers (id),
    from_day    date NOT NULL,
    through_day date NOT NULL,
    CHECK (from_day <= through_day)
);
CREATE INDEX supplier_statements_by_supplier ON supplier_statements (supplier, from_day);

-- n counts a number that stands twice. A later statement replaces what an earlier one said of a number.
CREATE TABLE supplier_statement_lines (
    supplier    text NOT NULL REFERENCES suppliers (id),
    number      text NOT NULL,
    n           int NOT NULL,
    stated_on   date NOT NULL,
    currency    text NOT NULL,
    minor       bigint NOT NULL,                 -- credits below zero
    document_id bigint NOT NULL REFERENCES documents (id),
    PRIMARY KEY (supplier, number, n)
);
CREATE INDEX supplier_statement_lines_by_day ON supplier_statement_lines (stated_on);

-- The same line in two bills is one line; n counts it within one bill.
CREATE TABLE carrier_bill_lines (
    carrier     text NOT NULL,
    tracking    text NOT NULL,
    billed_on   date NOT NULL,
    currency    text NOT NULL,
    minor       bigint NOT NULL,
    n           int NOT NULL,
    document_id bigint NOT NULL REFERENCES documents (id),
    PRIMARY KEY (carrier, tracking, billed_on, currency, minor, n)
);
CREATE INDEX carrier_bill_lines_by_day ON carrier_bill_lines (billed_on);

-- +goose Down
DROP TABLE carrier_bill_lines, supplier_statement_lines, supplier_statements, reconciliation_differences, reconciliation_runs;
