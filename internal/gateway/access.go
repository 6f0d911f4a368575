package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/order"
)

// visit is what is known about one request: for its handler and for the log.
type visit struct {
	id      string // of the request
	key     apikey.Key
	pattern string // of the route; the path itself may hold anything
	partner string // whose signature was verified
	fault   error  // of ours; goes to the log and nowhere else
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// Roles that may use an operation.
var (
	mayPlace   = []apikey.Role{apikey.Storefront, apikey.Operator}
	mayRequest = []apikey.Role{apikey.Storefront, apikey.Support, apikey.Operator}
	mayReview  = []apikey.Role{apikey.Support, apikey.Operator}
	mayResolve = []apikey.Role{apikey.Operator}
)

// authenticate finds out whose key a request bears, and counts the request against it.
func (g *gateway) authenticate(r *http.Request) error {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return problem(unauthenticated, "")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return problem(unauthenticated, "")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	key, err := g.Keys.Authenticate(ctx, token)
	if errors.Is(err, apikey.ErrInvalid) {
		return problem(unauthenticated, "")
	}
	if err != nil {
		return err
	}
	visitOf(r.Context()).key = key
	if !g.keys.allow(key.ID) {
		return problem(rateLimited, "")
	}
	return nil
}

// bodyWasRead lifts the deadline for reading: the body has been read when a route is found. Go's server
// cancels a connection whose deadline passes while an answer is being made, and with it every later
// request on it.
const bodyWasRead = -1

// operation registers what a role may do.
func operation[I, O any](g *gateway, op huma.Operation, roles []apikey.Role, do func(context.Context, *I) (*O, error)) {
	op.Tags = []string{tagOrders}
	op.Security = []map[string][]string{{"key": {}}}
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	op.Description += " Keys: " + strings.Join(names, ", ") + "."
	op.Errors = append(op.Errors, 401, 403, 422, 429, 500, 503)
	if op.Method == http.MethodPost {
		op.Errors = append(op.Errors, 400, 413, 415)
	}
	slices.Sort(op.Errors)
	op.BodyReadTimeout = bodyWasRead
	op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		if !slices.Contains(roles, visitOf(ctx.Context()).key.Role) {
			r, w := humago.Unwrap(ctx)
			g.fail(w, r, problem(forbidden, "the key's role is "+string(visitOf(ctx.Context()).key.Role)))
			return
		}
		next(ctx)
	}}
	huma.Register(g.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, g.answer(ctx, err)
		}
		return out, nil
	})
	g.complete(op)
}

// complete corrects what huma concludes from the types: the raw body is the same JSON document, and
// every good answer has the form of the usual one.
func (g *gateway) complete(op huma.Operation) {
	item := g.api.OpenAPI().Paths[op.Path]
	registered := item.Get
	if op.Method == http.MethodPost {
		registered = item.Post
		delete(registered.RequestBody.Content, "application/octet-stream")
	}
	usual := registered.Responses[strconv.Itoa(cmp.Or(op.DefaultStatus, http.StatusOK))]
	for status, response := range registered.Responses {
		if status < "300" && response.Content == nil {
			response.Content = usual.Content
		}
	}
}

// answer is what the caller may know of an error; the rest is for the log.
func (g *gateway) answer(ctx context.Context, err error) *Problem {
	p, ours := explain(err)
	if ours {
		visitOf(ctx).fault = err
	}
	return p
}

// OrderPath names an order in a URL.
type OrderPath struct {
	Storefront string `path:"storefront" maxLength:"64" example:"shop"`
	ID         string `path:"id" maxLength:"64" example:"1001"`
}

// open says which order a path names, if the key may know of it. An order of another storefront is
// answered exactly as one that does not exist.
func (p OrderPath) open(ctx context.Context) (order.Key, error) {
	key := order.Key{Storefront: p.Storefront, Order: p.ID}
	scope := visitOf(ctx).key.Storefront
	if key.Validate() != nil || scope != "" && scope != key.Storefront {
		return order.Key{}, problem(notFound, "")
	}
	return key, nil
}
