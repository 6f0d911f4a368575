package order

import (
	"fmt"
	"strings"
	"time"
)

// Clock prints a moment in the offset it carries: a supplier's deadline in the supplier's time.
func Clock(t time.Time) string {
	if t.IsZero() {
		return "no fixed time"
	}
	return t.Format("Mon 2 Jan 15:04:05 -07:00")
}

func describe(lines []POLine) string {
	parts := make([]string, 0, len(lines))
	for i := range lines {
		parts = append(parts, fmt.Sprintf("%d × %s", lines[i].Quantity, lines[i].SKU))
	}
	return strings.Join(parts, ", ")
}

// summary says where units stand, in a fixed order, leaving out the empty states.
func summary(u *Units) string {
	var parts []string
	for _, s := range []UnitState{
		Pending, Accepted, Backordered, OnHold, CancelRequested, Labelled,
		Shipped, Delivered, Returned, Lost, Cancelled, Rejected, Rerouted,
	} {
		if n := *u.of(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(s), "_", " ")))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
