package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

// ErrNoStorefront: an order names a storefront that is not in the catalogue.
var ErrNoStorefront = errors.New("no such storefront")

func (g *gateway) registerOrders() {
	operation(g, huma.Operation{
		OperationID: "place-order", Method: http.MethodPost, Path: "/v1/orders", Summary: "Place an order",
		Description: "The answer comes after the order is stored; work on it begins at once or, if parts of Dropline are down, later. " +
			"Posting the same bytes again changes nothing and is answered 200 with the same result.",
		DefaultStatus: http.StatusCreated, Errors: []int{409}, MaxBodyBytes: maxBody + 1,
		Responses: map[string]*huma.Response{"200": {Description: "The same order was posted before"}},
	}, mayPlace, g.place)
	operation(g, huma.Operation{
		OperationID: "list-orders", Method: http.MethodGet, Path: "/v1/orders", Summary: "List orders, the newest first",
	}, mayRequest, g.list)
	operation(g, huma.Operation{
		OperationID: "show-order", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}", Summary: "Show where an order stands",
		Errors: []int{404},
	}, mayRequest, g.show)
	operation(g, huma.Operation{
		OperationID: "show-timeline", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/timeline",
		Summary: "Show everything that happened to an order", Errors: []int{404},
	}, mayRequest, g.timeline)
}

type placeInput struct {
	Body    orderDocument
	RawBody []byte
}

type placeOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     placedBody
}

type placedBody struct {
	Order      string `json:"order" example:"shop/1001"`
	Storefront string `json:"storefront" example:"shop"`
	ID         string `json:"id" example:"1001"`
	Links      links  `json:"links"`
}

type links struct {
	Self     string `json:"self" example:"/v1/orders/shop/1001"`
	Timeline string `json:"timeline" example:"/v1/orders/shop/1001/timeline"`
	Cancel   string `json:"cancel" example:"/v1/orders/shop/1001/cancel"`
	Address  string `json:"address" example:"/v1/orders/shop/1001/address"`
	Returns  string `json:"returns" example:"/v1/orders/shop/1001/returns"`
	// ReturnPage is for the customer alone: whoever has it may ask for returns of the order.
	ReturnPage string `json:"return_page,omitempty" doc:"The customer's return page, if there are any; good for 180 days. Only in a shown order." example:"https://returns.example/r/AWrF…"`
}

func linksOf(key order.Key) links {
	self := "/v1/orders/" + url.PathEscape(key.Storefront) + "/" + url.PathEscape(key.Order)
	return links{Self: self, Timeline: self + "/timeline", Cancel: self + "/cancel", Address: self + "/address", Returns: self + "/returns"}
}

func (g *gateway) place(ctx context.Context, in *placeInput) (*placeOutput, error) {
	shop, err := placingStorefront(ctx, in.Body.Storefront)
	if err != nil {
		return nil, err
	}
	o, wrong := in.Body.canonical(shop)
	if len(wrong) > 0 {
		return nil, problem(invalid, "", wrong...)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	stored, err := g.Intake.Place(ctx, Document{
		Source: "api/" + shop, Kind: "order", NaturalKey: "order/" + o.Key.Order, ContentType: "application/json", Body: in.RawBody,
	}, o)
	switch {
	case errors.Is(err, ErrNoStorefront):
		return nil, problem(invalid, "", FieldError{"storefront", "is not in the catalogue"})
	case err != nil:
		return nil, err
	case stored.Conflict:
		return nil, problem(conflict, "order "+o.Key.String()+" was placed before with another body; it stays as it was placed first")
	}
	out := &placeOutput{
		Status: http.StatusCreated, Location: linksOf(o.Key).Self,
		Body: placedBody{Order: o.Key.String(), Storefront: shop, ID: o.Key.Order, Links: linksOf(o.Key)},
	}
	if stored.Repeat {
		out.Status = http.StatusOK
	}
	g.Nudge()
	return out, nil
}

// placingStorefront is whose order it is: the key says it, or an operator's document.
func placingStorefront(ctx context.Context, named string) (string, error) {
	scope := visitOf(ctx).key.Storefront
	switch {
	case scope == "" && named == "":
		return "", problem(invalid, "", FieldError{"storefront", "missing: the key does not say it"})
	case scope == "" && (order.Key{Storefront: named, Order: "1"}).Validate() != nil:
		return "", problem(invalid, "", FieldError{"storefront", "want 1 to 64 letters, digits, '.', '_' or '-'"})
	case scope == "":
		return named, nil
	case named != "" && named != scope:
		return "", problem(invalid, "", FieldError{"storefront", "is not the key's; leave it out"})
	}
	return scope, nil
}

type showOutput struct{ Body shownBody }

type shownBody struct {
	orderview.View
	Links links `json:"links"`
}

func (g *gateway) show(ctx context.Context, in *OrderPath) (*showOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	view, err := orderview.Load(ctx, g.Database, key)
	if err != nil {
		return nil, err
	}
	if visitOf(ctx).key.Storefront != "" {
		view.SupplierPayments = nil
	}
	to := linksOf(key)
	to.ReturnPage = g.Links.For(key, g.Now())
	return &showOutput{shownBody{view, to}}, nil
}

type timelineOutput struct {
	Body struct {
		Order  string            `json:"order" example:"shop/1001"`
		Events []orderview.Event `json:"events"`
	}
}

func (g *gateway) timeline(ctx context.Context, in *OrderPath) (*timelineOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	out := &timelineOutput{}
	out.Body.Order = key.String()
	out.Body.Events, err = orderview.Timeline(ctx, g.Database, key)
	if visitOf(ctx).key.Storefront != "" {
		out.Body.Events = slices.DeleteFunc(out.Body.Events, func(e orderview.Event) bool { return e.Kind == orderview.PaidSupplier })
	}
	return out, err
}

type listInput struct {
	Storefront     string `query:"storefront" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" patternDescription:"a storefront's id" example:"shop"`
	Stage          string `query:"stage" enum:"received,held,backordered,dispatched,acknowledged,shipped,delivered,settled,cancelled"`
	NeedsAttention string `query:"needs_attention" enum:"true,false" doc:"Only orders that wait for a person, or only the others."`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor         string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before."`
}

type listOutput struct {
	Body struct {
		Orders     []orderview.Summary `json:"orders"`
		NextCursor string              `json:"next_cursor,omitempty" doc:"Where the next page begins; missing on the last one."`
	}
}

func (g *gateway) list(ctx context.Context, in *listInput) (*listOutput, error) {
	filter := orderview.Filter{Storefront: in.Storefront, Stage: in.Stage, Limit: in.Limit}
	if in.NeedsAttention != "" {
		wanted := in.NeedsAttention == "true"
		filter.NeedsAttention = &wanted
	}
	if scope := visitOf(ctx).key.Storefront; scope != "" {
		if in.Storefront != "" && in.Storefront != scope {
			return nil, problem(invalid, "", FieldError{"query.storefront", "is not the key's; leave it out"})
		}
		filter.Storefront = scope
	}
	if in.Cursor != "" {
		var ok bool
		if filter.After, ok = orderview.ParseCursor(in.Cursor); !ok {
			return nil, problem(invalid, "", FieldError{"query.cursor", "want the next_cursor of an earlier answer"})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	orders, next, err := orderview.List(ctx, g.Database, filter)
	out := &listOutput{}
	out.Body.Orders, out.Body.NextCursor = orders, next
	return out, err
}
