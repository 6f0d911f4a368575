package restapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/supplier/restapi"
)

// event wraps data in an otherwise sound envelope.
func event(kind, data string) []byte {
	return fmt.Appendf(nil, `{"id":"e1","type":%q,"created_at":"2026-03-02T15:00:00Z","data":%s}`, kind, data)
}

const (
	acknowledged = "purchase_order.acknowledged"
	shipped      = "shipment.created"
	answered     = "purchase_order.cancellation_answered"
	invoiced     = "invoice.created"
	head         = `"po":"DL1-1","at":"2026-03-02T14:59:00Z"`
)

func ackOf(lines string) []byte {
	return event(acknowledged, `{`+head+`,"currency":"USD","lines":[`+lines+`]}`)
}

func parcelOf(lines string) []byte {
	return event(shipped, `{`+head+`,"carrier":"ups","tracking":"1Z999","lines":[`+lines+`]}`)
}

func invoiceOf(rest string) []byte {
	return event(invoiced, `{`+head+`,"number":"I1","currency":"USD",`+rest+`}`)
}

func TestAbsurdDocumentsAreInvalid(t *testing.T) {
	t.Parallel()
	line := `{"line":1,"quantity":1}`
	for name, body := range map[string][]byte{
		"no id":              []byte(`{"type":"shipment.created","created_at":"2026-03-02T15:00:00Z","data":{}}`),
		"id with line break": []byte(`{"id":"a\nb","type":"shipment.created","created_at":"2026-03-02T15:00:00Z","data":{}}`),
		"no time":            []byte(`{"id":"e1","type":"shipment.created","data":{}}`),
		"zero quantity":      parcelOf(`{"line":1,"quantity":0}`),
		"negative quantity":  parcelOf(`{"line":1,"quantity":-1}`),
		"absurd quantity":    parcelOf(`{"line":1,"quantity":100001}`),
		"line zero":          parcelOf(`{"line":0,"quantity":1}`),
		"line twice":         parcelOf(line + "," + line),
		"no lines":           parcelOf(``),
		"too many lines":     parcelOf(strings.Repeat(line+",", 500) + line),
		"no carrier":         event(shipped, `{`+head+`,"tracking":"1Z999","lines":[`+line+`]}`),
		"tracking path":      event(shipped, `{`+head+`,"carrier":"ups","tracking":"../../x","lines":[`+line+`]}`),
		"shipped tomorrow":   event(shipped, `{"po":"DL1-1","at":"2026-03-04T15:00:00Z","carrier":"ups","tracking":"1Z999","lines":[`+line+`]}`),
		"shipped in 2020":    event(shipped, `{"po":"DL1-1","at":"2020-03-04T15:00:00Z","carrier":"ups","tracking":"1Z999","lines":[`+line+`]}`),
		"no po":              event(acknowledged, `{"at":"2026-03-02T14:59:00Z","whole":"accepted"}`),
		"whole and lines":    event(acknowledged, `{`+head+`,"whole":"accepted","lines":[{"line":1,"status":"accepted","quantity":1}]}`),
		"whole on hold":      event(acknowledged, `{`+head+`,"whole":"on_hold"}`),
		"unknown status":     ackOf(`{"line":1,"status":"maybe","quantity":1}`),
		"same answer twice":  ackOf(`{"line":1,"status":"accepted","quantity":1},{"line":1,"status":"accepted","quantity":2}`),
		"no new price":       ackOf(`{"line":1,"status":"price_changed","quantity":1}`),
		"price of accepted":  ackOf(`{"line":1,"status":"accepted","quantity":1,"unit_cost":"1.00"}`),
		"negative price":     ackOf(`{"line":1,"status":"price_changed","quantity":1,"unit_cost":"-1.00"}`),
		"no substitute":      ackOf(`{"line":1,"status":"substitution_offered","quantity":1}`),
		"date next century":  ackOf(`{"line":1,"status":"backordered","quantity":1,"expected_on":"2126-01-01"}`),
		"no currency":        event(acknowledged, `{`+head+`,"lines":[{"line":1,"status":"price_changed","quantity":1,"unit_cost":"1.00"}]}`),
		"answer pending":     event(answered, `{`+head+`,"key":"c1","outcome":"pending"}`),
		"answer to nothing":  event(answered, `{`+head+`,"outcome":"accepted"}`),
		"negative total":     invoiceOf(`"total":"-1.00","lines":[{"line":1,"quantity":1,"unit_cost":"1.00"}]`),
		"no total":           invoiceOf(`"lines":[{"line":1,"quantity":1,"unit_cost":"1.00"}]`),
		"fraction of a cent": invoiceOf(`"total":"1.00","lines":[{"line":1,"quantity":1,"unit_cost":"0.333"}]`),
		"invoice line twice": invoiceOf(`"total":"2.00","lines":[{"line":1,"quantity":1,"unit_cost":"1.00"},{"line":1,"quantity":1,"unit_cost":"1.00"}]`),
	} {
		_, err := restapi.ParseWebhook(body)
		var failure *restapi.ParseError
		require.ErrorAs(t, err, &failure, name)
		require.ErrorIs(t, err, restapi.ErrInvalid, name)
	}
}

func TestAmbiguousOrBrokenJSONIsMalformed(t *testing.T) {
	t.Parallel()
	sound := string(parcelOf(`{"line":1,"quantity":1}`))
	_, err := restapi.ParseWebhook([]byte(sound))
	require.NoError(t, err)
	for name, body := range map[string]string{
		"empty":               ``,
		"null":                `null`,
		"array":               `[` + sound + `]`,
		"cut off":             sound[:len(sound)-1],
		"two documents":       sound + sound,
		"text behind":         sound + `x`,
		"member twice":        strings.Replace(sound, `"po":`, `"po":"DL2-1","po":`, 1),
		"member in two cases": strings.Replace(sound, `"po":`, `"PO":"DL2-1","po":`, 1),
		"invalid UTF-8":       strings.Replace(sound, `1Z999`, "1Z\xff99", 1),
		"fractional units":    strings.Replace(sound, `"quantity":1`, `"quantity":1.5`, 1),
		"units as text":       strings.Replace(sound, `"quantity":1`, `"quantity":"1"`, 1),
		"units beyond int64":  strings.Replace(sound, `"quantity":1`, `"quantity":9223372036854775808`, 1),
		"money as a number":   string(invoiceOf(`"total":1.00,"lines":[]`)),
		"time of day":         strings.Replace(sound, `2026-03-02T14:59:00Z`, `yesterday`, 1),
		"data is text":        string(event(shipped, `"x"`)),
		"deep":                string(event(shipped, strings.Repeat(`{"a":`, 40)+`1`+strings.Repeat(`}`, 40))),
		"long":                string(event(shipped, `{"a":[`+strings.Repeat(`1,`, 60_000)+`1]}`)),
	} {
		_, err := restapi.ParseWebhook([]byte(body))
		require.ErrorIs(t, err, restapi.ErrMalformed, name)
	}
}

func TestUnknownTypeAndSizeAreTold(t *testing.T) {
	t.Parallel()
	_, err := restapi.ParseWebhook(event("purchase_order.celebrated", `{}`))
	require.ErrorIs(t, err, restapi.ErrUnknownType)
	_, err = restapi.ParseWebhook(event(shipped, `{"a":"`+strings.Repeat("x", restapi.MaxDocument)+`"}`))
	require.ErrorIs(t, err, restapi.ErrTooLarge)
}

func TestParseErrorsAndReasonsRepeatNothingOfTheDocument(t *testing.T) {
	t.Parallel()
	for _, body := range [][]byte{
		event(shipped, `{"po":"Mrs Miller"}`), event(shipped, `{"po":{"Mrs Miller":1}}`), event("Mrs Miller", `{}`),
		event(acknowledged, `{`+head+`,"whole":"Mrs Miller"}`), event(shipped, `{"at":"Mrs Miller"}`), event(shipped, `{"lines":"Mrs Miller"}`),
	} {
		_, err := restapi.ParseWebhook(body)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Miller")
	}
	doc, err := restapi.ParseWebhook(event(acknowledged, `{`+head+`,"whole":"rejected","reason":"Mrs Miller moved"}`))
	require.NoError(t, err)
	require.Equal(t, "other", doc.Acknowledgment.Reason)
}

func TestMembersOfTheSuppliersOwnAreIgnored(t *testing.T) {
	t.Parallel()
	doc, err := restapi.ParseWebhook(event(acknowledged, `{`+head+`,"whole":"accepted","warehouse":{"id":7}}`))
	require.NoError(t, err)
	require.NotNil(t, doc.Acknowledgment)
}
