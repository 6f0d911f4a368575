-- +goose Up

-- Carriers owe us too: a matter is pursued against a supplier or against a carrier of the catalogue. found is
-- what the carrier has paid for a parcel that came all the same, in minor units: a person has to answer it.
ALTER TABLE pursuits ALTER COLUMN supplier DROP NOT NULL;
ALTER TABLE pursuits
    ADD COLUMN carrier text REFERENCES carriers (id),
    ADD COLUMN found bigint NOT NULL DEFAULT 0 CHECK (found >= 0),
    ADD CHECK (num_nonnulls(supplier, carrier) = 1),
    ADD CHECK (found = 0 OR carrier IS NOT NULL);
ALTER TABLE claim_settlements DROP CONSTRAINT claim_settlements_outcome_check;
ALTER TABLE claim_settlements ADD CONSTRAINT claim_settlements_outcome_check
    CHECK (outcome IN ('credited', 'paid', 'conceded', 'written_off', 'repaid', 'kept'));
-- The outbox grows for ever and all business writes to it: to read it under this lock would stop everything. 00023
-- reads it.
ALTER TABLE outbox DROP CONSTRAINT outbox_channel_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_channel_check
    CHECK (channel IN ('customer_mail', 'storefront', 'supplier_mail', 'carrier_mail')) NOT VALID;

-- A label that was bought and that nobody uses is given back: empty until its carrier was asked. give_back_due is
-- when it is asked (again), the note why it refused or did not answer.
ALTER TABLE return_parcels
    ADD COLUMN give_back text NOT NULL DEFAULT '' CHECK (give_back IN ('', 'asked', 'accepted', 'refused')),
    ADD COLUMN give_back_due timestamptz,
    ADD COLUMN give_back_note text NOT NULL DEFAULT '',
    ADD CHECK (give_back = '' OR bought_of <> '');
CREATE INDEX return_parcels_unused ON return_parcels (bought_of, give_back_due)
    WHERE bought_of <> '' AND give_back IN ('', 'asked') AND milestone = 'labelled';

-- The parcels that a claim on a carrier is about. What names it stands in the claim's key: the purchase order,
-- and the number of the parcel or of the return (internal/ledgerbook, parcelclaim.go).
CREATE VIEW pursuit_parcels AS
SELECT p.id AS pursuit, b.*
FROM pursuits p
CROSS JOIN LATERAL (SELECT string_to_array(substr(p.id, length(p.order_key) + 2), '/') AS parts) k
CROSS JOIN LATERAL (
    SELECT r.carrier, r.tracking, r.first_scan_at, r.last_scan_at, r.milestone, r.milestone_at
    FROM return_parcels r WHERE k.parts[1] = 'lost-return' AND r.rma = k.parts[3]
    UNION ALL
    SELECT o.carrier, o.tracking, o.first_scan_at, o.last_scan_at, o.milestone, o.milestone_at
    FROM parcels o WHERE o.po_number = p.po_number AND CASE k.parts[1]
        WHEN 'lost' THEN k.parts[3] = o.tracking OR starts_with(k.parts[3], o.tracking || ':')
        WHEN 'damage' THEN EXISTS (SELECT FROM return_lines l JOIN jsonb_array_elements(o.lines) u ON (u ->> 'line')::int = l.line
            WHERE l.rma = k.parts[3])
        ELSE false END
) b
WHERE p.carrier IS NOT NULL;

-- +goose Down
DROP VIEW pursuit_parcels;
ALTER TABLE return_parcels DROP COLUMN give_back, DROP COLUMN give_back_due, DROP COLUMN give_back_note;
ALTER TABLE outbox DROP CONSTRAINT outbox_channel_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_channel_check CHECK (channel IN ('customer_mail', 'storefront', 'supplier_mail'));
ALTER TABLE claim_settlements DROP CONSTRAINT claim_settlements_outcome_check;
ALTER TABLE claim_settlements ADD CONSTRAINT claim_settlements_outcome_check CHECK (outcome IN ('credited', 'paid', 'conceded', 'written_off'));
ALTER TABLE pursuits DROP COLUMN carrier, DROP COLUMN found;
ALTER TABLE pursuits ALTER COLUMN supplier SET NOT NULL;
