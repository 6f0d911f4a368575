package intake

import "strings"

// HotQueries are the statements that run all the time, with sample arguments.
var HotQueries = map[string]string{
	"documents_due":  strings.NewReplacer("$1", "20", "$2", "'1 minute'").Replace(claimDocumentsSQL),
	"orders_deliver": strings.NewReplacer("$1", "'30 seconds'").Replace(claimOrderSQL),
}

// Bound is how often a document is tried.
const Bound = documentAttempts
