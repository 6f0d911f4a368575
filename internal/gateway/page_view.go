package gateway

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// pageView is what the template sees. Every text in it is for the customer.
type pageView struct {
	Style         template.CSS
	Shop, Number  string
	Heading, Lead string
	Notice        *pageNotice
	Back          string // the page with the form, from another one
	Form          *formView
	Closed        []closedLine
	Returns       []returnCard
}

// pageNotice says at the top what came of what the customer did. Bad: it was not done.
type pageNotice struct {
	Title, Text string
	Bad         bool
}

type formView struct {
	Action, Request string
	Lines           []formLine
	Outcomes        []formChoice
	OutcomeProblem  string
	PhotoHint       string
	PhotoProblem    string
	Note            string
	NoteProblem     string
	Fees            string
}

type formLine struct {
	Line                           int
	Title, SKU, Until              string
	Fees, Photo                    string       // what the shop keeps of it, and whether a fault needs a picture
	Quantities                     []formChoice // none: there are too many to list, and a number is typed
	Quantity                       string
	Free                           int64
	Reasons                        []formChoice
	QuantityProblem, ReasonProblem string
}

type formChoice struct {
	Value, Text string
	Chosen      bool
}

type closedLine struct{ Title, SKU, Why string }

// returnCard is one return as its customer sees it.
type returnCard struct {
	RMA, Goods, Stage, Text string
	Done                    bool
	Carrier, Tracking       string
	LabelURL                string
	CancelAction            string
}

var reasonWords = map[returns.Reason]string{
	returns.ChangedMind: "I changed my mind", returns.WrongSize: "It does not fit", returns.Damaged: "It arrived damaged",
	returns.Defective: "It does not work", returns.WrongItem: "It is not what I ordered", returns.NotAsDescribed: "It is not as described",
}

var outcomeWords = map[returns.Resolution]string{
	returns.Refund: "My money back, the way I paid", returns.Exchange: "The same article once more, as a replacement",
	returns.StoreCredit: "Credit at the shop",
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// refusalWords say why units cannot come back, of a line that is named beside them.
func refusalWords(code returns.RefusalCode, until time.Time) string {
	switch code {
	case returns.RefusedWindow:
		if until.IsZero() {
			return "The time to return it is over."
		}
		return "It could be returned until " + day(until) + "."
	case returns.RefusedFinalSale:
		return "It was sold without a right to return it."
	case returns.RefusedNotDelivered:
		return "It has not been delivered yet. Come back here when it has."
	case returns.RefusedReturning:
		return "It is on its way back to the sender already. It is refunded when it has arrived."
	case returns.RefusedTaken:
		return "A return of it is under way already."
	case returns.RefusedUnknownLine:
		return "It was not sent to you."
	case returns.RefusedPhotos:
		return "Add a picture that shows what is wrong with it, and send the form again."
	case returns.RefusedOutcome:
		return "The shop does not offer what you chose for this reason. Choose something else."
	case returns.RefusedUnknownSKU:
		return "It is not available any more. Choose something else than a replacement."
	case returns.RefusedExchanged:
		return "This order is a replacement already. Ask for your money back."
	}
	return "Not so many of it can come back."
}

// closedWords is refusalWords for a line of which nothing can come back.
func closedWords(c *returns.Refusal) string {
	if c.Code == returns.RefusedQuantity {
		return "There is nothing of it to send back."
	}
	return refusalWords(c.Code, c.Until)
}

func titleOf(l *returndesk.SightLine) string { return cmp.Or(l.Title, l.SKU) }

// skuOf is what stands beside the title: nothing, when the title is the SKU.
func skuOf(l *returndesk.SightLine) string {
	if l.Title == "" {
		return ""
	}
	return l.SKU
}

func lineTitle(s *returndesk.Sight, line int) string {
	for i := range s.Lines {
		if s.Lines[i].Line == line {
			return titleOf(&s.Lines[i])
		}
	}
	return "line " + strconv.Itoa(line)
}

// offered: the customer may choose this on the form.
func offered(s *returndesk.Sight, r returns.Resolution) bool {
	return r == returns.Refund || slices.Contains(s.Outcomes, r) && !(r == returns.Exchange && s.Exchanged)
}

// view is the page with what can be sent back. sent is a form that has to be corrected; nil: a fresh one.
func viewPage(who guest, s *returndesk.Sight, sent *pageForm, problems map[string]string) pageView {
	v := pageView{
		Shop: cmp.Or(s.Shop, who.key.Storefront), Number: cmp.Or(s.Number, who.key.Order), Heading: "Send something back",
		Lead: "Choose what you send back and why. You get an answer at once.",
	}
	form := &formView{Action: who.path, Request: newRequestMark()}
	if sent == nil {
		sent = &pageForm{}
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Free == 0 {
			v.Closed = append(v.Closed, closedLine{titleOf(l), skuOf(l), closedWords(l.Refused)})
			continue
		}
		form.Lines = append(form.Lines, viewLine(l, sent, problems))
	}
	if len(form.Lines) == 0 {
		v.Lead = "There is nothing of this order that can be sent back right now."
		if len(problems) > 0 {
			v.Notice = &pageNotice{"Nothing was sent", cmp.Or(problems["sent"], "What you asked for cannot be sent back right now; see below."), true}
		}
		return v
	}
	form.Fees, form.PhotoHint = labelWords(s), photoHint(s)
	form.Outcomes, form.OutcomeProblem = viewOutcomes(s, sent.resolution), problems["resolution"]
	form.Note, form.NoteProblem, form.PhotoProblem = sent.enclosed.Note, problems["note"], problems["photos"]
	if len(problems) > 0 {
		v.Notice = &pageNotice{"Nothing was sent yet", cmp.Or(problems["form"], "Please correct what is marked below."), true}
		if len(sent.enclosed.Pictures) > 0 && form.PhotoProblem == "" {
			form.PhotoProblem = "Please add your pictures once more."
		}
	}
	v.Form = form
	return v
}

// mostListed is up to how many units a list is shorter to use than a field for a number.
const mostListed = 30

func viewLine(l *returndesk.SightLine, sent *pageForm, problems map[string]string) formLine {
	at := strconv.Itoa(l.Line)
	f := formLine{
		Line: l.Line, Title: titleOf(l), SKU: skuOf(l), QuantityProblem: problems["quantity-"+at], ReasonProblem: problems["reason-"+at],
	}
	switch {
	case l.Refused != nil:
		f.Until = refusalWords(l.Refused.Code, l.Refused.Until) + " If something is wrong with it, it can come back until " + day(l.FaultUntil) + "."
	case l.FaultUntil.After(l.Until):
		f.Until = "Can come back until " + day(l.Until) + "; if something is wrong with it, until " + day(l.FaultUntil) + "."
	default:
		f.Until = "Can come back until " + day(l.Until) + "."
	}
	f.Fees, f.Photo = feeWords(l), photoWords(l)
	f.Free, f.Quantity = l.Free, cmp.Or(sent.quantities[l.Line], "0")
	for n := range l.Free + 1 {
		if l.Free > mostListed {
			break
		}
		c := formChoice{Value: strconv.FormatInt(n, 10), Text: strconv.FormatInt(n, 10)}
		if n == 0 {
			c.Text = "none"
		}
		c.Chosen = c.Value == f.Quantity
		f.Quantities = append(f.Quantities, c)
	}
	for _, r := range returns.Reasons {
		if r.Fault() && l.FaultUntil.IsZero() || !r.Fault() && l.Refused != nil {
			continue
		}
		f.Reasons = append(f.Reasons, formChoice{string(r), reasonWords[r], string(r) == sent.reasons[l.Line]})
	}
	return f
}

func viewOutcomes(s *returndesk.Sight, chosen string) []formChoice {
	var list []formChoice
	for _, r := range returns.Resolutions {
		if !offered(s, r) {
			continue
		}
		c := formChoice{string(r), outcomeWords[r], string(r) == chosen}
		if r == returns.Refund && !slices.Contains(s.Outcomes, r) {
			c.Text += " (only if something is wrong with it)"
		}
		if r == returns.StoreCredit && s.CreditBonusBP > 0 {
			c.Text += ", and " + percent(s.CreditBonusBP) + " on top"
		}
		list = append(list, c)
	}
	if chosen == "" {
		list[0].Chosen = true
	}
	return list
}

// percent writes basis points.
func percent(bp int64) string {
	whole, part := strconv.FormatInt(bp/100, 10), strings.TrimRight(strconv.FormatInt(100+bp%100, 10)[1:], "0")
	if part != "" {
		whole += "." + part
	}
	return whole + "%"
}

// viewReturns shows where an order's returns stand, the newest first.
func viewReturns(who guest, s *returndesk.Sight, list []returndesk.Standing, known []orderview.Return) []returnCard {
	cards := make([]returnCard, 0, len(list))
	for i := range slices.Backward(list) {
		state := &list[i].State
		card := returnCard{RMA: state.RMA}
		for j := range state.Lines {
			l := &state.Lines[j]
			card.Goods += strings.Repeat(", ", min(j, 1)) + strconv.FormatInt(l.Quantity, 10) + " × " + lineTitle(s, l.Line)
		}
		card.Stage, card.Text, card.Done = stageWords(state)
		for j := range known {
			if label := known[j].Label; known[j].RMA == state.RMA && label != nil && !card.Done {
				card.Carrier, card.Tracking, card.LabelURL = strings.ToUpper(label.Carrier), label.Tracking, webAddress(label.URL)
			}
		}
		if list[i].ClosedAt.IsZero() && !state.Keep && !slices.Contains(state.Requests, pageCancel) && state.CanCancel(cancelOfPage) == nil {
			card.CancelAction = who.path + "/returns/" + state.RMA + "/cancel"
		}
		cards = append(cards, card)
	}
	return cards
}

// webAddress keeps an address that a customer may safely follow.
func webAddress(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return parsed.String()
}

// stageWords say where a return stands, and what follows. done: nothing more happens for the customer.
func stageWords(s *returns.State) (stage, text string, done bool) {
	gets := follows(s.Resolution)
	switch at := s.Stage(); {
	case at == returns.StageCancelled || s.Cancelled:
		return "Cancelled", "You keep the goods.", true
	case at == returns.StageExpired:
		return "Ended", "The goods were not handed in until " + day(s.SendBy) + ".", true
	case at == returns.StageClosed || at == returns.StageCredit:
		return "Done", paidWords(s), true
	case s.Keep:
		return "No need to send it back", "Keep the goods, or give them away: " + gets + " follows.", false
	case at == returns.StageAuthorising:
		return "Granted", "Hand the goods in until " + day(s.SendBy) + ". The label, if there is one, appears here and comes by e-mail.", false
	case at == returns.StageAwaiting:
		return "Waits for your parcel", "Write the number " + s.RMA + " on the parcel, or use the label, and hand it in until " + day(s.SendBy) + ".", false
	case at == returns.StageInTransit:
		return "On its way back", "When it has arrived and was looked at, " + gets + " follows.", false
	case at == returns.StageSettling:
		return "Arrived", strings.ToUpper(gets[:1]) + gets[1:] + " is on its way to you.", false
	}
	return "Arrived", "It is being looked at. After that " + gets + " follows.", false
}

// paidWords say what a return came to.
func paidWords(s *returns.State) string {
	sum := func(minor int64) string { return money.Money{Minor: minor, Currency: s.Currency}.String() }
	var said []string
	if s.Replacement != "" {
		replacement, err := order.ParseKey(s.Replacement)
		if err == nil {
			said = append(said, "Your replacement is order "+replacement.Order+".")
		}
	}
	if s.PaidMinor > 0 {
		said = append(said, sum(s.PaidMinor)+" went back the way you paid.")
	}
	if s.CreditedMinor > 0 {
		said = append(said, "You have a store credit of "+sum(s.CreditedMinor)+".")
	}
	if len(said) == 0 {
		return "This return has ended without a refund. Reply to our message if you see it differently."
	}
	return strings.Join(said, " ")
}
