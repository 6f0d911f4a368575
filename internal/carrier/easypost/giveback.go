package easypost

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/dropline/dropline/internal/carrier"
)

// refundStatuses are EasyPost's words for a label that is given back (docs.easypost.com/docs/shipments/refunds).
var refundStatuses = map[string]carrier.GiveBack{
	"submitted": carrier.GiveBackAsked, "refunded": carrier.GiveBackAccepted,
	"rejected": carrier.GiveBackRefused, "not_applicable": carrier.GiveBackRefused,
}

// GiveBackLabel looks how a label stands that may have been given back before, and gives it back where it was not.
func (c *Client) GiveBackLabel(ctx context.Context, id string) (carrier.GiveBack, error) {
	path := "/shipments/" + url.PathEscape(id)
	s, err := c.shipment(ctx, http.MethodGet, path, nil)
	if errors.Is(err, carrier.ErrLabelNotFound) {
		return "", err
	}
	if err != nil || s.RefundStatus != "" {
		return s.givenBack(unseen(err))
	}
	asked, err := c.shipment(ctx, http.MethodPost, path+"/refund", map[string]any{})
	if !errors.Is(err, carrier.ErrLabelRefused) {
		return asked.givenBack(err)
	}
	if s, look := c.shipment(ctx, http.MethodGet, path, nil); look != nil || s.RefundStatus != "" {
		return s.givenBack(unseen(look)) // another attempt was sooner
	}
	return "", err
}

func (s *shipment) givenBack(err error) (carrier.GiveBack, error) {
	if err != nil {
		return "", err
	}
	answer, known := refundStatuses[s.RefundStatus]
	if !known {
		return "", unreadable("the answer does not say whether the label was given back")
	}
	return answer, nil
}
