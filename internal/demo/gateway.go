package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

// call makes one request to the gateway, as a storefront or an operator does, and reads the answer.
func (w *world) call(ctx context.Context, key, method, path string, body, into any) (int, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return 0, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.gatewayURL+path, bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Authorization", "Bearer "+w.keys[key])
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return response.StatusCode, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return response.StatusCode, fmt.Errorf("%s %s answered %d: %.200s", method, path, response.StatusCode, answer)
	}
	return response.StatusCode, nil
}

func path(key order.Key) string { return "/v1/orders/" + key.Storefront + "/" + key.Order }

// refusal is what the gateway says when it does not do something (RFC 9457).
type refusal struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field, Message string
	} `json:"errors"`
}

// post places the story's order by the API.
func (p *play) post(ctx context.Context) error {
	return p.send(ctx, p.story.document())
}

func (p *play) send(ctx context.Context, document map[string]any) error {
	var said refusal
	status, err := p.world.call(ctx, p.story.key.Storefront, http.MethodPost, "/v1/orders", document, &said)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("answered %d: %s %s %v", status, said.Title, said.Detail, said.Errors)
	}
	if err != nil {
		return fmt.Errorf("place order %s: %w", p.story.key, err)
	}
	return nil
}

// cancelAnswer is what comes of a cancellation, granted or not.
type cancelAnswer struct {
	refusal
	Result    string              `json:"result"`
	Message   string              `json:"message"`
	Cancelled []order.ShippedLine `json:"cancelled"`
	Asked     []order.ShippedLine `json:"asked"`
	// stored: the order could not be asked at first, so its answer to the repeat names no units.
	stored bool
}

// cancel asks for some lines, or else the whole order, to be cancelled and wants the given status. While no worker answers
// for the order the gateway stores the request (202), and is asked again under the same id.
func (p *play) cancel(ctx context.Context, want int, lines ...map[string]any) (*cancelAnswer, error) {
	var answer cancelAnswer
	status, stored := http.StatusAccepted, false
	for status == http.StatusAccepted {
		answer = cancelAnswer{stored: stored}
		var err error
		body := map[string]any{"request_id": "cancel-" + p.story.key.Order, "reason": "customer"}
		if len(lines) > 0 {
			body["lines"] = lines
		}
		status, err = p.world.call(ctx, p.story.key.Storefront, http.MethodPost, path(p.story.key)+"/cancel", body, &answer)
		if err != nil {
			return nil, err
		}
		if status == http.StatusAccepted {
			p.tell("customer cancels: %s", answer.Message)
			stored = true
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("cancel order %s: %w", p.story.key, ctx.Err())
			case <-time.After(lookEvery):
			}
		}
	}
	said := answer.Message
	if status >= http.StatusBadRequest {
		said = "refused: " + answer.Detail
	}
	p.tell("customer cancels: %s", said)
	// What a request came to that was stored first, the order's status tells.
	if status != want && !(stored && status == http.StatusOK) {
		return nil, fmt.Errorf("cancel order %s: answered %d (%s %s), want %d", p.story.key, status, answer.Title, said, want)
	}
	return &answer, nil
}

// approve releases an order that is held for review.
func (p *play) approve(ctx context.Context) error {
	return p.decide(ctx, "review", map[string]any{"decision": "approve"})
}

// resolve ends the order's open case as an operator decides.
func (p *play) resolve(ctx context.Context, outcome order.CaseStatus) error {
	view, err := p.world.show(ctx, p.story.key)
	if err != nil {
		return err
	}
	if len(view.Cases) != 1 {
		return fmt.Errorf("show order %s: %d cases, want the one that waits for a person", p.story.key, len(view.Cases))
	}
	return p.decide(ctx, "resolve", map[string]any{"case": view.Cases[0].Key, "outcome": outcome})
}

// decide puts an operator's decision to the order.
func (p *play) decide(ctx context.Context, what string, body map[string]any) error {
	var answer struct {
		refusal
		Message string `json:"message"`
	}
	body["request_id"] = what + "-" + p.story.key.Order
	status, err := p.world.call(ctx, operatorKey, http.MethodPost, path(p.story.key)+"/"+what, body, &answer)
	for err == nil && busy(status) && ctx.Err() == nil {
		p.tell("operator decides (%s): %s", what, answer.Title)
		time.Sleep(lookEvery)
		status, err = p.world.call(ctx, operatorKey, http.MethodPost, path(p.story.key)+"/"+what, body, &answer)
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answered %d: %s %s", status, answer.Title, answer.Detail)
	}
	if err != nil {
		return fmt.Errorf("%s order %s: %w", what, p.story.key, err)
	}
	p.tell("operator decides (%s): %s", what, answer.Message)
	return nil
}

// busy: nobody answers for the order just now, and the same request may be made again.
func busy(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// show reads the order as a storefront sees it.
func (w *world) show(ctx context.Context, key order.Key) (orderview.View, error) {
	var view orderview.View
	status, err := w.call(ctx, key.Storefront, http.MethodGet, path(key), nil, &view)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answered %d", status)
	}
	if err != nil {
		return view, fmt.Errorf("show order %s: %w", key, err)
	}
	return view, nil
}
