package intake

import "strings"

// HotQueries are the statements that run all the time, with sample arguments, and the index of each.
var HotQueries = map[string]string{
	strings.NewReplacer("$1", "20", "$2", "'1 minute'").Replace(claimDocumentsSQL): "documents_due",
	strings.NewReplacer("$1", "'30 seconds'").Replace(claimOrderSQL):               "orders_deliver",
	dueSQL: "orders_deliver",
}

// Bound is how often a document is tried.
const Bound = documentAttempts
