package suppliersim

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParseManner(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"ack":{"content":"part","accept_units":1,"rest":"reject","delay":"2s"},"ship":{"parcels":2}}`, `{"submit":[{"kind":"slow","delay":"-1h"}]}`,
		`{"ack":{"when":"sometimes"}}`, `{"shipp":{}}`, `{} {}`, `{"ship":{"parcels":1000000000}}`, `{"clock_offset":"9999999h"}`, `{"ack":null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManner(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(m)
		require.NoError(t, err)
		again, err := ParseManner(written)
		require.NoError(t, err, "%s", written)
		same, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(same))
		for attempt := range 5 {
			if fault := fault(m.Submit, attempt); fault != nil {
				require.NotEmpty(t, fault.Kind)
			}
		}
	})
}
