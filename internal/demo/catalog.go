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

// writeCatalog fills the partners' addresses into the demo's catalogue and returns its path.
func writeCatalog(folder string, p *partners) (string, error) {
	parsed, err := template.New("catalogue").Option("missingkey=error").Parse(catalogText)
	if err != nil {
		return "", fmt.Errorf("read the demo's catalogue: %w", err)
	}
	addresses := map[string]string{"carrier": p.tracker.URL()}
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
