package gateway

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
)

// kind is why a request was not done.
type kind string

// The kinds of failure. What each means for the caller stands in the table below, and nowhere else.
const (
	malformed        kind = "malformed"
	unauthenticated  kind = "unauthenticated"
	badSignature     kind = "bad_signature"
	stale            kind = "stale_delivery"
	forbidden        kind = "forbidden"
	notFound         kind = "not_found"
	methodNotAllowed kind = "method_not_allowed"
	conflict         kind = "conflict"
	refused          kind = "refused"
	tooLarge         kind = "too_large"
	unsupportedMedia kind = "unsupported_media_type"
	invalid          kind = "invalid"
	notGranted       kind = "return_refused"
	rateLimited      kind = "rate_limited"
	internal         kind = "internal"
	unavailable      kind = "unavailable"
	orderBusy        kind = "order_unreachable"
)

// failure is what a kind means: its status, its title, what the caller should do, and after how
// many seconds a repeat makes sense (0: not by itself).
type failure struct {
	kind       kind
	status     int
	title      string
	action     string
	retryAfter int
}

var failures = []failure{
	{malformed, http.StatusBadRequest, "The request cannot be read", "Send one JSON document in UTF-8, nested at most 64 deep, each member once.", 0},
	{unauthenticated, http.StatusUnauthorized, "No valid API key", "Send the header 'Authorization: Bearer dl_…' with a key that has not been revoked.", 0},
	{badSignature, http.StatusUnauthorized, "The signature does not verify", "Check the partner's id in the URL and the secret; sign the body exactly as sent.", 0},
	{stale, http.StatusUnauthorized, "The delivery is too old", "Check the clock and sign each attempt anew.", 0},
	{forbidden, http.StatusForbidden, "The key may not do this", "Use a key with another role.", 0},
	{notFound, http.StatusNotFound, "Nothing is here", "Check the address, the storefront and the order id.", 0},
	{methodNotAllowed, http.StatusMethodNotAllowed, "The method is not allowed here", "Use a method that the header Allow names.", 0},
	{conflict, http.StatusConflict, "The id is taken by other content", "Use a new id for a new request; to repeat a request, send the same bytes.", 0},
	{refused, http.StatusConflict, "The order cannot grant this", "Read the detail: it says why, and what can be done instead.", 0},
	{tooLarge, http.StatusRequestEntityTooLarge, "The body is too large", "Send at most 1 MiB.", 0},
	{unsupportedMedia, http.StatusUnsupportedMediaType, "The body's type is not taken", "Send Content-Type: application/json in UTF-8, without Content-Encoding.", 0},
	{invalid, http.StatusUnprocessableEntity, "The request breaks a rule", "Correct the fields that errors names.", 0},
	{notGranted, http.StatusUnprocessableEntity, "The return is not granted", "Tell the customer the detail; an operator may grant it all the same with override.", 0},
	{rateLimited, http.StatusTooManyRequests, "Too many requests", "Wait as long as Retry-After says.", 1},
	{internal, http.StatusInternalServerError, "The fault is ours", "Repeat the request once; if it fails again, report its request_id.", 0},
	{unavailable, http.StatusServiceUnavailable, "Not able to store this now", "Nothing was done. Repeat the same request after Retry-After.", 5},
	{orderBusy, http.StatusServiceUnavailable, "The order cannot be asked now", "Repeat the request with the same request_id after Retry-After; it is done once.", 10},
}

func means(k kind) failure {
	for _, f := range failures {
		if f.kind == k {
			return f
		}
	}
	return means(internal)
}

// Problem is a failure as the caller sees it (RFC 9457).
type Problem struct {
	Type   string `json:"type" doc:"Where the kind of problem is described." example:"/docs#problem-invalid"`
	Title  string `json:"title" example:"The request breaks a rule"`
	Status int    `json:"status" example:"422"`
	Code   string `json:"code" doc:"The kind of problem, for programs." example:"invalid"`
	Detail string `json:"detail,omitempty" doc:"What was wrong with this request."`
	Action string `json:"action" doc:"What to do." example:"Correct the fields that errors names."`
	// Errors name each field and what is wanted of it.
	Errors    []FieldError `json:"errors,omitempty"`
	RequestID string       `json:"request_id,omitempty" doc:"Names this request in Dropline's log."`

	// Refusal says why a return was not granted.
	Refusal *Refusal `json:"refusal,omitempty"`

	headers http.Header
}

// Refusal is why a return was not granted, for programs; the problem's detail is for the customer.
type Refusal struct {
	Code  string     `json:"code" doc:"Why, in one word; docs/api.md lists them." example:"window_closed"`
	Line  int        `json:"line,omitempty" doc:"The line that it is about." example:"1"`
	Until *time.Time `json:"until,omitempty" doc:"When the window closed, for window_closed."`
	// Missing is decimal text.
	Missing string `json:"missing,omitempty" doc:"What the payment for an exchange lacks, for payment_missing." example:"3.00"`
}

// FieldError is what is wrong with one field. It repeats nothing of the field's content.
type FieldError struct {
	Field   string `json:"field" example:"lines[0].unit_price"`
	Message string `json:"message" example:"want a decimal string such as \"12.50\""`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are sent with the answer.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType marks the document as a problem.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// maxFields is how many fields one answer names: a person corrects no more at once, and a program
// finds the same mistake in all of them.
const maxFields = 50

// few cuts a list of findings.
func few(errs []FieldError) []FieldError {
	if len(errs) <= maxFields {
		return errs
	}
	more := FieldError{"(body)", "and " + strconv.Itoa(len(errs)-maxFields) + " more: correct these first"}
	return append(slices.Clone(errs[:maxFields]), more)
}

// problem makes the answer for a kind of failure.
func problem(k kind, detail string, errs ...FieldError) *Problem {
	f := means(k)
	errs = few(errs)
	p := &Problem{
		Type: "/docs#problem-" + string(f.kind), Title: f.title, Status: f.status, Code: string(f.kind),
		Detail: detail, Action: f.action, Errors: errs, headers: http.Header{},
	}
	if f.retryAfter > 0 {
		p.headers.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if k == unauthenticated {
		p.headers.Set("WWW-Authenticate", "Bearer")
	}
	return p
}

// explain turns any error into what the caller may know of it. True: the fault is ours, and the
// error belongs into the log.
func explain(err error) (*Problem, bool) {
	var known *Problem
	var refusal *order.Refusal
	switch {
	case errors.As(err, &known):
		return known, false
	case errors.As(err, &refusal):
		return problem(refused, refusal.Reason), false
	case errors.Is(err, orderview.ErrNoOrder), errors.Is(err, returndesk.ErrNoReturn), errors.Is(err, claimdesk.ErrNoClaim):
		return problem(notFound, ""), false
	case errors.Is(err, ErrLate), errors.Is(err, ErrNotRunning), errors.Is(err, ErrUnreachable):
		return problem(orderBusy, ""), false
	case postgres.Unavailable(err):
		return problem(unavailable, ""), true
	}
	return problem(internal, ""), true
}

// fromFramework gives huma's own findings the one shape. It drops what huma would repeat of the
// request.
func fromFramework(status int, _ string, errs ...error) huma.StatusError {
	k := map[int]kind{
		http.StatusBadRequest: malformed, http.StatusRequestTimeout: malformed, http.StatusNotFound: notFound,
		http.StatusRequestEntityTooLarge: tooLarge, http.StatusUnsupportedMediaType: unsupportedMedia,
		http.StatusUnprocessableEntity: invalid,
	}[status]
	if k == "" {
		return problem(internal, "")
	}
	var fields []FieldError
	for _, err := range errs {
		var detailed huma.ErrorDetailer
		if errors.As(err, &detailed) {
			d := detailed.ErrorDetail()
			fields = append(fields, fieldError(d.Location, d.Message))
		}
	}
	return problem(k, "", fields...)
}

var (
	missingMember = regexp.MustCompile(`^expected required property (\S+) to be present$`)
	plainField    = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{1,100}$`)
	fewWords      = regexp.MustCompile(`^(expected|unexpected|required|invalid) [ -~]{1,200}$`)
)

func fieldError(location, message string) FieldError {
	field := strings.TrimPrefix(strings.TrimPrefix(location, "body"), ".")
	if missing := missingMember.FindStringSubmatch(message); missing != nil {
		return FieldError{Field: strings.TrimPrefix(field+"."+missing[1], "."), Message: "missing"}
	}
	switch {
	case field == "":
		field = "(body)"
	case !plainField.MatchString(field):
		field = "(a member with an unusual name)"
	}
	switch {
	case message == "unexpected property" || message == "unknown query parameter":
		return FieldError{Field: field, Message: "no such field"}
	case !fewWords.MatchString(message):
		// The decoder's own words name Go types; what is wanted stands in the API's description.
		return FieldError{Field: field, Message: "cannot be read as what /docs describes"}
	}
	return FieldError{Field: field, Message: strings.Replace(message, "expected ", "want ", 1)}
}
