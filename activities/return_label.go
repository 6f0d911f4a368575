package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// labelPurchase is a label on its way to be bought. A parcel is opened at the carrier first, which costs
// nothing; its id is kept before a label is bought under it, and the carrier sells one label for an id.
type labelPurchase struct {
	*authorisation

	terms   catalog.ReturnLabels
	effect  effect
	known   boughtLabel
	shipTo  *supplier.Address // the customer's: nil when it is not kept any more
	service *catalog.Carrier  // nil: not in the catalogue
}

// boughtLabel is the result of the effect. The label is nil until it is bought.
type boughtLabel struct {
	ID    string         `json:"id"`
	Label *carrier.Label `json:"label,omitempty"`
}

// withLabel adds the label that is bought of a carrier, where the contract says so. One that the supplier
// has given all the same is used instead, and for goods that it refuses none is bought.
func (a *authorisation) withLabel(ctx context.Context, o *Orders, result workflows.ReturnAuthorised) (workflows.ReturnAuthorised, error) {
	terms := a.supplier.Contract.Returns.Labels
	if !terms.Bought() || result.Label != nil || result.Answer != nil && result.Answer.Kind == returns.SupplierRefused {
		return result, nil
	}
	p, err := o.openLabel(ctx, a, terms)
	if err != nil {
		return workflows.ReturnAuthorised{}, fmt.Errorf("buy the label of return %s: %w", a.in.RMA, err)
	}
	if p.known.Label == nil {
		if err := p.buy(ctx, o); err != nil {
			return workflows.ReturnAuthorised{}, err
		}
	}
	result.Label = &returns.Label{Carrier: p.known.Label.Carrier, Tracking: p.known.Label.Tracking}
	if p.service != nil {
		result.Label.BoughtOf = returndesk.CarrierTermsOf(p.service, a.state.CreditCurrency())
	}
	return result, nil
}

func (o *Orders) openLabel(ctx context.Context, a *authorisation, terms catalog.ReturnLabels) (*labelPurchase, error) {
	p := &labelPurchase{authorisation: a, terms: terms, effect: effect{key: "return_label/" + a.in.RMA}}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT (SELECT ship_to FROM order_contacts WHERE order_key = $1), (SELECT document FROM carriers WHERE id = $2)`,
		a.in.Key.String(), terms.Carrier).QueryRow(func(row pgx.Row) error { return row.Scan(&p.shipTo, &p.service) })
	queueBeginEffect(batch, &p.effect, a.in.Key, "return_label")
	if err := o.Pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return p, p.read(p.effect.result)
}

// read takes in what is known of the effect.
func (p *labelPurchase) read(result []byte) error {
	if result == nil {
		return nil
	}
	p.known = boughtLabel{}
	if err := json.Unmarshal(result, &p.known); err != nil {
		return fmt.Errorf("read the result of %s: %w", p.effect.key, err)
	}
	return nil
}

func (p *labelPurchase) buy(ctx context.Context, o *Orders) error {
	if p.service == nil {
		return p.misconfigured("is not in the catalogue: load it, or name another in the contract's returns.label_carrier")
	}
	labeller, err := o.Partners.Labeller(*p.service)
	if err != nil {
		return p.misconfigured(fmt.Sprintf("cannot be reached as configured: %v", err))
	}
	if p.known.ID == "" {
		if err := p.open(ctx, o, labeller); err != nil {
			return err
		}
	}
	if p.known.Label != nil { // bought by an attempt that overlaps with this one
		return nil
	}
	label, err := labeller.BuyReturnLabel(ctx, p.known.ID, p.terms.Service)
	if err != nil {
		return p.failed(ctx, o, err)
	}
	if code, named := p.service.CodeOf(label.Carrier); named {
		label.Carrier = carrier.Name(code)
	}
	return p.bought(ctx, o, label)
}

func (p *labelPurchase) misconfigured(why string) error {
	return temporal.NewApplicationError(fmt.Sprintf("carrier %s, which labels of returns to %s are bought of, %s", p.terms.Carrier, p.supplier.ID, why), "Configuration")
}

// open announces the parcel, unless an attempt before this one may have: then it is looked for. Of attempts
// that overlap the first id stays, and each buys under that one.
func (p *labelPurchase) open(ctx context.Context, o *Orders, labeller carrier.Labeller) (err error) {
	if p.shipTo == nil {
		return temporal.NewNonRetryableApplicationError(
			"the customer's address is not kept any more, so that no label can be bought: send the customer one, or give the return up", "Partner", nil)
	}
	id := ""
	if p.effect.inDoubt() {
		if id, err = labeller.FindReturn(ctx, p.in.RMA); errors.Is(err, carrier.ErrLabelNotFound) {
			err = nil
		}
	}
	if id == "" && err == nil {
		from, measures := carrier.Address(*p.shipTo), p.terms.Parcel
		from.Email = "" // a label does not need it
		id, err = labeller.OpenReturn(ctx, carrier.LabelRequest{
			Reference: p.in.RMA, From: from, To: carrier.Address(p.terms.Address),
			WeightGrams: measures.WeightGrams, LengthMM: measures.LengthMM, WidthMM: measures.WidthMM, HeightMM: measures.HeightMM,
		})
	}
	if err != nil {
		return p.failed(ctx, o, err)
	}
	return p.keep(ctx, o, id)
}

func (p *labelPurchase) keep(ctx context.Context, o *Orders, id string) error {
	encoded, err := json.Marshal(boughtLabel{ID: id})
	if err != nil {
		return fmt.Errorf("encode the result of %s: %w", p.effect.key, err)
	}
	ctx, cancel := background(ctx)
	defer cancel()
	var kept []byte
	err = o.Pool.QueryRow(ctx, `UPDATE effects SET result = coalesce(result, $2), last_at = now() WHERE key = $1 RETURNING result`, p.effect.key, encoded).Scan(&kept)
	if err != nil {
		return fmt.Errorf("note the parcel of return %s at the carrier: %w", p.in.RMA, err)
	}
	return p.read(kept)
}

// failed notes an attempt that bought nothing, or may have. What the carrier refuses was certainly not
// bought: the parcel is forgotten, so that another attempt opens one with addresses put right.
func (p *labelPurchase) failed(ctx context.Context, o *Orders, failure error) error {
	switch {
	case errors.Is(failure, carrier.ErrLabelUnavailable):
		return o.failed(ctx, &p.effect, p.effect.untried(), failure)
	case !errors.Is(failure, carrier.ErrLabelRefused):
		return o.failed(ctx, &p.effect, effectUnknown, failure)
	}
	background, cancel := background(ctx)
	defer cancel()
	_, err := o.Pool.Exec(background, `UPDATE effects SET state = 'not_sent', result = NULL, last_at = now()
		WHERE key = $1 AND state <> 'done' AND attempts = $2`, p.effect.key, p.effect.attempt)
	if err != nil {
		return fmt.Errorf("note that the carrier sells no label for return %s: %w", p.in.RMA, err)
	}
	return partnerFailure(fmt.Errorf("carrier %s sells no label: check the customer's address and returns.address, label_parcel and label_service in the contract of %s, "+
		"or say label: supplier there: %w", p.terms.Carrier, p.supplier.ID, failure))
}

// bought keeps the label with the parcel, and posts what it cost.
func (p *labelPurchase) bought(ctx context.Context, o *Orders, label carrier.Label) error {
	ctx, cancel := background(ctx)
	defer cancel()
	p.known.Label = &label
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		// The order's row comes first, as everywhere.
		book := ledgerbook.Open(w, p.in.Key.String())
		if err := w.Flush(ctx); err != nil {
			return err
		}
		posting, err := ledger.ReturnLabelBought(p.in.RMA, p.terms.Carrier, label.Cost)
		switch {
		case errors.Is(err, ledger.ErrNothingToPost): // it is charged when it is used, or not at all
		case err != nil:
			return err
		default:
			if err := book.Post(posting); err != nil {
				return err
			}
		}
		if err := book.Write(w); err != nil {
			return err
		}
		w.Queue(`INSERT INTO return_parcels (carrier, tracking, rma, label_url, next_check_at, bought_of, cost_currency, cost_minor)
			VALUES ($1, $2, $3, $4, now() + interval '1 hour', $5, $6, $7) ON CONFLICT DO NOTHING`,
			label.Carrier, label.Tracking, p.in.RMA, label.URL, p.terms.Carrier, label.Cost.Currency, label.Cost.Minor)
		return queueEndEffect(w, &p.effect, effectDone, p.known)
	})
	if err != nil {
		return fmt.Errorf("note the label of return %s: %w", p.in.RMA, err)
	}
	return nil
}
