package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

var shopKey = order.Key{Storefront: "shop", Order: "1001"}

func TestUpdateIsSentUnderItsNameAndAnsweredWhenComplete(t *testing.T) {
	t.Parallel()
	want := order.CancelReply{Message: "Done.", Cancelled: []order.ShippedLine{{Line: 1, Quantity: 2}}}
	handle := &mocks.WorkflowUpdateHandle{}
	handle.On("Get", mock.Anything, mock.Anything).Return(func(_ context.Context, into any) error {
		*into.(*order.CancelReply) = want
		return nil
	})
	c := &mocks.Client{}
	r := order.CancelRequest{ID: "api/1"}
	c.On("UpdateWorkflow", mock.Anything, client.UpdateWorkflowOptions{
		UpdateID: "cancel/1", WorkflowID: "order/shop/1001", UpdateName: workflows.UpdateCancel, Args: []any{r},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	}).Return(handle, nil).Once()
	got, err := gateway.AskTemporal(c).Cancel(t.Context(), shopKey, "cancel/1", r)
	require.NoError(t, err)
	require.Equal(t, want, got)
	c.AssertExpectations(t)
}

func TestWhatKeepsAnOrderFromAnsweringIsToldApart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want error }{
		"not found":        {serviceerror.NewNotFound("workflow execution already completed"), gateway.ErrNotRunning},
		"ended meanwhile":  {temporal.NewApplicationError("x", "AcceptedUpdateCompletedWorkflow"), gateway.ErrNotRunning},
		"late":             {client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded), gateway.ErrLate},
		"deadline":         {fmt.Errorf("x: %w", context.DeadlineExceeded), gateway.ErrLate},
		"unreachable":      {serviceerror.NewUnavailable("connection refused"), gateway.ErrUnreachable},
		"throttled":        {serviceerror.NewResourceExhausted(0, "slow down"), gateway.ErrUnreachable},
		"something unseen": {errors.New("new"), gateway.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &mocks.Client{}
			c.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(nil, test.got)
			_, err := gateway.AskTemporal(c).Review(t.Context(), shopKey, "r", workflows.ReviewRequest{})
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestRefusalReachesThePersonInItsOwnWords(t *testing.T) {
	t.Parallel()
	handle := &mocks.WorkflowUpdateHandle{}
	handle.On("Get", mock.Anything, mock.Anything).Return(temporal.NewApplicationError("too late", workflows.RefusedType))
	c := &mocks.Client{}
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(handle, nil)
	_, err := gateway.AskTemporal(c).ChangeAddress(t.Context(), shopKey, "a", workflows.AddressRequest{})
	var refusal *order.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "too late", refusal.Reason)
}

func TestFailureOfAnUpdateThatIsNoRefusalIsNotPassedOffAsOne(t *testing.T) {
	t.Parallel()
	c := &mocks.Client{}
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(nil, temporal.NewApplicationError("unknown update resolve", ""))
	_, err := gateway.AskTemporal(c).Resolve(t.Context(), shopKey, "a", workflows.ResolveRequest{})
	var refusal *order.Refusal
	require.NotErrorAs(t, err, &refusal)
	require.NotErrorIs(t, err, gateway.ErrUnreachable)
}
