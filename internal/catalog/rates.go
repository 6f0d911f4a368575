package catalog

import (
	"fmt"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// Rate is what a currency is worth in another from the day On (UTC) until the next rate of the pair.
type Rate struct {
	money.Rate
	On sla.Date `json:"on"`
}

func readRate(s *section) (r Rate) {
	s.need("from", "to", "rate", "on")
	var from, to string
	scan(s, "from", parseCurrency, &from)
	scan(s, "to", parseCurrency, &to)
	scan(s, "on", sla.ParseDate, &r.On)
	scan(s, "rate", func(text string) (money.Rate, error) {
		if from == "" || to == "" {
			return money.Rate{}, nil
		}
		rate, err := money.ParseRate(from, to, text)
		if err != nil {
			err = fmt.Errorf("%q is not what one %s is worth in %s: want a number such as \"1.0850\", of two currencies", text, from, to)
		}
		return rate, err
	}, &r.Rate)
	s.done()
	return r
}
