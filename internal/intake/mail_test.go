package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/supplier/mailed"
)

const mailServer = "mx.shop.example"

const mailboxes = `UPDATE suppliers SET document = '{"id": "acme", "contract": {"mail": {"from": ["billing@acme.example"], "ignore": ["application/pdf"]}}}' WHERE id = 'acme'`

type part struct{ kind, body string }

// letter is a message of acme that the mail server vouches for.
func letter(id string, parts ...part) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Authentication-Results: %s; dkim=pass header.d=acme.example\nFrom: Pat Miller <billing@acme.example>\nMessage-ID: <%s@acme.example>\n"+
		"Subject: Our credit for Ann Example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello\n", mailServer, id)
	for _, p := range parts {
		fmt.Fprintf(&b, "--b\nContent-Type: %s\nContent-Disposition: attachment\n\n%s\n", p.kind, p.body)
	}
	b.WriteString("--b--\n")
	return b.String()
}

// post hands a message over as a mail server does.
func (b *bundle) post(t *testing.T, message string) intake.Filed {
	t.Helper()
	filed, err := (&intake.Mailroom{Pool: b.pool, Server: mailServer}).Receive(context.Background(), []byte(message))
	require.NoError(t, err)
	return filed
}

// withMail is a disputed order with a return of acme, which sends mail.
func withMail(t *testing.T) *bundle {
	t.Helper()
	b, _ := withReturn(t)
	b.exec(t, mailboxes)
	b.processor.MailServer = mailServer
	return b
}

const creditRow = creditsHead + "CM-1,2026-03-14,EUR,0.40,R1,,\n"

func TestCreditMemosAndInvoicesThatComeByMailCountOnce(t *testing.T) {
	t.Parallel()
	b := withMail(t)
	now := b.now.Format("2006-01-02T15:04:05Z07:00")
	event := fmt.Sprintf(`{"id":"e","type":"credit_memo.created","created_at":%q,"data":{"invoice":"I1","number":"CM-2","at":%q,"currency":"EUR","amount":"0.50"}}`, now, now)
	invoices := "po,invoice,date,currency,line,quantity,unit_cost,total\nP-1,I9,2026-03-14,EUR,1,1,1.00,1.00\n"
	message := letter("1", part{"text/csv", creditRow}, part{"application/json", event}, part{"application/pdf", "%PDF"}, part{"text/csv", invoices})
	require.Equal(t, intake.Filed{Supplier: "acme", Documents: 3}, b.post(t, message))
	b.process(t)
	require.Equal(t, 40, b.number(t, `SELECT sum(minor) FROM credit_memos WHERE number = 'CM-1'`))
	require.Equal(t, 50, b.number(t, `SELECT sum(minor) FROM claim_credits WHERE number = 'CM-2'`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM supplier_invoices WHERE invoice = 'I9'`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE status = 'quarantined'`), "a type that the contract says to ignore is ignored")

	before := b.number(t, `SELECT count(*) FROM documents`)
	require.Equal(t, intake.Filed{Supplier: "acme", Repeats: 3}, b.post(t, "Received: from elsewhere\n"+message))
	require.Equal(t, before, b.number(t, `SELECT count(*) FROM documents`), "the same mail again changes nothing")
	b.post(t, letter("2", part{"text/csv", creditRow}))
	b.process(t)
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM return_facts`), "the same file in another mail counts once, too")
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE natural_key ~ 'acme|Ann|Pat'`))
}

func TestMailThatIsNobodysOrNotAuthenticIsSetAside(t *testing.T) {
	t.Parallel()
	b := withMail(t)
	good := letter("1", part{"text/csv", creditRow})
	for code, message := range map[string]string{
		"unknown_sender": strings.ReplaceAll(good, "billing@", "sales@"),
		"not_authentic":  strings.Replace(good, "dkim=pass", "dkim=fail", 1),
		"no_document":    letter("3", part{"application/pdf", "%PDF"}),
		"malformed":      strings.TrimSuffix(good, "--b--\n"),
		"too_large":      good + strings.Repeat("x", mailed.MaxMessage),
	} {
		require.Equal(t, intake.Filed{Quarantined: 1}, b.post(t, message), code)
		require.Equal(t, intake.Filed{Repeats: 1}, b.post(t, "Received: by another way\n"+message), code)
		require.Equal(t, 1, b.number(t, `SELECT count(*) FROM documents WHERE source = 'mail/inbox' AND reason_code = '`+code+`'`), code)
	}
	b.process(t)
	require.Zero(t, b.number(t, `SELECT count(*) FROM credit_memos`), "nothing had an effect")
	list, err := b.prison.List(context.Background(), intake.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 5, "also where two have one Message-ID and one text")
	for _, e := range list {
		require.NotRegexp(t, `(?i)miller|billing@|ann example`, fmt.Sprint(e), "the list holds nothing of the message")
	}
	require.Less(t, b.number(t, `SELECT max(length(body)) FROM documents WHERE reason_code = 'too_large'`), 1000, "only the header")
}

func TestMailThatWasSetAsideIsJudgedAnewWhenItIsGivenBack(t *testing.T) {
	t.Parallel()
	b := withMail(t)
	b.exec(t, `UPDATE suppliers SET document = '{}'`)
	b.post(t, letter("1", part{"text/csv", creditRow}))
	b.post(t, strings.Replace(letter("2", part{"text/csv", strings.Replace(creditRow, "CM-1", "CM-9", 1)}), "dkim=pass", "dkim=fail", 1))
	b.exec(t, mailboxes)
	list, err := b.prison.List(context.Background(), intake.Filter{Source: "mail/inbox"})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NoError(t, b.prison.Retry(context.Background(), list[0].ID, list[1].ID))
	b.process(t)
	require.Equal(t, []string{"quarantined not_authentic", "applied"}, []string{b.standing(t, list[0].ID), b.standing(t, list[1].ID)})
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM credit_memos`))
}

func TestOnlyInvoicesAndCreditMemosAreTakenByMail(t *testing.T) {
	t.Parallel()
	b := withMail(t)
	acknowledgment := fmt.Sprintf(`{"id":"e","type":"purchase_order.acknowledged","created_at":%q,"data":{"po":"P-1","at":%[1]q,"whole":"accepted"}}`,
		b.now.Format("2006-01-02T15:04:05Z07:00"))
	require.Equal(t, intake.Filed{Supplier: "acme", Documents: 2, Quarantined: 1},
		b.post(t, letter("1", part{"application/json", acknowledgment}, part{"application/zip", "PK"}, part{"application/json", "{"})))
	b.process(t)
	require.Equal(t, 2, b.number(t, `SELECT count(*) FROM documents WHERE source = 'supplier/acme' AND reason_code = 'unknown_type'`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM documents WHERE source = 'supplier/acme' AND kind = 'mailed_event' AND reason_code = 'malformed'`))
	require.Zero(t, b.number(t, `SELECT count(*) FROM facts WHERE kind LIKE 'acknowledg%'`))
}

func TestAMailboxOfTwoSuppliersIsNobodys(t *testing.T) {
	t.Parallel()
	b := withMail(t)
	b.exec(t, `UPDATE suppliers SET document = '{"id": "other", "contract": {"mail": {"from": ["billing@acme.example"]}}}' WHERE id = 'other'`)
	require.Equal(t, intake.Filed{Quarantined: 1}, b.post(t, letter("1", part{"text/csv", creditRow})))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM documents WHERE reason_code = 'unknown_sender' AND reason ~ 'acme and other'`))
}
