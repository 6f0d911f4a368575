package outbox

import "strings"

// ClaimQuery is the statement that runs all the time, with sample arguments.
var ClaimQuery = strings.NewReplacer("$1", "20", "$2", "'2 minutes'").Replace(claimSQL)
