// Package namespace prepares a Temporal namespace: its search attributes, and on a server
// that runs already the namespace itself.
package namespace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// Attributes are custom search attributes by name.
type Attributes map[string]enums.IndexedValueType

var attributeTypes = map[string]enums.IndexedValueType{
	"Keyword":     enums.INDEXED_VALUE_TYPE_KEYWORD,
	"KeywordList": enums.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	"Text":        enums.INDEXED_VALUE_TYPE_TEXT,
	"Int":         enums.INDEXED_VALUE_TYPE_INT,
	"Double":      enums.INDEXED_VALUE_TYPE_DOUBLE,
	"Bool":        enums.INDEXED_VALUE_TYPE_BOOL,
	"Datetime":    enums.INDEXED_VALUE_TYPE_DATETIME,
}

const attributesHint = "Write one attribute a line, its name and its type (Keyword, KeywordList, Text, Int, Double," +
	" Bool or Datetime); # starts a comment."

// ReadAttributes reads a file of lines "Name Type".
func ReadAttributes(path string) (Attributes, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, failure.WithHint(fmt.Errorf("read the search attributes: %w", err), attributesHint)
	}
	defer func() { _ = file.Close() }()
	attributes, err := parseAttributes(file)
	if err != nil {
		return nil, failure.WithHint(fmt.Errorf("%s: %w", path, err), attributesHint)
	}
	return attributes, nil
}

func parseAttributes(text io.Reader) (Attributes, error) {
	attributes := Attributes{}
	lines := bufio.NewScanner(text)
	for number := 1; lines.Scan(); number++ {
		content, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(content)
		if len(fields) == 0 {
			continue
		}
		if err := attributes.add(fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return attributes, lines.Err()
}

func (a Attributes) add(fields []string) error {
	if len(fields) != 2 {
		return errors.New("want a name and a type, got " + strings.Join(fields, " "))
	}
	name := fields[0]
	kind, known := attributeTypes[fields[1]]
	if !known {
		return fmt.Errorf("search attribute %s has the unknown type %s", name, fields[1])
	}
	if _, twice := a[name]; twice {
		return fmt.Errorf("search attribute %s is named twice", name)
	}
	a[name] = kind
	return nil
}

// names lists the attributes in a fixed order.
func (a Attributes) names() []string { return slices.Sorted(maps.Keys(a)) }
