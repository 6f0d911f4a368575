package demo

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed catalog.demo.yaml.tmpl
var catalogText string

// times are those of the catalogue on which it depends how long the stories take.
type times struct {
	// Polls is the time between two questions to the carrier, Acknowledge and Confirm are what the
	// supplier of the late stories promises, and Lost is when a parcel is given up.
	Polls, Acknowledge, Confirm, Lost string
}

var (
	// together: the stories are told side by side, while somebody watches.
	together = times{Polls: "2s", Acknowledge: "14s", Confirm: "2s", Lost: "9s"}
	// patiently: a worker may be gone for twelve seconds at any moment, and the story is still the same.
	patiently = times{Polls: "1h", Acknowledge: "26s", Confirm: "15s", Lost: "24s"}
)

// writeCatalog fills the partners' addresses and the times into the demo's catalogue and returns its path.
func writeCatalog(folder string, p *partners, t times) (string, error) {
	parsed, err := template.New("catalogue").Option("missingkey=error").Parse(catalogText)
	if err != nil {
		return "", fmt.Errorf("read the demo's catalogue: %w", err)
	}
	addresses := map[string]string{
		"carrier": p.tracker.URL(), "provider": p.provider.URL(), "polls": t.Polls, "acknowledge": t.Acknowledge, "confirm": t.Confirm, "lost": t.Lost,
	}
	for _, id := range supplierIDs {
		addresses[id] = p.suppliers.BaseURL(id)
	}
	for id, s := range p.storefronts {
		addresses[id] = s.URL()
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, addresses); err != nil {
		return "", fmt.Errorf("fill the demo's catalogue: %w", err)
	}
	path := filepath.Join(folder, "catalog.yaml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write the demo's catalogue: %w", err)
	}
	return path, nil
}
