package service

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
)

func TestAStartThatTemporalsSilencePreventedIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, err := range []error{context.DeadlineExceeded, serviceerror.NewUnavailable("away"), serviceerror.NewDeadlineExceeded("late")} {
		tries := 0
		require.NoError(t, untilReached(t.Context(), quiet, func() error {
			if tries++; tries > 1 {
				return nil
			}
			return fmt.Errorf("failed reaching server: %w", err)
		}), err.Error())
		require.Equal(t, 2, tries)
	}
}

func TestAStartThatTemporalRefusesEndsTheWorker(t *testing.T) {
	t.Parallel()
	for _, err := range []error{serviceerror.NewNamespaceNotFound("dropline"), serviceerror.NewPermissionDenied("no", ""), errors.New("wrong")} {
		tries := 0
		require.ErrorIs(t, untilReached(t.Context(), quiet, func() error { tries++; return err }), err)
		require.Equal(t, 1, tries)
	}
}

func TestAStartIsNotTriedForLongerThanTheWorkerRuns(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.Error(t, untilReached(ctx, quiet, func() error { return context.DeadlineExceeded }))
}
