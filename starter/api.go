package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/service"
)

// remote is where the API is; without a URL it runs in this process, on the database.
type remote struct{ url, key string }

func (r *remote) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.url, "url", "", "work through the gateway at this URL instead of the database")
	c.Flags().StringVar(&r.key, "key", "", "API key for --url; @FILE reads it from a file")
}

// api speaks the gateway's HTTP API.
type api struct {
	client    http.Client
	base, key string
	close     func()
}

func (p *program) api(ctx context.Context, r *remote) (*api, error) {
	if r.url != "" {
		key, err := r.readKey()
		if err != nil {
			return nil, err
		}
		return &api{client: http.Client{Timeout: 40 * time.Second}, base: strings.TrimRight(r.url, "/"), key: key, close: func() {}}, nil
	}
	local, err := p.local(ctx)
	if err != nil {
		return nil, err
	}
	return &api{client: http.Client{Transport: local}, base: "http://local", close: local.Close}, nil
}

func (r *remote) readKey() (string, error) {
	file, named := strings.CutPrefix(r.key, "@")
	if !named {
		return r.key, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// local is Dropline in this process.
func (p *program) local(ctx context.Context) (*service.Local, error) {
	settings, err := p.settings()
	if err != nil {
		return nil, badSettings(err)
	}
	return service.OpenLocal(ctx, settings, slog.New(slog.DiscardHandler))
}

// database is the pool alone, for commands that need nothing else.
func (p *program) database(ctx context.Context) (*pgxpool.Pool, error) {
	settings, err := p.settings()
	if err != nil {
		return nil, badSettings(err)
	}
	return postgres.Open(ctx, settings.DatabaseURL, 4)
}

func badSettings(err error) error {
	return &service.Hinted{Err: fmt.Errorf("the settings are not usable: %w", err), Todo: "starter config lists every setting and what it means."}
}

// answer is what the API said.
type answer struct {
	status int
	body   []byte
}

// ask sends a request and returns a good answer; the API's refusal is a *refusal.
func (a *api) ask(ctx context.Context, method, path string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("ask the gateway: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if a.key != "" {
		request.Header.Set("Authorization", "Bearer "+a.key)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return answer{}, &service.Hinted{Err: fmt.Errorf("ask the gateway: %w", err), Todo: "Check --url, and that the gateway runs."}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 32<<20))
	if err != nil {
		return answer{}, fmt.Errorf("read the gateway's answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return answer{}, refused(response.StatusCode, text)
	}
	return answer{response.StatusCode, text}, nil
}

// refusal is a problem document of the API.
type refusal struct{ gateway.Problem }

func (r *refusal) Error() string {
	var text strings.Builder
	text.WriteString(r.Title)
	if r.Detail != "" {
		text.WriteString(": " + r.Detail)
	}
	for _, field := range r.Errors {
		text.WriteString("\n  " + field.Field + ": " + field.Message)
	}
	return text.String()
}

// Hint is what the API says to do.
func (r *refusal) Hint() string {
	if r.Code == "unavailable" {
		return "Is Postgres up and set up (starter migrate)? " + r.Action
	}
	return r.Action
}

func refused(status int, text []byte) error {
	r := &refusal{}
	if json.Unmarshal(text, &r.Problem) != nil || r.Title == "" {
		return &service.Hinted{Err: fmt.Errorf("the answer is %d %s, and not from Dropline", status, http.StatusText(status)), Todo: "Check --url."}
	}
	return r
}

// get asks for a document.
func (a *api) get(ctx context.Context, path string, into any) error {
	got, err := a.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return got.read(into)
}

// post sends a document.
func (a *api) post(ctx context.Context, path string, document, into any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	got, err := a.ask(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	return got.read(into)
}

func (a answer) read(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return errors.New("the gateway's answer cannot be read; is it of the same version?")
	}
	return nil
}

// orderPath is where the API keeps an order.
func orderPath(key order.Key) string {
	return "/v1/orders/" + url.PathEscape(key.Storefront) + "/" + url.PathEscape(key.Order)
}

// parseOrder reads the argument that names an order.
func parseOrder(c *cobra.Command, text string) (order.Key, error) {
	key, err := order.ParseKey(text)
	if err != nil {
		return key, usagef(c, "%w", err)
	}
	return key, nil
}
