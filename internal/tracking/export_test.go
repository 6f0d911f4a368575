package tracking

import "strings"

// HotQueries are the statements that run all the time, with sample arguments.
var HotQueries = map[string]string{
	"watched": watchedSQL,
	"due":     strings.NewReplacer("$1", "'{ups,dhl}'", "$2", "100", "$3", "'5 minutes'").Replace(dueSQL),
}
