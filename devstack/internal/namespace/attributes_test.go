package namespace

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

func TestAttributesAreReadWithCommentsAndBlankLines(t *testing.T) {
	t.Parallel()
	got, err := parseAttributes(strings.NewReader("# orders\nOrderStatus Keyword # a word\n\n\tTags  KeywordList\nPlacedAt Datetime\n"))
	require.NoError(t, err)
	require.Equal(t, Attributes{
		"OrderStatus": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"Tags":        enums.INDEXED_VALUE_TYPE_KEYWORD_LIST,
		"PlacedAt":    enums.INDEXED_VALUE_TYPE_DATETIME,
	}, got)
	require.Equal(t, []string{"OrderStatus", "PlacedAt", "Tags"}, got.names())
}

func TestABadAttributeLineIsRefusedWithItsNumber(t *testing.T) {
	t.Parallel()
	for line, complaint := range map[string]string{
		"OrderStatus":         "line 2: want a name and a type",
		"OrderStatus Varchar": "line 2: search attribute OrderStatus has the unknown type Varchar",
		"OrderStatus Int x":   "line 2: want a name and a type",
		"Known Int":           "line 2: search attribute Known is named twice",
	} {
		_, err := parseAttributes(strings.NewReader("Known Keyword\n" + line))
		require.ErrorContains(t, err, complaint)
	}
}
