package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

func (g *gateway) registerReturns() {
	operation(g, huma.Operation{
		OperationID: "request-return", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/returns", Summary: "Ask to send goods back",
		Description: "Judged at once, by what was delivered and by the storefront's policy, and granted whole or not at all: one return " +
			"(RMA) for each supplier that the goods go back to. The same request again is answered 200 with the same returns.",
		DefaultStatus: http.StatusCreated, Errors: []int{404, 409},
		Responses: map[string]*huma.Response{"200": {Description: "The same request was granted before"}},
	}, mayRequest, g.requestReturn)
	operation(g, huma.Operation{
		OperationID: "list-returns", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/returns", Summary: "List an order's returns",
		Errors: []int{404},
	}, mayRequest, g.listReturns)
	operation(g, huma.Operation{
		OperationID: "show-return", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/returns/{rma}", Summary: "Show where a return stands",
		Errors: []int{404},
	}, mayRequest, g.showReturn)
	operation(g, huma.Operation{
		OperationID: "show-return-photo", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/returns/{rma}/photos/{n}",
		Summary: "Fetch a picture that the customer added on the return page", Description: "JPEG or PNG, as it came.", Errors: []int{404},
		Responses: map[string]*huma.Response{"200": {Description: "The picture", Content: map[string]*huma.MediaType{
			"image/jpeg": {Schema: &huma.Schema{Type: "string", Format: "binary"}}, "image/png": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		}}},
	}, mayRequest, g.showReturnPhoto)
	operation(g, huma.Operation{
		OperationID: "list-all-returns", Method: http.MethodGet, Path: "/v1/returns", Summary: "List returns, the newest first",
	}, mayRequest, g.listAllReturns)
	operation(g, huma.Operation{
		OperationID: "find-return", Method: http.MethodGet, Path: "/v1/returns/{rma}", Summary: "Find a return by its number", Errors: []int{404},
	}, mayRequest, g.findReturn)
	operation(g, huma.Operation{
		OperationID: "cancel-return", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/returns/{rma}/cancel",
		Summary: "Take a return back: the customer keeps the goods",
		Description: "Possible until the carrier has the parcel. Answered 202 when the return cannot be asked now: then the request is " +
			"stored and will be carried out.",
		Errors: []int{404, 409}, Responses: map[string]*huma.Response{"202": {Description: "Stored; it will be carried out"}},
	}, mayRequest, g.cancelReturn)
	operation(g, huma.Operation{
		OperationID: "decide-return", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/returns/{rma}/decide",
		Summary: "Decide about a return where only a person can",
		Description: "pay_share: units of a line that came back wrong are paid for in part, whole or not at all. refund_without_goods and " +
			"refuse: the supplier refuses the return. record_findings: somebody reported the inspection in words. write_off (operators " +
			"only): the supplier's credit will never come. noted: a matter has been seen to.",
		Errors: []int{404, 409},
	}, mayReview, g.decideReturn)
}

type returnInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID  string        `json:"request_id,omitempty" doc:"An id of your own; needed unless the header Idempotency-Key has it." maxLength:"64" example:"return-5"`
		Lines      []returnUnits `json:"lines" minItems:"1" maxItems:"500" nullable:"false"`
		Resolution string        `json:"resolution,omitempty" doc:"What the customer gets, if the policy offers it." enum:"refund,exchange,store_credit" default:"refund" example:"exchange"`
		Currency   string        `json:"currency,omitempty" doc:"ISO 4217, of all amounts here; needed with any. It must be the order's." maxLength:"3" example:"USD"`
		Payment    *paidMore     `json:"payment,omitempty" doc:"What you have captured because the goods of an exchange cost more: exactly the difference."`
		Photos     int           `json:"photos,omitempty" doc:"How many pictures of what is wrong the customer has sent you." minimum:"0" maximum:"100" example:"1"`
		PhotoURLs  []string      `json:"photo_urls,omitempty" doc:"Where pictures are: https; never fetched." maxItems:"10" nullable:"false" example:"https://pictures.example/1.jpg"`
		Override   bool          `json:"override,omitempty" doc:"Operators only: grant what the policy would not, such as a return after its window." example:"false"`
	}
}

type returnUnits struct {
	Line     int    `json:"line" minimum:"1" maximum:"500" example:"1"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
	Reason   string `json:"reason" enum:"changed_mind,wrong_size,damaged,defective,wrong_item,not_as_described"`
	// Exchange is decoded only for an exchange.
	Exchange *wantedGoods `json:"exchange,omitempty" doc:"With resolution exchange: what is wanted instead. Left out: the same article once more, at no difference."`
}

type wantedGoods struct {
	SKU        string `json:"sku" minLength:"1" maxLength:"64" example:"MUG-LARGE"`
	Title      string `json:"title,omitempty" maxLength:"200" example:"Mug, large"`
	ExternalID string `json:"external_id,omitempty" maxLength:"255" example:"gid://shop/LineItem/9"`
	UnitPrice  string `json:"unit_price" doc:"Your price of one unit, as in an order's lines." maxLength:"32" example:"15.00"`
	Tax        string `json:"tax,omitempty" doc:"For all units of the line." maxLength:"32" example:"1.20"`
}

type paidMore struct {
	Reference string `json:"reference" doc:"Your id of the payment: it pays for one exchange." minLength:"1" maxLength:"255" example:"pay-77"`
	Captured  string `json:"captured" maxLength:"32" example:"3.00"`
}

type returnOutput struct {
	Status int
	Body   grantedBody
}

type grantedBody struct {
	Returns   []grantedReturn `json:"returns"`
	RequestID string          `json:"request_id" example:"return-5"`
}

type grantedReturn struct {
	RMA     string      `json:"rma" doc:"Names the return for ever." example:"DLABCDEFGHIJKLM-1-R1"`
	Lines   []unitsBack `json:"lines"`
	Keep    bool        `json:"keep" doc:"The goods need not come back; the customer is refunded all the same."`
	SendBy  time.Time   `json:"send_by,omitzero" doc:"Until when the goods have to be handed in."`
	Message string      `json:"message" doc:"What the customer has to do." example:"Send the goods back until 16 March 2026. The label comes by e-mail."`
	Links   returnLinks `json:"links"`
}

type unitsBack struct {
	Line     int   `json:"line" example:"1"`
	Quantity int64 `json:"quantity" example:"1"`
}

type returnLinks struct {
	Self   string `json:"self" example:"/v1/orders/shop/1001/returns/DLABCDEFGHIJKLM-1-R1"`
	Cancel string `json:"cancel" example:"/v1/orders/shop/1001/returns/DLABCDEFGHIJKLM-1-R1/cancel"`
}

func (g *gateway) requestReturn(ctx context.Context, in *returnInput) (*returnOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	role := visitOf(ctx).key.Role
	r := returns.Request{
		ID: name, Resolution: returns.Resolution(in.Body.Resolution), Photos: in.Body.Photos, By: string(role), Override: in.Body.Override,
	}
	if r.Resolution == "" {
		r.Resolution = returns.Refund
	}
	if r.Override && role != apikey.Operator {
		return nil, problem(invalid, "", FieldError{"override", "is for operators"})
	}
	if wrong := in.fill(&r); len(wrong) > 0 {
		return nil, problem(invalid, "", wrong...)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	answer, err := g.desk.Request(ctx, key, r)
	switch {
	case errors.Is(err, returndesk.ErrOtherRequest):
		return nil, problem(conflict, "this request_id asked for something else before, or somebody else asked with it")
	case err != nil:
		return nil, err
	case answer.Refused != nil:
		p := problem(notGranted, answer.Refused.Text)
		p.Refusal = &Refusal{Code: string(answer.Refused.Code), Line: answer.Refused.Line, Until: answer.Refused.Until}
		if answer.Refused.Missing > 0 {
			p.Refusal.Missing, _ = money.Format(answer.Refused.Missing, answer.Refused.Currency) // the order's currency is known
		}
		return nil, p
	}
	out := &returnOutput{Status: http.StatusCreated, Body: grantedBody{Returns: []grantedReturn{}, RequestID: name}}
	if answer.Repeated {
		out.Status = http.StatusOK
	}
	for _, granted := range answer.Returns {
		out.Body.Returns = append(out.Body.Returns, tellGranted(key, &granted, r.Resolution))
	}
	return out, nil
}

// follows names what the customer gets.
func follows(r returns.Resolution) string {
	switch r {
	case returns.Exchange:
		return "the exchange"
	case returns.StoreCredit:
		return "the store credit"
	default:
		return "the refund"
	}
}

func tellGranted(key order.Key, granted *returndesk.Granted, resolution returns.Resolution) grantedReturn {
	self := linksOf(key).Returns + "/" + granted.RMA
	g := grantedReturn{
		RMA: granted.RMA, Keep: granted.Keep, Lines: []unitsBack{}, Links: returnLinks{Self: self, Cancel: self + "/cancel"},
		Message: "Keep the goods, or give them away: " + follows(resolution) + " follows.",
	}
	if !granted.Keep {
		g.SendBy = granted.SendBy.UTC()
		g.Message = "Send the goods back until " + g.SendBy.Format("2 January 2006") + ". What is needed for it comes by e-mail."
	}
	for _, l := range granted.Lines {
		g.Lines = append(g.Lines, unitsBack(l))
	}
	return g
}

type returnsOutput struct {
	Body struct {
		Order   string             `json:"order" example:"shop/1001"`
		Returns []orderview.Return `json:"returns"`
	}
}

func (g *gateway) listReturns(ctx context.Context, in *OrderPath) (*returnsOutput, error) {
	key, list, err := g.returnsOf(ctx, *in)
	if err != nil {
		return nil, err
	}
	out := &returnsOutput{}
	out.Body.Order, out.Body.Returns = key.String(), list
	return out, nil
}

// returnsOf reads an order's returns, if there is such an order.
func (g *gateway) returnsOf(ctx context.Context, p OrderPath) (order.Key, []orderview.Return, error) {
	key, err := p.open(ctx)
	if err != nil {
		return key, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := orderview.Returns(ctx, g.Database, key)
	if err == nil && len(list) == 0 {
		_, err = orderview.Stand(ctx, g.Database, key)
		list = []orderview.Return{}
	}
	return key, list, err
}

// ReturnPath names a return in a URL.
type ReturnPath struct {
	OrderPath
	RMA string `path:"rma" maxLength:"64" example:"DLABCDEFGHIJKLM-1-R1"`
}

type shownReturn struct{ Body orderview.Return }

func (g *gateway) showReturn(ctx context.Context, in *ReturnPath) (*shownReturn, error) {
	_, list, err := g.returnsOf(ctx, in.OrderPath)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(r orderview.Return) bool { return r.RMA == in.RMA })
	if at < 0 {
		return nil, problem(notFound, "")
	}
	return &shownReturn{list[at]}, nil
}

type returnPhotoInput struct {
	ReturnPath
	N int `path:"n" minimum:"1" maximum:"10" example:"1"`
}

type returnPhotoOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (g *gateway) showReturnPhoto(ctx context.Context, in *returnPhotoInput) (*returnPhotoOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	if !requestShape.MatchString(in.RMA) {
		return nil, problem(notFound, "")
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	picture, err := returndesk.ReadPicture(ctx, g.Database, key, in.RMA, in.N)
	// It is a stranger's file: no browser shows it as part of this address.
	return &returnPhotoOutput{picture.MediaType, "attachment", "default-src 'none'; sandbox", picture.Body}, err
}

type listReturnsInput struct {
	NeedsAttention string `query:"needs_attention" enum:"true,false" doc:"true: only returns that wait for a person."`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type allReturnsOutput struct {
	Body struct {
		Returns []orderview.Return `json:"returns"`
	}
}

func (g *gateway) listAllReturns(ctx context.Context, in *listReturnsInput) (*allReturnsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := orderview.NewestReturns(ctx, g.Database, visitOf(ctx).key.Storefront, in.NeedsAttention == "true", in.Limit)
	out := &allReturnsOutput{}
	out.Body.Returns = append([]orderview.Return{}, list...)
	return out, err
}

type findReturnInput struct {
	RMA string `path:"rma" maxLength:"64" example:"DLABCDEFGHIJKLM-1-R1"`
}

func (g *gateway) findReturn(ctx context.Context, in *findReturnInput) (*shownReturn, error) {
	if !requestShape.MatchString(in.RMA) {
		return nil, problem(notFound, "")
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	found, ok, err := orderview.FindReturn(ctx, g.Database, in.RMA)
	if err != nil {
		return nil, err
	}
	scope := visitOf(ctx).key.Storefront
	if key, wrong := order.ParseKey(found.Order); !ok || wrong != nil || scope != "" && scope != key.Storefront {
		return nil, problem(notFound, "")
	}
	return &shownReturn{found}, nil
}
