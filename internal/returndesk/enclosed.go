package returndesk

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// Enclosed is what a customer adds to a request. It is personal: it is kept in a place of its own, and never goes
// into a history.
type Enclosed struct {
	// Note is the customer's own words.
	Note     string
	Pictures []Picture
}

// Picture is one picture of what is wrong. MediaType is image/jpeg or image/png.
type Picture struct {
	MediaType string
	Body      []byte
}

// after joins a request with what is enclosed, so that a repeat is told from another request. Without anything
// enclosed it is the request alone.
func (e *Enclosed) after(request []byte) []byte {
	if e.Note == "" && len(e.Pictures) == 0 {
		return request
	}
	note := sha256.Sum256([]byte(e.Note))
	request = slices.Concat(request, note[:])
	for i := range e.Pictures {
		sum := sha256.Sum256(e.Pictures[i].Body)
		request = append(request, sum[:]...)
	}
	return request
}

// What customers may have granted and kept of one order by themselves. Who cancels and asks again makes a label, mails
// and pictures each time.
const (
	mostGranted  = 20
	mostPictures = 60 << 20 // bytes
)

// ErrTooMuch: customers have had so much of an order that a person looks at what else they want.
var ErrTooMuch = errors.New("too many returns were asked for of this order")

// within checks that a customer's request is not one too many. It is called with the order locked.
func (e *Enclosed) within(ctx context.Context, tx pgx.Tx, key order.Key) error {
	var granted, kept int64
	err := tx.QueryRow(ctx, `SELECT (SELECT count(DISTINCT request) FROM returns WHERE order_key = $1),
		(SELECT coalesce(sum(octet_length(body)), 0)::bigint FROM return_pictures WHERE order_key = $1)`, key.String()).Scan(&granted, &kept)
	if err != nil {
		return fmt.Errorf("count what was granted: %w", err)
	}
	var come int64
	for i := range e.Pictures {
		come += int64(len(e.Pictures[i].Body))
	}
	if granted >= mostGranted || come > 0 && kept+come > mostPictures {
		return ErrTooMuch
	}
	return nil
}

func (e *Enclosed) store(ctx context.Context, tx pgx.Tx, key order.Key, request string) error {
	if e.Note == "" && len(e.Pictures) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	b.Queue(`INSERT INTO return_notes (order_key, request, note) VALUES ($1, $2, $3)`, key.String(), request, e.Note)
	for i := range e.Pictures {
		p := &e.Pictures[i]
		b.Queue(`INSERT INTO return_pictures (order_key, request, n, media_type, body) VALUES ($1, $2, $3, $4, $5)`,
			key.String(), request, i+1, p.MediaType, p.Body)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep what came with the request: %w", err)
	}
	return nil
}

// Row is a pool, a connection or a transaction that reads one row.
type Row interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ReadPicture reads the n-th picture (from 1) that came with the request of a return. Fails with ErrNoReturn.
func ReadPicture(ctx context.Context, q Row, key order.Key, rma string, n int) (Picture, error) {
	var p Picture
	err := q.QueryRow(ctx, `SELECT p.media_type, p.body FROM return_pictures p JOIN returns r ON r.order_key = p.order_key AND r.request = p.request
		WHERE r.rma = $1 AND r.order_key = $2 AND p.n = $3`, rma, key.String(), n).Scan(&p.MediaType, &p.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoReturn
	}
	if err != nil {
		return Picture{}, fmt.Errorf("read picture %d of return %s: %w", n, rma, err)
	}
	return p, nil
}

// Answered finds what a request came to. ok is false when nobody asked under that id.
func Answered(ctx context.Context, q Row, key order.Key, id string) (answer Answer, ok bool, err error) {
	var text []byte
	err = q.QueryRow(ctx, `SELECT answer FROM return_requests WHERE order_key = $1 AND id = $2`, key.String(), id).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return answer, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		return Answer{}, false, fmt.Errorf("read a request of order %s: %w", key, err)
	}
	return answer, true, nil
}
