package easypost_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
)

// taker answers for one shipment; refund is what it says to a refund that was asked for.
type taker struct {
	status, refund string
	code           int
	asked          int
}

func (s *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.asked++
		s.status = s.refund
		if s.code != 0 {
			w.WriteHeader(s.code)
			return
		}
	}
	_, _ = fmt.Fprintf(w, `{"id": "shp_1", "refund_status": %q}`, s.status)
}

func TestALabelIsGivenBackOnce(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		taker
		want  carrier.GiveBack
		fails error
		asked int
	}{
		"at once":                {taker: taker{refund: "refunded"}, want: carrier.GiveBackAccepted, asked: 1},
		"decided later":          {taker: taker{refund: "submitted"}, want: carrier.GiveBackAsked, asked: 1},
		"was asked before":       {taker: taker{status: "submitted"}, want: carrier.GiveBackAsked},
		"was given back before":  {taker: taker{status: "refunded"}, want: carrier.GiveBackAccepted},
		"was used":               {taker: taker{refund: "rejected"}, want: carrier.GiveBackRefused, asked: 1},
		"refused":                {taker: taker{code: http.StatusUnprocessableEntity}, fails: carrier.ErrLabelRefused, asked: 1},
		"another was sooner":     {taker: taker{code: http.StatusUnprocessableEntity, refund: "refunded"}, want: carrier.GiveBackAccepted, asked: 1},
		"an answer that is lost": {taker: taker{code: http.StatusInternalServerError}, fails: carrier.ErrLabelUnknown, asked: 1},
		"a word never heard":     {taker: taker{refund: "perhaps"}, fails: carrier.ErrLabelUnknown, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := httptest.NewServer(&one.taker)
			defer service.Close()
			client, err := easypost.NewClient(easypost.Config{BaseURL: service.URL, APIKey: "k"})
			require.NoError(t, err)
			answer, err := client.GiveBackLabel(t.Context(), "shp_1")
			require.ErrorIs(t, err, one.fails)
			require.Equal(t, one.want, answer)
			require.Equal(t, one.asked, one.taker.asked)
		})
	}
}

func TestALabelThatItsCarrierDoesNotKnowIsNotTakenBack(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	client, err := easypost.NewClient(easypost.Config{BaseURL: service.URL, APIKey: "k"})
	require.NoError(t, err)
	_, err = client.GiveBackLabel(t.Context(), "shp_1")
	require.ErrorIs(t, err, carrier.ErrLabelNotFound)
}
