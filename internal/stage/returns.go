package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
)

// Return asks through the API to send one unit of each of an order's lines back, and returns the one
// RMA that is granted.
func (s *Stage) Return(ctx context.Context, key order.Key, id string, reason returns.Reason, lines ...int) (rma string, err error) {
	type units struct {
		Line     int            `json:"line"`
		Quantity int64          `json:"quantity"`
		Reason   returns.Reason `json:"reason"`
	}
	var wanted []units
	for _, line := range lines {
		wanted = append(wanted, units{line, 1, reason})
	}
	var answer struct {
		Detail  string `json:"detail"`
		Returns []struct {
			RMA string `json:"rma"`
		} `json:"returns"`
	}
	status, err := s.Call(ctx, http.MethodPost, returnsPath(key), map[string]any{"request_id": id, "lines": wanted}, &answer)
	switch {
	case err != nil:
		return "", err
	case status != http.StatusCreated || len(answer.Returns) != 1:
		return "", fmt.Errorf("ask for a return of order %s: answered %d with %d returns: %s", key, status, len(answer.Returns), answer.Detail)
	}
	return answer.Returns[0].RMA, nil
}

func returnsPath(key order.Key) string { return "/v1/orders/" + key.String() + "/returns" }

// ShowReturn reads a return through the API.
func (s *Stage) ShowReturn(ctx context.Context, key order.Key, rma string) (orderview.Return, error) {
	var v orderview.Return
	status, err := s.Call(ctx, http.MethodGet, returnsPath(key)+"/"+rma, nil, &v)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("show return %s: answered %d", rma, status)
	}
	return v, err
}

// ReturnBecomes waits until a return is as asked for, and shows it then.
func (s *Stage) ReturnBecomes(ctx context.Context, key order.Key, rma string, so func(*orderview.Return) bool) (orderview.Return, error) {
	for {
		v, err := s.ShowReturn(ctx, key, rma)
		if err == nil && so(&v) {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("wait for return %s, which is %s: %w", rma, v.Stage, errors.Join(ctx.Err(), err))
		case <-time.After(lookEvery):
		}
	}
}

// SendBack hands the return's parcel in with its label and lets it travel to the supplier.
func (s *Stage) SendBack(ctx context.Context, key order.Key, rma string) error {
	v, err := s.ReturnBecomes(ctx, key, rma, func(v *orderview.Return) bool { return v.Label != nil && v.Stage != string(returns.StageAuthorising) })
	if err != nil {
		return err
	}
	s.Carrier.OnParcel(v.Label.Carrier, v.Label.Tracking, carriersim.Prompt)
	err = s.Carrier.Await(ctx, func() bool { return s.Carrier.Arrived(v.Label.Carrier, v.Label.Tracking) })
	if err != nil {
		return fmt.Errorf("wait for the parcel of return %s: %w", rma, err)
	}
	if !s.Suppliers.Arrive(v.Supplier, v.PurchaseOrder, rma) {
		return fmt.Errorf("supplier %s was never told of return %s", v.Supplier, rma)
	}
	return nil
}

// ReturnClosed waits until a return is closed in Postgres and its workflow has ended.
func (s *Stage) ReturnClosed(ctx context.Context, key order.Key, rma string) (orderview.Return, error) {
	v, err := s.ReturnBecomes(ctx, key, rma, func(v *orderview.Return) bool { return !v.ClosedAt.IsZero() })
	if err == nil {
		err = s.Temporal.GetWorkflow(ctx, returns.WorkflowID(key, rma), "").Get(ctx, nil)
	}
	return v, err
}

// CostOfReturn reads a return's history.
func (s *Stage) CostOfReturn(ctx context.Context, key order.Key, rma string) (Cost, error) {
	return s.costOf(ctx, returns.WorkflowID(key, rma))
}
