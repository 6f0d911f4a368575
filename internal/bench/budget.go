package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Limits are the most that the figures of a shape may be.
type Limits map[string]float64

// Budget is what orders may cost at most.
type Budget struct {
	// PerOrder are the limits by shape.
	PerOrder map[string]Limits `json:"per_order"`
	// Design are the limits that the design promises; ours above are tighter or the same.
	Design map[string]Limits `json:"design"`
}

// ReadBudget reads a budget file and refuses what it does not know.
func ReadBudget(path string) (Budget, error) {
	var b Budget
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err != nil {
		return b, fmt.Errorf("read the budget: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return b, fmt.Errorf("read the budget %s: %w", path, err)
	}
	return b, nil
}

// Exceeded says which figures of a measurement are over their limit, and by how much. A figure that
// has a limit and was not measured is over it.
func (l Limits) Exceeded(measured Figures) []string {
	var over []string
	for name, most := range l {
		value, found := measured[name]
		switch {
		case !found:
			over = append(over, fmt.Sprintf("%s was not measured, its limit is %g", name, most))
		case value > most:
			over = append(over, fmt.Sprintf("%s grew to %g, %g over its limit of %g", name, value, value-most, most))
		}
	}
	slices.Sort(over)
	return over
}
