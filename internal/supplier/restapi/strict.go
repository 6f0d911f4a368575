package restapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// MaxDocument is the largest document, in bytes, that is read from a supplier.
	MaxDocument = 1 << 20
	// maxDepth and maxTokens bound nesting and work; the deepest document of the protocol has 4
	// levels, the longest (500 lines of 7 members) under 8,000 tokens.
	maxDepth  = 16
	maxTokens = 50_000
)

var (
	errNotJSON   = errors.New("not one well-formed JSON object")
	errAmbiguous = errors.New("a member stands twice")
	errDeep      = errors.New("nested too deeply or too long")
	errShape     = errors.New("a member has the wrong type")
)

// decodeStrict reads one JSON object into target and refuses what readers understand in different
// ways: members that differ at most in case, invalid UTF-8, anything after the object. Members
// that target does not have are passed over, so that suppliers may add their own.
func decodeStrict(body []byte, target any) error {
	if err := scan(body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, target); err != nil {
		// The decoder's own words quote the document, so they go no further.
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) && len(wrongType.Field) <= 64 {
			return fmt.Errorf("%w: %s", errShape, wrongType.Field)
		}
		return errShape
	}
	return nil
}

// level is one open object or array.
type level struct {
	members map[string]bool // nil in an array
	value   bool            // in an object: the next token is a member's value
}

func scan(body []byte) error {
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'{'}) {
		return errNotJSON
	}
	reader := json.NewDecoder(bytes.NewReader(body))
	reader.UseNumber()
	var open []*level
	for count := 0; ; count++ {
		token, err := reader.Token()
		switch {
		case errors.Is(err, io.EOF) && len(open) == 0 && count > 0:
			return nil
		case err != nil || (len(open) == 0 && count > 0):
			return errNotJSON
		case count > maxTokens:
			return errDeep
		}
		if open, err = step(open, token); err != nil {
			return err
		}
	}
}

func step(open []*level, token json.Token) ([]*level, error) {
	var at *level
	if len(open) > 0 {
		at = open[len(open)-1]
	}
	if at != nil && at.members != nil && token != json.Delim('}') {
		if !at.value {
			// encoding/json matches names whatever their case, so "PO" would overwrite "po".
			name, _ := token.(string)
			name = strings.ToLower(strings.ToUpper(name))
			if at.members[name] {
				return nil, errAmbiguous
			}
			at.members[name] = true
		}
		at.value = !at.value
	}
	switch token {
	case json.Delim('{'):
		open = append(open, &level{members: map[string]bool{}})
	case json.Delim('['):
		open = append(open, &level{})
	case json.Delim('}'), json.Delim(']'):
		open = open[:len(open)-1]
	}
	if len(open) > maxDepth {
		return nil, errDeep
	}
	return open, nil
}
