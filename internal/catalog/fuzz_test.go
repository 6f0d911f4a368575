package catalog_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

func FuzzParse(f *testing.F) {
	for _, name := range []string{"demo.yaml", "bad.yaml"} {
		data, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(data)
	}
	for _, text := range []string{
		"suppliers: [&a [*a]]", "suppliers: [{id: \"a\\e[2J\", name: \"b\\0\"}]", "{\"x\\ny\": 1}", "? [a]\n: b\n", "--- a\n--- b\n",
		"suppliers: [{id: a, secret: hunter2, contract: {channel: {secret_env: hunter2}}}]", "\x00", "a: !!binary aGk=", "<<: {a: b}",
		"storefronts: [{id: s, name: \"a\\u2028b\"}]", strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		file, err := catalog.Parse("fuzz.yaml", data)
		if err != nil {
			var problems catalog.Problems
			require.ErrorAs(t, err, &problems)
			for _, p := range problems {
				require.NotEmpty(t, p.Message)
				require.True(t, p.Line >= 1 && p.Col >= 1, "%v", p)
				require.False(t, strings.ContainsFunc(p.String(), unicode.IsControl), "a problem is one line: %q", p.String())
			}
			require.NotContains(t, err.Error(), "hunter2", "what may be a secret is not repeated")
			return
		}
		_ = catalog.Validate(file)
		text, err := json.Marshal(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), `\u0000`, "Postgres does not store it")
		require.NotContains(t, string(text), `\u001b`, "names are shown on terminals")
		var again catalog.File
		require.NoError(t, json.Unmarshal(text, &again))
		same, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(text), string(same))
		for _, offer := range file.Offers {
			require.GreaterOrEqual(t, offer.Cost.Minor, int64(0))
		}
	})
}
