package gateway

import (
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// feeWords say what the shop keeps of one line's price; nothing, where only a fault brings it back: that costs none.
func feeWords(l *returndesk.SightLine) string {
	asNew, opened := l.Rules.Kept(false), l.Rules.Kept(true)
	switch {
	case l.Refused != nil || opened == 0:
		return ""
	case asNew == 0:
		return "If nothing is wrong with it and it was opened, the shop keeps " + percent(opened) + " of its price."
	case opened == asNew:
		return "If nothing is wrong with it, the shop keeps " + percent(asNew) + " of its price."
	}
	return "If nothing is wrong with it, the shop keeps " + percent(asNew) + " of its price, or " + percent(opened) + " if it was opened."
}

// labelWords say what the shop keeps once, whatever comes back, and what saves a customer all fees.
func labelWords(s *returndesk.Sight) string {
	var words string
	healthy := func(l returndesk.SightLine) bool { return l.Free > 0 && l.Refused == nil }
	if s.ReturnShipping > 0 && slices.ContainsFunc(s.Lines, healthy) {
		words = "If nothing is wrong with the goods, the shop keeps " +
			money.Money{Minor: s.ReturnShipping, Currency: s.Currency}.String() + " of a refund for the label."
	}
	costs := words != "" || slices.ContainsFunc(s.Lines, func(l returndesk.SightLine) bool { return l.Free > 0 && feeWords(&l) != "" })
	if costs && offered(s, returns.Exchange) {
		words = strings.TrimSpace(words + " A replacement costs no fees.")
	}
	return words
}

// photoWords say that a fault of one line is believed with a picture.
func photoWords(l *returndesk.SightLine) string {
	if !needsPhoto(l) {
		return ""
	}
	return "If something is wrong with it, we need a picture that shows it."
}

func needsPhoto(l *returndesk.SightLine) bool {
	return l.Free > 0 && l.Rules.PhotosForFault && !l.FaultUntil.IsZero()
}

// photoHint stands beside the field for pictures, which is one for all lines.
func photoHint(s *returndesk.Sight) string {
	if slices.ContainsFunc(s.Lines, func(l returndesk.SightLine) bool { return needsPhoto(&l) }) {
		return "We need a picture of what is wrong where it is said above; elsewhere it helps us."
	}
	return "A picture helps us."
}
