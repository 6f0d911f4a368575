package notify

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"strings"
	text "text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed templates
var files embed.FS

var (
	textTemplate = text.Must(text.ParseFS(files, "templates/message.txt"))
	htmlTemplate = html.Must(html.ParseFS(files, "templates/message.html"))
)

// Rendered is a message's content.
type Rendered struct {
	Subject string // one line
	Text    string
	HTML    string
}

// view is what the templates see: every text is already one line.
type view struct {
	Subject                string
	Shop, Number, Greeting string
	Headline, Opening      string
	Closing                string
	ItemsTitle             string
	Items                  []Item
	Carrier, Tracking, URL string
	Label                  string
	Page, PageText         string
	Accent                 string
}

// words are a milestone's sentences. {number}, {amount} and {rma} are filled in.
type words struct {
	subject, headline, opening, closing, items, accent string
}

var wording = map[Milestone]words{
	Placed: {
		subject: "We have your order {number}", headline: "Thank you for your order",
		opening: "We have received your order {number} and are getting it ready. We will write again as soon as it is on its way.",
		closing: "Something not right? Reply to this message soon, while we can still change it.",
		items:   "Your order", accent: "#2f6f4f",
	},
	Backordered: {
		subject: "Part of your order {number} will take longer", headline: "We need a little more time",
		opening: "Some of what you ordered is out of stock just now. We have kept your place, and will send it as soon as it comes in.",
		closing: "If you would rather not wait, reply to this message and we will cancel it.",
		items:   "Waiting for stock", accent: "#9a6b15",
	},
	Delayed: {
		subject: "Your order {number} is running late", headline: "This is taking longer than it should",
		opening: "We are sorry: your order {number} is later than we told you. We are on to it.",
		closing: "There is nothing that you need to do. If you cannot wait, reply to this message.",
		items:   "What is late", accent: "#9a6b15",
	},
	Shipped: {
		subject: "Your order {number} is on its way", headline: "It is on its way",
		opening: "Your parcel for order {number} has been handed to the carrier.",
		items:   "In this parcel", accent: "#1f5f99",
	},
	OutForDelivery: {
		subject: "Your order {number} arrives today", headline: "Out for delivery",
		opening: "The carrier has your parcel for order {number} on the van and expects to deliver it today.",
		items:   "In this parcel", accent: "#1f5f99",
	},
	Delivered: {
		subject: "Your order {number} was delivered", headline: "It has arrived",
		opening: "The carrier tells us that your parcel for order {number} was delivered. We hope that you like it.",
		closing: "Cannot find it? Look with your neighbours or in a safe place first, then reply to this message.",
		items:   "In this parcel", accent: "#2f6f4f",
	},
	Lost: {
		subject: "A parcel of your order {number} is lost", headline: "We are sorry",
		opening: "The carrier has lost a parcel of your order {number}. It will not arrive.",
		closing: "You need do nothing: the price of what was in it goes back the way you paid.",
		items:   "In the lost parcel", accent: "#8a3b3b",
	},
	Cancelled: {
		subject: "Cancelled: order {number}", headline: "Cancelled",
		opening: "The articles below of order {number} are cancelled and will not be sent.",
		closing: "If you paid for them, the money goes back the way it came; we will write when it is sent.",
		items:   "Cancelled", accent: "#8a3b3b",
	},
	Refunded: {
		subject: "Your refund for order {number}", headline: "Your money is on its way back",
		opening: "We have sent back {amount} for order {number}, the way you paid. Banks take up to ten days to show it.",
		items:   "Refunded", accent: "#2f6f4f",
	},
	StoreCredited: {
		subject: "Your store credit for order {number}", headline: "Your credit is ready",
		opening: "For what you sent back of order {number} we have given you a store credit of {amount}. You can use it for your next order.",
		closing: "Cannot find it in your account? Reply to this message.",
		items:   "Credited", accent: "#2f6f4f",
	},
	Exchanged: {
		subject: "Your exchange {number}", headline: "The other goods are being prepared",
		opening: "Your exchange is order {number}. We are getting it ready, and will write again as soon as it is on its way.",
		closing: "There is nothing to pay. Something not right? Reply to this message soon, while we can still change it.",
		items:   "Your exchange", accent: "#2f6f4f",
	},
	ReturnAuthorised: {
		subject: "Your return {rma} for order {number}", headline: "How to send it back",
		opening: "You can send the articles below of order {number} back. Write the return number {rma} on the parcel, or use the label.",
		closing: "We write again when the parcel has arrived. Changed your mind? Reply to this message and keep the goods.",
		items:   "To send back", accent: "#1f5f99",
	},
	ReturnKeep: {
		subject: "Order {number}, return {rma}: keep the goods", headline: "No need to send it back",
		opening: "We are sorry about the articles below of order {number}. You need not send them back: keep them, or give them away.",
		closing: "Your return number is {rma}. The money goes back the way you paid; we will write when it is sent.",
		items:   "To keep", accent: "#2f6f4f",
	},
	ReturnReceived: {
		subject: "Your return {rma} for order {number} has arrived", headline: "Your parcel is back",
		opening: "Your return {rma} for order {number} has arrived and was looked at.",
		closing: "What goes back to you follows in a message of its own.",
		items:   "In this return", accent: "#2f6f4f",
	},
	ReturnExpired: {
		subject: "Your return {rma} for order {number} has expired", headline: "We did not get the parcel",
		opening: "The articles of return {rma} for order {number} were not handed in within the time, so the return has ended.",
		closing: "On its way after all? Then it counts when it arrives. If something is wrong, reply to this message.",
		items:   "Not sent back", accent: "#9a6b15",
	},
	ReturnNotPaid: {
		subject: "About your return {rma} for order {number}", headline: "We cannot refund this return",
		opening: "We have looked at return {rma} for order {number}, and cannot refund all of it.",
		closing: "Reply to this message if you see it differently: a person reads it.",
		items:   "In this return", accent: "#8a3b3b",
	},
}

// pageTexts invite to the order's return page, in the messages with which customers look for it.
var pageTexts = map[Milestone]string{
	Delivered: "Send something back", ReturnAuthorised: "See your return, or cancel it", ReturnKeep: "See your return",
	ReturnReceived: "See your return", ReturnExpired: "See your return, or ask for another", ReturnNotPaid: "See your return",
}

// Render writes the message. Errors are ErrInvalid.
func Render(n Notification) (Rendered, error) {
	if err := n.validate(); err != nil {
		return Rendered{}, err
	}
	v := n.view()
	var plain, rich bytes.Buffer
	if err := textTemplate.Execute(&plain, v); err != nil {
		return Rendered{}, fmt.Errorf("render text: %w", err)
	}
	if err := htmlTemplate.Execute(&rich, v); err != nil {
		return Rendered{}, fmt.Errorf("render HTML: %w", err)
	}
	return Rendered{Subject: v.Subject, Text: plain.String(), HTML: rich.String()}, nil
}

func (n Notification) view() view {
	w := wording[n.Milestone]
	number := oneLine(n.Number)
	if number == "" {
		number = n.Order.Order
	}
	fill := strings.NewReplacer("{number}", number, "{amount}", oneLine(n.Amount), "{rma}", oneLine(n.RMA))
	opening := fill.Replace(w.opening)
	if !n.ExpectedOn.IsZero() {
		switch n.Milestone {
		case Backordered:
			opening += " That should be on " + day(n.ExpectedOn) + "."
		case Delayed:
			opening += " We now expect it on " + day(n.ExpectedOn) + "."
		case ReturnAuthorised:
			opening += " Please hand it in until " + day(n.ExpectedOn) + "."
		}
	}
	v := view{
		Subject: fill.Replace(w.subject),
		Shop:    oneLine(n.Shop), Number: number, Greeting: "Hello,",
		Headline: w.headline, Opening: opening, Closing: fill.Replace(w.closing), ItemsTitle: w.items, Accent: w.accent,
		Carrier: oneLine(n.Carrier), Tracking: oneLine(n.Tracking), URL: link(n.TrackingURL), Label: link(n.LabelURL),
	}
	if v.PageText = pageTexts[n.Milestone]; v.PageText != "" {
		v.Page = link(n.ReturnPage)
	}
	if v.Shop == "" {
		v.Shop = n.Order.Storefront
	}
	if name := oneLine(n.Customer); name != "" {
		v.Greeting = "Hello " + name + ","
	}
	for _, item := range n.Items {
		v.Items = append(v.Items, Item{Title: oneLine(item.Title), Quantity: item.Quantity})
	}
	return v
}

func day(t time.Time) string { return t.Format("Monday, 2 January 2006") }

// oneLine makes foreign text safe for a header and for a line of plain text.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		default:
			return r
		}
	}, s)
	const limit = 200
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "…"
	}
	return s
}
