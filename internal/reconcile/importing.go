package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/postgres"
)

// Imported says what became of a file.
type Imported struct {
	Document int64 `json:"document"`
	Lines    int   `json:"lines"`
	// Repeat: the very file was imported before, and changed nothing.
	Repeat bool `json:"repeat"`
}

// ImportStatement keeps a supplier's statement, raw and read, or fails with nothing kept. It covers the days
// from first to last (the zero times: those of its lines): an invoice of such a day that does not stand in
// it is a difference. What it says of a number replaces what an earlier one said.
func ImportStatement(ctx context.Context, pool *pgxpool.Pool, supplier string, file []byte, first, last time.Time) (Imported, error) {
	lines, err := ReadStatement(file)
	if err != nil {
		return Imported{}, fmt.Errorf("read the statement of supplier %s: %w", supplier, err)
	}
	from, through := covers(lines)
	if !first.IsZero() {
		from = first
	}
	if !last.IsZero() {
		through = last
	}
	return keep(ctx, pool, "supplier/"+supplier, "supplier_statement", file, len(lines), func(b *pgx.Batch, document int64) {
		b.Queue(`INSERT INTO supplier_statements (document_id, supplier, from_day, through_day) VALUES ($1, $2, $3, $4)`, document, supplier, from, through)
		subjects, times, days, currencies, minors := columns(lines)
		b.Queue(`DELETE FROM supplier_statement_lines WHERE supplier = $1 AND number = ANY ($2)`, supplier, subjects)
		b.Queue(`INSERT INTO supplier_statement_lines (supplier, number, n, stated_on, currency, minor, document_id)
			SELECT $1, l.*, $7 FROM unnest($2::text[], $3::int[], $4::date[], $5::text[], $6::bigint[]) AS l`,
			supplier, subjects, times, days, currencies, minors, document)
	})
}

// ImportBill keeps a carrier's bill, raw and read, or fails with nothing kept. The carrier is named as
// parcels name it; see carrier.Name.
func ImportBill(ctx context.Context, pool *pgxpool.Pool, carrierName string, file []byte) (Imported, error) {
	name := carrier.Name(carrierName)
	lines, err := ReadBill(file)
	if err != nil {
		return Imported{}, fmt.Errorf("read the bill of carrier %s: %w", name, err)
	}
	return keep(ctx, pool, "carrier/"+name, "carrier_bill", file, len(lines), func(b *pgx.Batch, document int64) {
		subjects, times, days, currencies, minors := columns(lines)
		b.Queue(`INSERT INTO carrier_bill_lines (carrier, tracking, n, billed_on, currency, minor, document_id)
			SELECT $1, l.*, $7 FROM unnest($2::text[], $3::int[], $4::date[], $5::text[], $6::bigint[]) AS l ON CONFLICT DO NOTHING`,
			name, subjects, times, days, currencies, minors, document)
	})
}

func columns(lines []Line) (subjects []string, times []int, days []time.Time, currencies []string, minors []int64) {
	for _, l := range lines {
		subjects, times, days = append(subjects, l.Subject), append(times, l.N), append(days, l.On)
		currencies, minors = append(currencies, l.Currency), append(minors, l.Minor)
	}
	return subjects, times, days, currencies, minors
}

// keep archives the file as applied, and writes what was read of it, in one transaction.
func keep(
	ctx context.Context, pool *pgxpool.Pool, source, kind string, file []byte, lines int, write func(b *pgx.Batch, document int64),
) (kept Imported, err error) {
	sum := sha256.Sum256(file)
	kept.Lines = lines
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		kept.Repeat = false
		err := tx.QueryRow(ctx, `
			INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, status, processed_at)
			VALUES ($1, $2, $2 || ':' || $3, 'application/octet-stream', $4, $5, 'applied', now())
			ON CONFLICT (source, natural_key) DO NOTHING RETURNING id`,
			source, kind, hex.EncodeToString(sum[:]), file, sum[:]).Scan(&kept.Document)
		if errors.Is(err, pgx.ErrNoRows) {
			kept.Repeat = true
			return tx.QueryRow(ctx, `SELECT id FROM documents WHERE source = $1 AND natural_key = $2 || ':' || $3`,
				source, kind, hex.EncodeToString(sum[:])).Scan(&kept.Document)
		}
		if err != nil {
			return err
		}
		b := &pgx.Batch{}
		write(b, kept.Document)
		return tx.SendBatch(ctx, b).Close()
	})
	if postgres.Violates(err) == "supplier_statements_supplier_fkey" {
		err = postgres.ErrNoPartner
	}
	if err != nil {
		return Imported{}, fmt.Errorf("keep the file of %s: %w", source, err)
	}
	return kept, nil
}
