package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// pageCancel names the one request by which a customer takes a return back: asking again asks nothing new.
const pageCancel = "page/cancel"

var cancelOfPage = returns.CancelRequest{ID: pageCancel, By: returndesk.ByCustomer}

// keepTime bounds the transaction that keeps a request and its pictures.
const keepTime = 15 * time.Second

// desktop is all that a page shows of an order.
type desktop struct {
	sight  returndesk.Sight
	list   []returndesk.Standing
	labels []orderview.Return
}

func (g *gateway) lookFor(ctx context.Context, who guest) (*desktop, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var d desktop
	var err error
	if d.sight, err = g.desk.Look(ctx, who.key); err != nil {
		return nil, err
	}
	if d.list, err = returndesk.OfOrder(ctx, g.Database, who.key); err != nil || len(d.list) == 0 {
		return &d, err
	}
	d.labels, err = orderview.Returns(ctx, g.Database, who.key)
	return &d, err
}

func (d *desktop) view(who guest, sent *pageForm, problems map[string]string) pageView {
	v := viewPage(who, &d.sight, sent, problems)
	v.Returns = viewReturns(who, &d.sight, d.list, d.labels)
	return v
}

// said are the notices that an address may ask for; nothing else of it is shown.
var said = map[string]pageNotice{
	"cancelled": {Title: "The return is cancelled", Text: "You keep the goods. You can ask for another return as long as there is time."},
	"stored":    {Title: "We have noted that you keep the goods", Text: "The return is cancelled, if the parcel is not on its way by then. Load this page again to see it."},
}

func (g *gateway) showReturnPage(w http.ResponseWriter, r *http.Request, who guest) error {
	d, err := g.lookFor(r.Context(), who)
	if err != nil {
		return err
	}
	v := d.view(who, nil, nil)
	if notice, known := said[r.URL.Query().Get("said")]; known {
		v.Notice = &notice
	}
	writePage(w, http.StatusOK, v)
	return nil
}

// askOnPage takes the form. What came of it is shown under an address of its own, so that loading that again asks
// for nothing.
func (g *gateway) askOnPage(w http.ResponseWriter, r *http.Request, who guest) error {
	leave, err := g.forms.enter(r.Context(), who.key)
	if err != nil {
		return err
	}
	defer leave()
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	d, err := g.lookFor(r.Context(), who)
	if err != nil {
		return err
	}
	asked := form.understand(&d.sight)
	if !requestMark.MatchString(form.request) {
		asked.problems["form"] = "Please look at the form once more, and send it again."
	}
	if len(asked.problems) > 0 {
		writePage(w, http.StatusUnprocessableEntity, d.view(who, form, asked.problems))
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), keepTime)
	defer cancel()
	_, err = g.desk.RequestWith(ctx, who.key, asked.request, form.enclosed)
	if errors.Is(err, returndesk.ErrOtherRequest) {
		asked.problems["sent"] = "You have sent this form before, with other content; what came of that is below."
		asked.problems["form"] = asked.problems["sent"] + " To ask for something else, send this one."
		writePage(w, http.StatusConflict, d.view(who, form, asked.problems))
		return nil
	}
	if errors.Is(err, returndesk.ErrTooMuch) {
		return errAskedTooMuch
	}
	if err != nil {
		return err
	}
	seeOther(w, who.path+"/asked/"+asked.request.ID)
	return nil
}

func seeOther(w http.ResponseWriter, path string) {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}

// showAsked shows what came of a form.
func (g *gateway) showAsked(w http.ResponseWriter, r *http.Request, who guest) error {
	id := r.PathValue("id")
	if !requestMark.MatchString(id) {
		return problem(notFound, "")
	}
	d, err := g.lookFor(r.Context(), who)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	answer, found, err := returndesk.Answered(ctx, g.Database, who.key, id)
	switch {
	case err != nil:
		return err
	case !found:
		return problem(notFound, "")
	}
	writePage(w, http.StatusOK, d.viewAnswer(who, &answer))
	return nil
}

func (d *desktop) viewAnswer(who guest, answer *returndesk.Answer) pageView {
	v := viewPage(who, &d.sight, nil, nil)
	v.Form, v.Closed, v.Back = nil, nil, who.path
	if no := answer.Refused; no != nil {
		var until time.Time
		if no.Until != nil {
			until = *no.Until
		}
		v.Heading, v.Lead = "We cannot take this back", "Nothing was changed."
		v.Notice = &pageNotice{lineTitle(&d.sight, no.Line), refusalWords(no.Code, until), true}
		if no.Line == 0 {
			v.Notice.Title = "Not possible"
		}
		return v
	}
	v.Heading, v.Lead = "Your return is granted", "Keep this page, or find it again by the link in our messages."
	for _, card := range viewReturns(who, &d.sight, d.list, d.labels) {
		if slices.ContainsFunc(answer.Returns, func(g returndesk.Granted) bool { return g.RMA == card.RMA }) {
			v.Returns = append(v.Returns, card)
		}
	}
	return v
}

// cancelOnPage takes a return of this order back.
func (g *gateway) cancelOnPage(w http.ResponseWriter, r *http.Request, who guest) error {
	path := ReturnPath{OrderPath{who.key.Storefront, who.key.Order}, r.PathValue("rma")}
	key, standing, err := g.stand(r.Context(), path)
	if err != nil {
		return err
	}
	out, err := g.takeBack(r.Context(), key, standing, cancelOfPage, pageCancel)
	if err != nil && !isRefusal(err) {
		return err
	}
	if err == nil && out.Body.Result == "stored" {
		seeOther(w, who.path+"?said=stored")
		return nil
	}
	if err == nil {
		seeOther(w, who.path+"?said=cancelled")
		return nil
	}
	d, err := g.lookFor(r.Context(), who)
	if err != nil {
		return err
	}
	v := d.view(who, nil, nil)
	v.Notice = &pageNotice{"It is too late to cancel this return", "See below where it stands.", true}
	writePage(w, http.StatusConflict, v)
	return nil
}

// isRefusal: the return was asked, or is over, and cannot be cancelled.
func isRefusal(err error) bool {
	var no *order.Refusal
	var p *Problem
	return errors.As(err, &no) || errors.As(err, &p) && p.Code == string(refused)
}
