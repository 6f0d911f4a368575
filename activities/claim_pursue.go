package activities

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

// LoadClaim reads a claim as its workflow's last run recorded it, and what is open of it now.
func (o *Orders) LoadClaim(ctx context.Context, id string) (claims.State, error) {
	return claimdesk.Load(ctx, o.Pool, id)
}

// PursueClaim takes a step of a claim: it records the claim with the letter that belongs to the step, in
// one transaction. A claim of which nothing is open any more gets no letter. Running it again changes
// nothing: a letter has its key.
func (o *Orders) PursueClaim(ctx context.Context, in workflows.PursueClaimInput) (now claims.Standing, err error) {
	s := &in.State
	err = postgres.InTx(ctx, o.Pool, func(tx pgx.Tx) error {
		// The lock comes first, as everywhere: what is open does not change meanwhile.
		if err := ledgerbook.LockPursuit(ctx, tx, s.ID, s.Key.String()); err != nil {
			return err
		}
		if now, err = claimdesk.Stand(ctx, tx, s.ID); err != nil {
			return err
		}
		if !now.Pending() && in.Step != claims.StepClose {
			return nil
		}
		if kind := letterOf(in.Step); kind != "" {
			err = outbox.Add(ctx, tx, claimLetter(s, kind, strconv.Itoa(s.Letters), now.Open))
		} else if s.Carrier && s.Letters > 0 {
			err = withdrawLetter(ctx, tx, s)
		}
		if err != nil {
			return err
		}
		now, err = claimdesk.Record(ctx, tx, s)
		return err
	})
	if err != nil {
		return claims.Standing{}, fmt.Errorf("%s claim %s: %w", in.Step, s.Reference, err)
	}
	return now, nil
}

// claimLetter is a letter about a claim; name tells those of one claim apart.
func claimLetter(s *claims.State, kind, name string, minor int64) outbox.Message {
	channel := outbox.SupplierMail
	if s.Carrier {
		channel = outbox.CarrierMail
	}
	return outbox.Message{
		Key: string(channel) + "/claim/" + s.Reference + "/" + name, OrderKey: s.Key.String(), Channel: channel, Kind: kind,
		Payload: outbox.Payload{PO: s.PO, Claim: s.Reference, Amount: minor, Currency: s.Currency},
	}
}

// withdrawLetter tells a carrier that was asked for something that nothing is owed: the parcel came. It goes out
// once.
func withdrawLetter(ctx context.Context, tx pgx.Tx, s *claims.State) error {
	var minor int64
	err := tx.QueryRow(ctx, `SELECT coalesce(sum(minor), 0)::bigint FROM claims WHERE pursuit = $1 AND resolution = $2`,
		s.ID, string(ledger.ClaimWithdrawn)).Scan(&minor)
	if err != nil || minor == 0 {
		return err
	}
	return outbox.Add(ctx, tx, claimLetter(s, outbox.KindClaimWithdrawn, "withdrawn", minor))
}

// letterOf is the letter that a step sends, if it sends one.
func letterOf(step claims.Step) string {
	switch step {
	case claims.StepAsk:
		return outbox.KindClaimAsked
	case claims.StepChase:
		return outbox.KindClaimChased
	}
	return ""
}

// SettleClaim carries out a person's decision and posts it, once for its id.
func (o *Orders) SettleClaim(ctx context.Context, in workflows.SettleClaimInput) (answer workflows.ClaimAnswer, err error) {
	err = postgres.InTx(ctx, o.Pool, func(tx pgx.Tx) error {
		if answer.Settled, err = claimdesk.Settle(ctx, tx, in.ID, in.Settlement); err != nil {
			return err
		}
		answer.Standing, err = claimdesk.Stand(ctx, tx, in.ID)
		return err
	})
	var refusal *order.Refusal
	switch {
	case errors.As(err, &refusal):
		return workflows.ClaimAnswer{}, temporal.NewNonRetryableApplicationError(refusal.Reason, workflows.RefusedType, nil)
	case errors.Is(err, claimdesk.ErrOtherRequest):
		return workflows.ClaimAnswer{}, temporal.NewNonRetryableApplicationError(claimdesk.ErrOtherRequest.Error(), workflows.RefusedType, nil)
	case err != nil:
		return workflows.ClaimAnswer{}, err
	}
	return answer, nil
}
