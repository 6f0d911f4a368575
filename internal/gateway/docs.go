package gateway

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsTemplate string

var docsShape = template.Must(template.New("docs").Parse(docsTemplate))

// docsOperation is an operation as the page shows it.
type docsOperation struct {
	Name, Method, Path, Summary, Description string
	Parameters                               []docsField
	Body                                     []docsField
	Answers                                  []docsAnswer
}

type docsField struct {
	Name, Type, Description string
	Needed                  bool
}

type docsAnswer struct{ Status, Meaning string }

// docsPage renders the API's description once. It needs nothing from anywhere else: no script, no
// font, no other host.
func (g *gateway) docsPage() http.HandlerFunc {
	var page bytes.Buffer
	err := docsShape.Execute(&page, map[string]any{
		"Title": g.api.OpenAPI().Info.Title, "Version": g.Version, "About": g.api.OpenAPI().Info.Description,
		"Operations": docsOperations(g.api.OpenAPI()), "Problems": docsProblems(),
	})
	if err != nil {
		panic(fmt.Sprintf("render the API's page: %v", err))
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		head := w.Header()
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_, _ = w.Write(page.Bytes()) // the reader has gone
	}
}

type docsProblem struct {
	Code, Title, Action string
	Status              int
}

func docsProblems() []docsProblem {
	var list []docsProblem
	for _, f := range failures {
		list = append(list, docsProblem{string(f.kind), f.title, f.action, f.status})
	}
	return list
}

func docsOperations(api *huma.OpenAPI) []docsOperation {
	var list []docsOperation
	for path, item := range api.Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if op == nil {
				continue
			}
			shown := docsOperation{
				Name: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: strings.TrimSpace(op.Description),
			}
			for _, p := range op.Parameters {
				shown.Parameters = append(shown.Parameters, docsField{p.In + " " + p.Name, docsType(p.Schema), p.Description, p.Required})
			}
			if op.RequestBody != nil {
				shown.Body = docsBody(api.Components.Schemas, "", op.RequestBody.Content["application/json"].Schema)
			}
			for status, answer := range op.Responses {
				shown.Answers = append(shown.Answers, docsAnswer{status, answer.Description})
			}
			slices.SortFunc(shown.Answers, func(a, b docsAnswer) int { return strings.Compare(a.Status, b.Status) })
			list = append(list, shown)
		}
	}
	slices.SortFunc(list, func(a, b docsOperation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return list
}

// docsBody lists the members of a body, nested ones with their path.
func docsBody(schemas huma.Registry, at string, schema *huma.Schema) []docsField {
	if schema.Ref != "" {
		schema = schemas.SchemaFromRef(schema.Ref)
	}
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []docsField
	for _, name := range names {
		p := schema.Properties[name]
		list = append(list, docsField{at + name, docsType(p), p.Description, slices.Contains(schema.Required, name)})
		switch {
		case p.Ref != "":
			list = append(list, docsBody(schemas, at+name+".", p)...)
		case p.Items != nil && p.Items.Ref != "":
			list = append(list, docsBody(schemas, at+name+"[].", p.Items)...)
		}
	}
	return list
}

func docsType(s *huma.Schema) string {
	switch {
	case s.Ref != "":
		return "object"
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, word := range s.Enum {
			words[i] = fmt.Sprint(word)
		}
		return strings.Join(words, " | ")
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
