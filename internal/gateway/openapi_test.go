package gateway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// described is the part of an OpenAPI document that the tests read.
type described struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

type operation struct {
	OperationID string
	Summary     string
	Description string
	Responses   map[string]struct {
		Content map[string]struct{ Schema schema }
	}
	Security   []any
	Parameters []struct {
		Name, In string
		Required bool
		Schema   schema
	}
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Pattern    string
	Enum       []any
	Properties map[string]schema
	Items      *schema
	Required   []string
	Examples   []any
	MinLength  *int
	MaxLength  *int
	MinItems   *int
	MaxItems   *int
	Minimum    *int64
	Maximum    *int64
}

func (f *fixture) openAPI() described {
	f.t.Helper()
	got := f.get("/openapi.json", "")
	require.Equal(f.t, http.StatusOK, got.StatusCode)
	var d described
	require.NoError(f.t, json.Unmarshal([]byte(got.body), &d))
	return d
}

func (d described) resolve(s schema) schema {
	if s.Ref != "" {
		return d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	return s
}

// kind is the schema's type, "" when it takes anything.
func (s schema) kind() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		return fmt.Sprint(t[0])
	}
	if s.Properties != nil {
		return "object"
	}
	return ""
}

// example is a value that the schema shows, for an object all its members.
func (d described) example(s schema) any {
	s = d.resolve(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Properties != nil:
		object := map[string]any{}
		for name, p := range s.Properties {
			object[name] = d.example(p)
		}
		return object
	case s.Items != nil:
		return []any{d.example(*s.Items)}
	}
	switch s.kind() {
	case "boolean":
		return true
	case "integer":
		return 1
	case "string":
		return "x"
	}
	return map[string]any{"id": "e-1"}
}

// change is a value in the place of a sound one, and what it is.
type change struct {
	name string
	body string
}

// raw is JSON text that is written as it stands, so that it may be what no program would write.
type raw string

// hostileTexts are what a text field may be given by somebody who means harm, as JSON text.
var hostileTexts = map[string]raw{
	"empty": `""`, "blank": `"  "`, "NUL": `"a\u0000b"`, "CRLF": `"a\r\nSet-Cookie: a=b"`, "line separator": `"a\u2028b"`,
	"escape sequence": `"\u001b[2J\u001b]0;x\u0007"`, "SQL": `"'; DROP TABLE orders; --"`, "SQL function": `"' || pg_sleep(5) || '"`,
	"path": `"../../../../etc/passwd"`, "encoded path": `"..%2f..%2f"`, "formula": `"=cmd|' /C calc'!A0"`, "wide formula": `"＝1+1"`,
	"markup": `"<script>alert(1)</script>"`, "template": `"{{.}}${jndi:ldap://x}%s%n"`, "format": `"%!s(MISSING)%n%x"`,
	"invalid UTF-8": "\"a\xffb\"", "cut surrogate": `"\ud83d"`, "right to left": `"\u202egnp.exe"`, "emoji": `"💩"`, "long": raw(`"` + strings.Repeat("A", 70_000) + `"`),
	"not in Go": `"\u2028\u2029\ufeff"`, "year 10000": `"9999-12-31T23:59:59-12:00"`, "year 0": `"0000-01-01T00:00:00+14:00"`,
	"exponent": `"1e9"`, "lowest": `"-92233720368547758.08"`, "highest": `"92233720368547758.07"`, "too precise": `"1.001"`, "not ASCII digits": `"١٢"`,
	"not a number": `"NaN"`, "plus": `"+1"`,
}

var wrongTypes = map[string]raw{
	"null": "null", "true": "true", "number": "7", "fraction": "1.5", "huge number": "1e400", "minus zero": "-0", "beyond 64 bits": "9223372036854775808",
	"lowest int64": "-9223372036854775808", "text": `"7"`, "list": "[]", "list of null": "[null]", "object": "{}", "deep": raw(strings.Repeat("[", 62) + strings.Repeat("]", 62)),
}

// changes are the bodies that differ from a sound one in one place each.
func (d described) changes(s schema) []change {
	sound := d.example(s)
	all := []change{{"sound", write(sound)}}
	d.walk(s, sound, "", func(at string, value any) {
		all = append(all, change{at, write(value)})
	})
	slices.SortFunc(all[1:], func(a, b change) int { return strings.Compare(a.name, b.name) })
	return all
}

// walk calls visit with each change of a value, wrapped in all that is around it.
func (d described) walk(s schema, sound any, at string, visit func(at string, value any)) {
	s = d.resolve(s)
	for name, text := range wrongTypes {
		visit(at+" "+name, text)
	}
	switch value := sound.(type) {
	case map[string]any:
		visit(at+" extra member", with(value, "unknown_member", 1))
		visit(at+" member of the prototype", with(value, "__proto__", map[string]any{"role": "operator"}))
		visit(at+" member twice", raw(strings.Replace(write(value), "{", `{"`+slices.Sorted(maps.Keys(value))[0]+`":null,`, 1)))
		visit(at+" members in capitals", raw(capitals(value)))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			left := maps.Clone(value)
			delete(left, name)
			visit(at+" without "+name, left)
			d.walk(s.Properties[name], value[name], at+"."+name, func(at string, inner any) { visit(at, with(value, name, inner)) })
		}
	case []any:
		most := 1000
		if s.MaxItems != nil {
			most = *s.MaxItems
		}
		visit(at+" none", []any{})
		visit(at+" most", slices.Repeat(value, most))
		visit(at+" one too many", slices.Repeat(value, most+1))
		visit(at+" a great many", raw("["+strings.Repeat("{},", 100_000)+"{}]"))
		d.walk(*s.Items, value[0], at+"[0]", func(at string, inner any) { visit(at, []any{inner}) })
	case string:
		for name, text := range hostileTexts {
			visit(at+" "+name, text)
		}
		if s.MaxLength != nil {
			visit(at+" longest", strings.Repeat("é", *s.MaxLength))
			visit(at+" too long", strings.Repeat("é", *s.MaxLength+1))
		}
		for _, word := range s.Enum {
			visit(at+" "+fmt.Sprint(word), word)
		}
	default:
		for _, bound := range []*int64{s.Minimum, s.Maximum} {
			if bound != nil {
				for _, n := range []int64{*bound - 1, *bound, *bound + 1} {
					visit(at+" "+strconv.FormatInt(n, 10), n)
				}
			}
		}
	}
}

func with(object map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(object)
	changed[name] = value
	return changed
}

// capitals writes the members' names in other letters, which some readers take for the same.
func capitals(object map[string]any) string {
	changed := map[string]any{}
	for name, value := range object {
		changed[strings.ToUpper(name)] = value
	}
	return write(changed)
}

// write is JSON in which raw text stands as it is.
func write(value any) string {
	switch v := value.(type) {
	case raw:
		return string(v)
	case map[string]any:
		var members []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, strconv.Quote(name)+":"+write(v[name]))
		}
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, write(item))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
