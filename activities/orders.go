// Package activities holds the steps of an order that touch the world: its database and its
// partners. They are thin; the rules are in internal/.
//
// Each may run more than once, and may be killed between any two lines. Database steps are one
// transaction that a second run finds done; calls to partners are recorded under their business key
// before and after, and a call whose end is not known is looked up, never blindly repeated.
package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"go.temporal.io/sdk/activity"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// Partners reaches suppliers, storefronts and payment providers over their channels.
type Partners interface {
	// Payments answers false for a storefront that keeps its customers' payments to itself.
	Payments(s catalog.Storefront) (provider payment.Provider, has bool, err error)
	Supplier(s catalog.Supplier) (supplier.Channel, error)
	Storefront(s catalog.Storefront) (storefront.Channel, error)
	// Labeller sells the labels of return parcels.
	Labeller(c catalog.Carrier) (carrier.Labeller, error)
}

// Orders are the activities of the order workflow.
type Orders struct {
	Pool     *pgxpool.Pool
	Partners Partners
	// Now is the wall clock.
	Now func() time.Time
}

// Register makes the activities known to a worker under the names that the workflow uses.
func (o *Orders) Register(r worker.ActivityRegistry) {
	for name, step := range map[string]any{
		workflows.ActivityValidate:  o.ValidateOrder,
		workflows.ActivityRoute:     o.RouteOrder,
		workflows.ActivityDispatch:  o.DispatchPurchaseOrder,
		workflows.ActivityLookUp:    o.LookUpPurchaseOrder,
		workflows.ActivityCancel:    o.CancelPurchaseOrder,
		workflows.ActivityIntercept: o.InterceptParcel,
		workflows.ActivityRefund:    o.RefundCustomer,
		workflows.ActivityRecord:    o.RecordProgress,
		workflows.ActivitySettle:    o.SettleOrder,
		workflows.ActivityLoad:      o.LoadOrder,
		workflows.ActivityAddress:   o.ChangeAddress,
		workflows.ActivityFacts:     o.ReadFacts,

		workflows.ActivityAuthoriseReturn: o.AuthoriseReturn,
		workflows.ActivityPayReturn:       o.PayReturn,
		workflows.ActivityRecordReturn:    o.RecordReturn,
		workflows.ActivityCloseReturn:     o.CloseReturn,
		workflows.ActivityLoadReturn:      o.LoadReturn,
		workflows.ActivityReturnFacts:     o.ReadReturnFacts,

		workflows.ActivityLookUpPayment:  o.LookUpPayment,
		workflows.ActivityCapturePayment: o.CapturePayment,
		workflows.ActivityVoidPayment:    o.VoidPayment,
		workflows.ActivityRefundAgain:    o.RefundAgain,
		workflows.ActivityLookUpRefund:   o.LookUpRefund,
		workflows.ActivitySendEvidence:   o.SendEvidence,
		workflows.ActivityRecordPayment:  o.RecordPayment,
		workflows.ActivityClosePayment:   o.ClosePayment,
		workflows.ActivityLoadPayment:    o.LoadPayment,
		workflows.ActivityPaymentFacts:   o.ReadPaymentFacts,
		workflows.ActivityLoadClaim:      o.LoadClaim,
		workflows.ActivityPursueClaim:    o.PursueClaim,
		workflows.ActivitySettleClaim:    o.SettleClaim,
	} {
		r.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: name})
	}
}

// partnerFailure turns a partner's failure into one that Temporal retries when the partner asked,
// with a message an operator can read. The cause stays out: it may hold what it should not.
func partnerFailure(err error) error {
	var wait time.Duration
	var fromSupplier *supplier.Error
	var fromStorefront *storefront.Error
	var fromProvider *payment.Error
	var fromCarrier *carrier.LabelError
	switch {
	case errors.As(err, &fromSupplier):
		wait = fromSupplier.RetryAfter
	case errors.As(err, &fromStorefront):
		wait = fromStorefront.RetryAfter
	case errors.As(err, &fromProvider):
		wait = fromProvider.RetryAfter
	case errors.As(err, &fromCarrier):
		wait = fromCarrier.RetryAfter
	default:
		return err
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), "Partner", temporal.ApplicationErrorOptions{
		NextRetryDelay: wait,
		// What a storefront, a payment provider or a seller of labels refuses it refuses again: a person is
		// asked, and it is tried now and then.
		NonRetryable: errors.Is(err, storefront.ErrRefused) || errors.Is(err, payment.ErrRefused) || errors.Is(err, carrier.ErrLabelRefused),
	})
}

// supplierOf finds the channel of a supplier by its contract.
func (o *Orders) supplierOf(s catalog.Supplier) (supplier.Channel, error) {
	channel, err := o.Partners.Supplier(s)
	if err != nil {
		return nil, temporal.NewApplicationError(fmt.Sprintf("supplier %s cannot be reached as configured: %v", s.ID, err), "Configuration")
	}
	return channel, nil
}

// background outlives a cancellation of ctx for long enough to write down what happened.
func background(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}
