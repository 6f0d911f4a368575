package visibility

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
)

//go:embed search-attributes.txt
var declared string

var valueTypes = map[string]enums.IndexedValueType{
	"Keyword":     enums.INDEXED_VALUE_TYPE_KEYWORD,
	"KeywordList": enums.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	"Text":        enums.INDEXED_VALUE_TYPE_TEXT,
	"Int":         enums.INDEXED_VALUE_TYPE_INT,
	"Double":      enums.INDEXED_VALUE_TYPE_DOUBLE,
	"Bool":        enums.INDEXED_VALUE_TYPE_BOOL,
	"Datetime":    enums.INDEXED_VALUE_TYPE_DATETIME,
}

// Register adds to a namespace the search attributes it lacks, so that a worker can be pointed at
// any server. An attribute that exists with another type is an error: Temporal cannot change it.
func Register(ctx context.Context, c client.Client, namespace string) error {
	wanted, err := declarations(declared)
	if err != nil {
		return err
	}
	operator := c.OperatorService()
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	missing, err := missingFrom(have.GetCustomAttributes(), wanted)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("add search attributes to namespace %s: %w", namespace, err)
	}
	return nil
}

func missingFrom(have, wanted map[string]enums.IndexedValueType) (map[string]enums.IndexedValueType, error) {
	missing := map[string]enums.IndexedValueType{}
	for name, kind := range wanted {
		switch existing, exists := have[name]; {
		case !exists:
			missing[name] = kind
		case existing != kind:
			return nil, fmt.Errorf("search attribute %s is %s there, and must be %s: use another namespace", name, existing, kind)
		}
	}
	return missing, nil
}

// declarations reads lines of a name and a type; # starts a comment.
func declarations(text string) (map[string]enums.IndexedValueType, error) {
	wanted := map[string]enums.IndexedValueType{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		content, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(content)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 || valueTypes[fields[1]] == enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return nil, fmt.Errorf("search attributes, line %d: want a name and a type", number)
		}
		wanted[fields[0]] = valueTypes[fields[1]]
	}
	return wanted, lines.Err()
}
