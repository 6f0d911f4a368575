package restapi

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files and mails are read without the spaces around a number: one with them would be another document, and count again.
func TestSpacesAroundANumberAreNoneOfIt(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"CM-1 ", " CM-1", "CM-1  ", "CM-1"} {
		for of, read := range map[string]func(Document) string{
			`"rma":"DLAAAAAAAAAAAAA-1-R1"`: func(d Document) string { return d.Return.Memo.Number },
			`"invoice":"INV-7 "`: func(d Document) string {
				require.Equal(t, "INV-7", d.Claim.Invoice)
				return d.Claim.Number
			},
		} {
			body := fmt.Sprintf(`{"id":"e1","type":"credit_memo.created","created_at":"2026-01-02T00:00:00Z",
				"data":{"number":%q,%s,"amount":"1.00","currency":"USD","at":"2026-01-02T00:00:00Z"}}`, number, of)
			d, err := ParseWebhook([]byte(body))
			require.NoError(t, err, "%q", number)
			require.Equal(t, "CM-1", read(d))
		}
		body := fmt.Sprintf(`{"id":"e1","type":"invoice.created","created_at":"2026-01-02T00:00:00Z","data":{"po":"DLAAAAAAAAAAAAA-1","number":%q,"corrects":"CM-0 ",
			"currency":"USD","total":"1.00","at":"2026-01-02T00:00:00Z","lines":[{"line":1,"quantity":1,"unit_cost":"1.00"}]}}`, number)
		d, err := ParseWebhook([]byte(body))
		require.NoError(t, err, "%q", number)
		require.Equal(t, []string{"CM-1", "CM-0"}, []string{d.Invoice.Number, d.Invoice.Corrects})
	}
}
