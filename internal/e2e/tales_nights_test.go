package e2e

import (
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/workflows"
)

func talesOfNights() map[string]tale {
	return map[string]tale{
		"reconcile": {beginsItself: true, tell: func(r *rehearsal) {
			r.startWorker()
			run, err := r.temporal.ExecuteWorkflow(r.t.Context(), r.options(), workflows.ReconcileWorkflow)
			require.NoError(r.t, err)
			r.began = append(r.began, run.GetRunID())
			var result workflows.ReconcileResult
			require.NoError(r.t, run.Get(r.t.Context(), &result))
			require.Equal(r.t, 2, result.Open)
		}},
	}
}
