package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
)

func shipped() notify.Notification {
	return notify.Notification{
		Order: order.Key{Storefront: "shop", Order: "1001"}, Milestone: notify.Shipped, Subject: "1Z1",
		To: "ann@customer.example", Customer: "Ann Example", Shop: "Mug & Tee", Number: "#1001",
		Items:   []notify.Item{{Title: "Mug “Öland”", Quantity: 2}, {Title: "Tee", Quantity: 1}},
		Carrier: "UPS", Tracking: "1Z1", TrackingURL: "https://track.example/1Z1?a=1&b=2",
		At: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
}

func TestPlainTextReadsLikeALetter(t *testing.T) {
	t.Parallel()
	r, err := notify.Render(shipped())
	require.NoError(t, err)
	require.Equal(t, `Hello Ann Example,

Your parcel for order #1001 has been handed to the carrier.

In this parcel:
  2 x Mug “Öland”
  1 x Tee

Parcel: UPS 1Z1
Follow it: https://track.example/1Z1?a=1&b=2

Kind regards,
Mug & Tee

--
You receive this message because you placed order #1001.
`, r.Text)
}

func TestEveryMilestoneHasAMessageOfItsOwn(t *testing.T) {
	t.Parallel()
	subjects, texts := map[string]bool{}, map[string]bool{}
	for _, milestone := range notify.Milestones {
		n := shipped()
		n.Milestone, n.Amount, n.RMA = milestone, "12.34 EUR", "DLX-1-R1"
		r, err := notify.Render(n)
		require.NoError(t, err, milestone)
		require.Contains(t, r.Subject, "#1001", milestone)
		for _, part := range []string{r.Subject, r.Text, r.HTML} {
			require.NotContains(t, part, "{", "a placeholder was left in %s", milestone)
			require.NotContains(t, part, "%!", milestone)
		}
		subjects[r.Subject], texts[r.Text] = true, true
	}
	require.Len(t, subjects, len(notify.Milestones))
	require.Len(t, texts, len(notify.Milestones))
}

func TestRefundNamesItsAmountAndDelayItsDate(t *testing.T) {
	t.Parallel()
	n := shipped()
	n.Milestone, n.Amount = notify.Refunded, "12.34 EUR"
	r, err := notify.Render(n)
	require.NoError(t, err)
	require.Contains(t, r.Text, "sent back 12.34 EUR")
	n.Amount = ""
	_, err = notify.Render(n)
	require.ErrorIs(t, err, notify.ErrInvalid)

	n.Milestone, n.ExpectedOn = notify.Delayed, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	r, err = notify.Render(n)
	require.NoError(t, err)
	require.Contains(t, r.Text, "Monday, 9 March 2026")
	n.ExpectedOn = time.Time{}
	r, err = notify.Render(n)
	require.NoError(t, err)
	require.NotContains(t, r.Text, "expect it on")
}

func TestForeignTextStaysText(t *testing.T) {
	t.Parallel()
	n := shipped()
	n.Items = []notify.Item{{Title: `<script>alert(1)</script>{{.Shop}}`, Quantity: 1}}
	n.Customer = `{amount}"><img src=x>`
	n.TrackingURL = "javascript:alert(1)"
	r, err := notify.Render(n)
	require.NoError(t, err)
	require.NotContains(t, r.HTML, "<script")
	require.NotContains(t, r.HTML, "<img")
	require.NotContains(t, r.HTML+r.Text, "javascript:")
	require.Contains(t, r.Text, "<script>alert(1)</script>{{.Shop}}")
}

func TestAnAuthorisedReturnSaysWhatToWriteOnTheParcelUntilWhenAndWhereTheLabelIs(t *testing.T) {
	t.Parallel()
	n := shipped()
	n.Milestone, n.Tracking, n.RMA, n.ExpectedOn = notify.ReturnAuthorised, "RT1", "DLX-1-R1", time.Date(2026, 3, 16, 9, 0, 0, 0, time.UTC)
	n.LabelURL = "https://labels.example/RT1"
	r, err := notify.Render(n)
	require.NoError(t, err)
	for _, part := range []string{"return number DLX-1-R1", "until Monday, 16 March 2026", "2 x Mug", "Print the label: https://labels.example/RT1"} {
		require.Contains(t, r.Text, part)
	}
	require.Contains(t, r.HTML, `href="https://labels.example/RT1"`)
	n.LabelURL = "javascript:alert(1)"
	r, err = notify.Render(n)
	require.NoError(t, err)
	require.NotContains(t, r.Text+r.HTML, "Print the label")
	n.RMA = ""
	_, err = notify.Render(n)
	require.ErrorIs(t, err, notify.ErrInvalid)
}

func TestUnknownMilestoneHasNoMessage(t *testing.T) {
	t.Parallel()
	n := shipped()
	n.Milestone = "held"
	_, err := notify.Render(n)
	require.ErrorIs(t, err, notify.ErrInvalid)
}

func TestKeyIsStableAndTellsMessagesApart(t *testing.T) {
	t.Parallel()
	n := shipped()
	same := n
	same.To, same.At, same.Items = "other@customer.example", n.At.Add(time.Hour), nil
	require.Equal(t, n.Key(), same.Key())
	require.True(t, strings.HasPrefix(n.Key(), "shop/1001/shipped/"))
	rapid.Check(t, func(t *rapid.T) {
		other := n
		other.Subject = rapid.String().Draw(t, "subject")
		other.Order.Order = rapid.SampledFrom([]string{"1001", "1002"}).Draw(t, "order")
		other.Milestone = rapid.SampledFrom(notify.Milestones).Draw(t, "milestone")
		equal := other.Subject == n.Subject && other.Order == n.Order && other.Milestone == n.Milestone
		require.Equal(t, equal, other.Key() == n.Key())
		require.Equal(t, equal, other.MessageID("shop.example") == n.MessageID("shop.example"))
		require.Regexp(t, `^[a-z_]+\.[0-9a-f]{32}@shop\.example$`, other.MessageID("shop.example"))
	})
}

func TestMessagesWithWhichCustomersLookForTheReturnPageLeadThere(t *testing.T) {
	t.Parallel()
	for milestone, invites := range map[notify.Milestone]bool{notify.Delivered: true, notify.ReturnAuthorised: true, notify.Shipped: false, notify.Cancelled: false} {
		n := shipped()
		n.Milestone, n.RMA, n.ReturnPage = milestone, "DLX-1-R1", "https://returns.example/r/abc"
		r, err := notify.Render(n)
		require.NoError(t, err)
		for _, text := range []string{r.Text, r.HTML} {
			require.Equal(t, invites, strings.Contains(text, n.ReturnPage), milestone)
		}
		n.ReturnPage = "javascript:alert(1)"
		r, err = notify.Render(n)
		require.NoError(t, err)
		require.NotContains(t, r.Text+r.HTML, "alert", milestone)
	}
}
