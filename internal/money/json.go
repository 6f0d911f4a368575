package money

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// wire is the JSON form. The amount stays raw text until Parse reads it, so that neither
// a string nor a number literal ever becomes a float.
type wire struct {
	Amount   json.RawMessage `json:"amount"`
	Currency string          `json:"currency"`
}

// MarshalJSON writes {"amount":"12.34","currency":"EUR"}, and null for the zero value.
// An amount of an unknown currency is refused: nobody could read it back.
func (m Money) MarshalJSON() ([]byte, error) {
	if m == (Money{}) {
		return []byte("null"), nil
	}
	amount, err := Format(m.Minor, m.Currency)
	if err != nil {
		return nil, fmt.Errorf("marshal money: %w", err)
	}
	// Neither part needs escaping: digits, and a code that Format has just found.
	return []byte(`{"amount":"` + amount + `","currency":"` + m.Currency + `"}`), nil
}

// UnmarshalJSON reads what MarshalJSON writes. The amount may also be a number literal,
// which is parsed exactly from its text; null leaves the value as it is. Errors are those
// of Parse.
func (m *Money) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	var in wire
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf(`unmarshal money, want {"amount":"12.34","currency":"EUR"}: %w`, err)
	}
	amount := string(in.Amount)
	if len(amount) > 0 && amount[0] == '"' {
		if err := json.Unmarshal(in.Amount, &amount); err != nil {
			return fmt.Errorf("unmarshal money: %w", err)
		}
	}
	parsed, err := Parse(amount, in.Currency)
	if err != nil {
		return fmt.Errorf("unmarshal money: %w", err)
	}
	*m = parsed
	return nil
}
