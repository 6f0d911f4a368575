package visibility

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

func TestEveryTypedKeyIsDeclaredWithItsType(t *testing.T) {
	t.Parallel()
	wanted, err := declarations(declared)
	require.NoError(t, err)
	require.Equal(t, map[string]enums.IndexedValueType{
		Stage.GetName():          Stage.GetValueType(),
		Supplier.GetName():       Supplier.GetValueType(),
		Storefront.GetName():     Storefront.GetValueType(),
		SLADeadline.GetName():    SLADeadline.GetValueType(),
		Breached.GetName():       Breached.GetValueType(),
		NeedsAttention.GetName(): NeedsAttention.GetValueType(),
		Country.GetName():        Country.GetValueType(),
	}, wanted)
}

func TestOnlyMissingAttributesAreAddedAndAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	wanted := map[string]enums.IndexedValueType{"A": enums.INDEXED_VALUE_TYPE_BOOL, "B": enums.INDEXED_VALUE_TYPE_KEYWORD}
	missing, err := missingFrom(map[string]enums.IndexedValueType{"A": enums.INDEXED_VALUE_TYPE_BOOL}, wanted)
	require.NoError(t, err)
	require.Equal(t, map[string]enums.IndexedValueType{"B": enums.INDEXED_VALUE_TYPE_KEYWORD}, missing)
	_, err = missingFrom(map[string]enums.IndexedValueType{"A": enums.INDEXED_VALUE_TYPE_TEXT}, wanted)
	require.ErrorContains(t, err, "search attribute A")
}

func TestADeclarationThatCannotBeReadIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"A", "A Text more", "A Colour"} {
		_, err := declarations("# fine\n" + text)
		require.ErrorContains(t, err, "line 2", text)
	}
}
