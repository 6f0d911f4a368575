package engine

import (
	"fmt"
	"reflect"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

const (
	// MaxPayload is the most bytes that one set of arguments or one result may take in a history.
	// Temporal refuses 2 MB and would have the activity that gave such a result tried for ever; long
	// before that, histories grow slow. What is larger belongs into Postgres, and its key into the payload.
	MaxPayload = 64 << 10
	// MaxState is the most that an order's whole state may take (what a run hands on to the next one, and
	// the answer to a query), and so may a batch of facts. An order of 500 lines, each of which four
	// suppliers had, takes some 300 KB; a supplier's answer for as many lines some 80 KB.
	MaxState = 1 << 20
	// PayloadTooLargeType is the type of the failure.
	PayloadTooLargeType = "PayloadTooLarge"
)

// larger are the types that may take MaxState.
var larger = map[reflect.Type]bool{
	reflect.TypeFor[order.State](): true, reflect.TypeFor[workflows.OrderInput](): true,
	reflect.TypeFor[workflows.FactsSignal](): true, reflect.TypeFor[[]order.Fact](): true,
}

// Bounded is a data converter that refuses to write more than MaxPayload. The caller gets the failure
// at once: a client from its call, a workflow from the activity's future, and an activity fails without
// another attempt, since the same result would come of it. Reading is not bounded: what was written
// before stays readable.
func Bounded(inner converter.DataConverter) converter.DataConverter { return bounded{inner} }

type bounded struct{ converter.DataConverter }

func (b bounded) ToPayload(value any) (*commonpb.Payload, error) {
	payload, err := b.DataConverter.ToPayload(value)
	if err == nil {
		err = within(len(payload.GetData()), value)
	}
	if err != nil {
		return nil, err
	}
	return payload, nil
}

func (b bounded) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	payloads, err := b.DataConverter.ToPayloads(values...)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, payload := range payloads.GetPayloads() {
		total += len(payload.GetData())
	}
	if err := within(total, values...); err != nil {
		return nil, err
	}
	return payloads, nil
}

// within names the types and never the content.
func within(bytes int, values ...any) error {
	most := MaxPayload
	types := make([]string, len(values))
	for i, value := range values {
		types[i] = fmt.Sprintf("%T", value)
		if of := reflect.TypeOf(value); of != nil && (larger[of] || of.Kind() == reflect.Pointer && larger[of.Elem()]) {
			most = MaxState
		}
	}
	if bytes <= most {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%v takes %d bytes, more than the %d that a history takes: store it and pass its key", types, bytes, most),
		PayloadTooLargeType, nil)
}
