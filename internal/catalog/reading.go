package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reading walks the nodes of one file and collects what is wrong instead of stopping at it.
type reading struct {
	file     string
	problems Problems
}

// value is a node and its path.
type value struct {
	r    *reading
	node *yaml.Node
	path string
}

// section is a mapping whose keys are taken one by one; done reports those that were not.
type section struct {
	value
	fields []field
	known  []string
}

type field struct {
	key *yaml.Node
	value
}

var yamlLine = regexp.MustCompile(`line ([0-9]+): `)

// root is the single document of the file, or false with the reason among the problems.
func (r *reading) root(data []byte) (value, bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		r.report(1, 1, "", "the file is empty")
		return value{}, false
	}
	if err == nil {
		if err = decoder.Decode(&next); errors.Is(err, io.EOF) {
			return value{r: r, node: document.Content[0]}, true
		}
		if err == nil {
			r.report(next.Line, next.Column, "", "a second document starts here: a file holds one")
			return value{}, false
		}
	}
	line, message := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		// The line is in a place of its own; a number too long to be one stays in the message.
		if at, err := strconv.Atoi(found[1]); err == nil {
			line, message = at, strings.Replace(message, found[0], "", 1)
		}
	}
	r.report(line, 1, "", "not YAML: "+message)
	return value{}, false
}

func (r *reading) report(line, col int, path, message string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Col: col, Path: path, Message: message})
}

func (v value) problem(format string, args ...any) {
	v.r.report(v.node.Line, v.node.Column, v.path, fmt.Sprintf(format, args...))
}

// is checks the kind of node, in the words of the format.
func (v value) is(kind yaml.Kind, want string) bool {
	switch {
	case v.node.Kind == kind && v.node.Tag != "!!null":
		return true
	case v.node.Kind == yaml.AliasNode:
		v.problem("aliases are not read: write the value out")
	case v.node.Tag == "!!null":
		v.problem("is empty: want %s, or leave the key out", want)
	default:
		v.problem("want %s", want)
	}
	return false
}

func (v value) text() (string, bool) {
	if !v.is(yaml.ScalarNode, "a single value") {
		return "", false
	}
	if strings.TrimSpace(v.node.Value) == "" {
		v.problem("is empty: want a single value, or leave the key out")
		return "", false
	}
	return v.node.Value, true
}

var plainLabel = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,40}$`)

// items are the members of a list. Mappings are named in paths by the value of their label key,
// and two of the same name are a problem.
func (v value) items(label string) (all []value) {
	if !v.is(yaml.SequenceNode, "a list") {
		return nil
	}
	lines := map[string]int{}
	for i, node := range v.node.Content {
		item := value{r: v.r, node: node, path: fmt.Sprintf("%s[%d]", v.path, i)}
		if name := labelOf(node, label); name != "" {
			if line, twice := lines[name]; twice {
				item.problem("%s %q stands already in line %d", label, name, line)
			} else if lines[name] = node.Line; plainLabel.MatchString(name) {
				item.path = fmt.Sprintf("%s[%s]", v.path, name)
			}
		}
		all = append(all, item)
	}
	return all
}

func labelOf(node *yaml.Node, label string) string {
	if node.Kind != yaml.MappingNode || label == "" {
		return ""
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == label && node.Content[i+1].Kind == yaml.ScalarNode {
			return node.Content[i+1].Value
		}
	}
	return ""
}

// section opens a mapping; one that is none reads as empty, its problem told.
func (v value) section() *section {
	s := &section{value: v}
	if !v.is(yaml.MappingNode, "a mapping of keys to values") {
		return s
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key, node := v.node.Content[i], v.node.Content[i+1]
		path := shown(key.Value)
		if v.path != "" {
			path = v.path + "." + path
		}
		at := value{r: v.r, node: key, path: path}
		if key.Kind != yaml.ScalarNode {
			value{r: v.r, node: key, path: v.path}.problem("a key must be a single word")
			continue
		}
		if line, twice := lines[key.Value]; twice {
			at.problem("stands already in line %d: keep one of them", line)
			continue
		}
		lines[key.Value] = key.Line
		s.fields = append(s.fields, field{key: key, value: value{r: v.r, node: node, path: path}})
	}
	return s
}

// shown is a key as a path writes it: one that could break a line or a terminal, in quotes.
func shown(key string) string {
	if plainLabel.MatchString(key) {
		return key
	}
	return fmt.Sprintf("%.40q", key)
}

// take gives the value of a key, and remembers that the format knows the key.
func (s *section) take(key string) (value, bool) {
	s.known = append(s.known, key)
	for _, field := range s.fields {
		if field.key.Value == key {
			return field.value, true
		}
	}
	return value{}, false
}

// sub opens the section under a key; absent, it is empty, and reads as all defaults.
func (s *section) sub(key string) *section {
	if v, ok := s.take(key); ok {
		return v.section()
	}
	path := key
	if s.path != "" {
		path = s.path + "." + key
	}
	return &section{value: value{r: s.r, node: s.node, path: path}}
}

func (s *section) has(key string) bool {
	return slices.ContainsFunc(s.fields, func(f field) bool { return f.key.Value == key })
}

// at is the value of a key, or the whole section where the key is left out.
func (s *section) at(key string) value {
	for _, field := range s.fields {
		if field.key.Value == key {
			return field.value
		}
	}
	return s.value
}

// need reports the keys that have no default and are not there. What is no mapping at all has
// been told already.
func (s *section) need(keys ...string) {
	if s.node.Kind != yaml.MappingNode {
		return
	}
	for _, key := range keys {
		if !s.has(key) {
			s.problem("%s is missing", key)
		}
	}
}

var secretLike = regexp.MustCompile(`(?i)secret|password|token|api_?key|private`)

// done reports the keys that nobody took.
func (s *section) done() {
	for _, field := range s.fields {
		key := field.key.Value
		if slices.Contains(s.known, key) {
			continue
		}
		at := value{r: s.r, node: field.key, path: field.path}
		switch meant := nearest(key, s.known); {
		case secretLike.MatchString(key) && !strings.HasSuffix(key, "_env"):
			at.problem("a secret never stands in a file: name the environment variable that holds it, under secret_env or webhook_secret_env")
		case meant != "":
			at.problem("is not a known key: did you mean %s?", meant)
		default:
			at.problem("is not a known key: want one of %s", strings.Join(sorted(s.known), ", "))
		}
	}
}

func sorted(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// scan parses the single value under a key, if it is there.
func scan[T any](s *section, key string, parse func(string) (T, error), into *T) {
	if v, ok := s.take(key); ok {
		scanValue(v, parse, into)
	}
}

func scanValue[T any](v value, parse func(string) (T, error), into *T) bool {
	text, ok := v.text()
	if !ok {
		return false
	}
	parsed, err := parse(text)
	if err != nil {
		v.problem("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return false
	}
	*into = parsed
	return true
}

// scanEach parses every member of the list under a key, if it is there.
func scanEach[T any](s *section, key string, parse func(string) (T, error), into *[]T) {
	v, ok := s.take(key)
	if !ok {
		return
	}
	*into = nil
	for _, item := range v.items("") {
		var parsed T
		if scanValue(item, parse, &parsed) {
			*into = append(*into, parsed)
		}
	}
}
