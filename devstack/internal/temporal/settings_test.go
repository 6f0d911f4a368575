package temporal

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
)

func TestChosenSettingsGoBeforeThoseForOneDeveloper(t *testing.T) {
	t.Parallel()
	settings := dynamicSettings([]string{"frontend.namespaceRPS=25", "matching.enableFairness=false", "system.someName=a=b"})
	for key, want := range map[string]any{
		"frontend.namespaceRPS": 25, "matching.enableFairness": false, "system.someName": "a=b", "frontend.rps": unlimited,
	} {
		require.Equal(t, want, settings[dynamicconfig.MakeKey(key)], key)
	}
}
