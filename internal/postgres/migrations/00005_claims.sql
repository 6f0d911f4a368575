-- +goose Up

-- What somebody must pursue: the claims of one matter (an invoice's disputes, a lost parcel), which one
-- workflow follows. Kept like a return: its snapshot, and what waits to be delivered to it.
CREATE TABLE pursuits (
    id              text PRIMARY KEY,            -- '<order key>/<claim key>'
    reference       text NOT NULL UNIQUE,        -- what the supplier knows it by
    order_key       text NOT NULL REFERENCES orders (key),
    kind            text NOT NULL,
    po_number       text NOT NULL DEFAULT '',
    supplier        text NOT NULL REFERENCES suppliers (id),
    currency        text NOT NULL,
    stage           text NOT NULL DEFAULT 'open',
    answer          text NOT NULL DEFAULT '',    -- the supplier's word: accepted or refused
    needs_attention boolean NOT NULL DEFAULT false,
    state           jsonb,
    fact_seq        bigint NOT NULL DEFAULT 1,   -- counts what changed
    delivered_seq   bigint NOT NULL DEFAULT 0,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    closed_at       timestamptz,
    deliver_at      timestamptz DEFAULT now(),
    deliver_tries   int NOT NULL DEFAULT 0,
    CHECK (delivered_seq <= fact_seq)
);
CREATE INDEX pursuits_by_order ON pursuits (order_key);
CREATE INDEX pursuits_deliver ON pursuits (deliver_at) WHERE deliver_at IS NOT NULL;
CREATE INDEX pursuits_open ON pursuits (supplier, opened_at) WHERE closed_at IS NULL;

ALTER TABLE claims ADD COLUMN pursuit text REFERENCES pursuits (id);
ALTER TABLE claims ADD COLUMN reason text NOT NULL DEFAULT ''; -- of a dispute: what differs
CREATE INDEX claims_by_pursuit ON claims (pursuit) WHERE pursuit IS NOT NULL;

-- What a person decided; a repeat of the request finds its answer here.
CREATE TABLE claim_settlements (
    pursuit    text NOT NULL REFERENCES pursuits (id),
    request    text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('credited', 'paid', 'conceded', 'written_off')),
    asked      bigint NOT NULL CHECK (asked >= 0),  -- 0: all that was open
    minor      bigint NOT NULL CHECK (minor > 0),
    reason     text NOT NULL,
    by         text NOT NULL,                       -- a role and a key, never a person's name
    settled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pursuit, request)
);

-- What suppliers gave for claims, each number once. applied is what the claim took of it: a credit may
-- come before its claim, and may be more.
CREATE TABLE claim_credits (
    supplier  text NOT NULL REFERENCES suppliers (id),
    number    text NOT NULL,
    order_key text NOT NULL REFERENCES orders (key),
    pursuit   text NOT NULL,
    currency  text NOT NULL,
    minor     bigint NOT NULL CHECK (minor > 0),
    applied   bigint NOT NULL DEFAULT 0 CHECK (applied BETWEEN 0 AND minor),
    given_at  timestamptz NOT NULL,
    PRIMARY KEY (supplier, number)
);
CREATE INDEX claim_credits_by_order ON claim_credits (order_key);

-- Claims that are open already are pursued from now on.
INSERT INTO pursuits (id, reference, order_key, kind, supplier, currency, opened_at, po_number)
SELECT c.order_key || '/' || c.key, 'C' || upper(substr(encode(sha256(convert_to(c.order_key || '/' || c.key, 'UTF8')), 'hex'), 1, 14)),
    c.order_key, c.kind, split_part(c.account, ':', 2), c.currency, c.opened_at,
    coalesce((SELECT p.number FROM purchase_orders p WHERE p.order_key = c.order_key AND p.supplier = split_part(c.account, ':', 2)
        ORDER BY starts_with(c.key, p.number || '/') DESC, p.number LIMIT 1), '')
FROM claims c
WHERE c.closed_at IS NULL AND starts_with(c.account, 'supplier_claims:') AND NOT starts_with(c.key, 'return/');
UPDATE claims c SET pursuit = p.id FROM pursuits p
WHERE p.id = c.order_key || '/' || c.key AND c.closed_at IS NULL AND starts_with(c.account, 'supplier_claims:');

-- +goose Down
DROP TABLE claim_credits, claim_settlements;
ALTER TABLE claims DROP COLUMN pursuit, DROP COLUMN reason;
DROP TABLE pursuits;
