package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

const wasContact = "      currency: USD\n"

func TestASupplierMaySendMail(t *testing.T) {
	t.Parallel()
	require.Zero(t, demo(t).Suppliers[0].Contract.Mail)
	file, err := change(t, wasContact, wasContact+"      mail: {from: [Billing@Acme.example, credit@acme.example], ignore: [Application/PDF]}\n")
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	require.Equal(t, catalog.Mail{From: []string{"billing@acme.example", "credit@acme.example"}, Ignore: []string{"application/pdf"}},
		file.Suppliers[0].Contract.Mail)
}

func TestAMailboxIsOneSuppliersAlone(t *testing.T) {
	t.Parallel()
	file, err := change(t, wasContact, wasContact+"      mail: {from: [billing@acme.example]}\n")
	require.NoError(t, err)
	other := file
	other.Suppliers = []catalog.Supplier{file.Suppliers[0]}
	other.Suppliers[0].ID = "other"
	other.Offers, other.Storefronts, other.Carriers = nil, nil, nil
	require.ErrorContains(t, catalog.Validate(file, other), "contract.mail.from billing@acme.example stands already")
}

func TestMailThatNobodyCouldSendIsRefused(t *testing.T) {
	t.Parallel()
	for terms, want := range map[string]string{
		"{}":                                "contract.mail: from is missing",
		"{from: []}":                        "contract.mail.from: want at least one mail address",
		"{from: [acme.example]}":            "want a mail address by itself",
		"{from: ['Acme <a@acme.example>']}": "want a mail address by itself",
		"{from: [a@acme.example], ignore: [pdf]}":                         "want a media type",
		"{from: [a@acme.example], ignore: [text/csv]}":                    "documents come as this type",
		"{from: [a@acme.example], ignore: ['text/plain; charset=utf-8']}": "want a media type",
	} {
		_, err := change(t, wasContact, wasContact+"      mail: "+terms+"\n")
		require.ErrorContains(t, err, want, terms)
	}
}
