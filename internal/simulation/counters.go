package simulation

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// sometimes is what a run must have shown, and how often in ten thousand lives: a fault that
// never happened has not been survived. It is about a fifth of what is seen, so that luck is no failure.
var sometimes = map[string]int{
	// the process
	"worker died: before a statement": 200, "worker died: after a statement": 200, "worker died: after its work": 100,
	"worker died: died before the call": 50, "worker died: died after the call": 50, "attempt frozen": 80, "stale attempt finished": 30,
	"processor died": 60, "deliverer died": 100, "courier died": 500, "gateway died": 100, "poll died": 10, "continued as new": 30,
	"workflow ended from outside": 20, "revived": 20, "order opened again": 50, "step ran out of time": 100,
	// the database and the engine
	"database away": 1000, "cut before a statement": 600, "cut after a statement": 500, "engine away": 30, "engine's answer lost": 30,
	// the network
	"connection refused": 50, "partner's answer lost": 50, "partner away": 50, "partner busy": 50, "error in disguise": 30,
	"answer garbled": 30, "call arrives late": 20, "froze before the call": 20, "froze after the call": 20, "mail's answer lost": 50,
	"webhook repeated": 500, "webhook turned away": 20, "push lost": 50, "old scans told again": 10, "garbage": 500, "forged signature": 50,
	"order placed again": 1000, "order turned away": 50, "another order under one id": 500,
	// suppliers
	"send refused": 50, "number taken": 10, "purchase order arrived twice": 10, "late send refused by the fence": 10, "fence before arrival": 20,
	"acknowledged in the same breath": 200, "look-up found it": 200, "look-up found an answer": 50, "answer promised": 200, "promise kept": 200,
	"thought better of a refusal": 2, "confirmed and shipped all the same": 50, "cancellation asked again": 50, "supplier cancelled": 50,
	"claimed again": 20, "label printed anew": 20, "shipped what nobody asked for": 40, "invoice": 500, "invoice told twice": 100,
	"billed too much": 100, "supplier reminded": 200,
	// people and money
	"cancel of the whole": 300, "cancel of a part": 200, "cancel refused": 200, "cancel repeated": 30, "cancel stored": 10,
	"answer came too late": 10, "address changed": 10, "address refused": 100, "review approve": 20, "review reject": 20, "review amend": 20,
	"withdrawal resolved by a person": 16, "case resolved by a person": 20, "workflow cancelled by hand": 50, "cancel signal by hand": 30,
	"unreadable signal": 50, "not paid": 30, "paid in part": 30, "paid later": 20, "paid too much": 5, "refund": 1000, "storefront asked again": 100,
	// what became of the orders
	"stage settled": 500, "stage cancelled": 500, "parcel delivered": 500, "parcel lost": 100, "parcel returning": 50,
	"withdrawal confirmed": 200, "withdrawal refused": 100, "withdrawal silent": 20, "several purchase orders": 500,
	"case duplicate_shipment": 50, "case over_shipment": 30, "case intercepted": 30, "case absorbed_as_loss": 10, "case deciding": 30,
	"late ack after loss": 30, "cancel overtaken by a scan": 30, "resent after absent": 20, "gave up after absent": 25,
	"silence taken as cancelled": 10, "backorder wait": 20, "no offer": 20, "price outside": 30, "price inside": 20, "older ack": 20,
	"ship clock missed": 50, "ack clock missed": 100, "review timeout": 20, "poll found news": 10,
	// every activity, every kind of fact and of message
	"activity ValidateOrder": 8000, "activity RouteOrder": 8000, "activity DispatchPurchaseOrder": 5000, "activity LookUpPurchaseOrder": 50,
	"activity CancelPurchaseOrder": 1000, "activity InterceptParcel": 20, "activity RefundCustomer": 3000, "activity RecordProgress": 5000,
	"activity SettleOrder": 8000, "activity LoadOrder": 50, "activity ChangeAddress": 50, "activity ReadFacts": 10, "activity PollCarrier": 1000,
	"fact acknowledgment": 1000, "fact ship_notice": 1000, "fact cancel_answer": 100, "fact cancel_request": 10, "fact customer_payment": 20, "fact parcel_in_transit": 500,
	"fact parcel_delivered": 400, "fact parcel_lost": 50, "fact parcel_returning": 50, "fact parcel_exception": 8,
	"told customer_mail placed": 8000, "told customer_mail shipped": 200, "told customer_mail delivered": 200, "told customer_mail cancelled": 1000,
	"told customer_mail refunded": 1000, "told customer_mail lost": 50, "told customer_mail backordered": 10, "told customer_mail delayed": 20,
	"told customer_mail out_for_delivery": 8, "told storefront fulfilled": 400, "told storefront cancelled": 1000,
	"told supplier_mail supplier_reminder": 50,
	// goods that come back; counted in what a run of six hundred lives has shown
	"return asked": 1000, "return asked again": 15, "another return under one id, refused": 20, "return opened again": 100, "return to be kept": 60,
	"return announced: accepted": 400, "return announced: pending": 80, "return announced: rejected": 80, "return announced again": 80,
	"return's promise kept": 80, "return answered otherwise": 10, "return sent": 600, "return never sent": 60, "empty box sent back": 50,
	"too much sent back": 50, "something else sent back": 50, "too little sent back": 80, "return cancelled": 60, "cancel of a return stored": 8,
	"cancel of a return refused": 50, "return's workflow cancelled by hand": 5, "unreadable signal to a return": 10,
	"found as_new": 300, "found opened": 80, "found damaged": 80, "found wrong_item": 80, "found missing": 80, "found not_ours": 80, "found nothing": 20,
	"inspection told twice": 12, "credit memo": 400, "credit memo told twice": 10, "credit never given": 60, "return paid in full": 200,
	"decided: pay_share": 200, "decided: refund_without_goods": 10, "decided: refuse": 10, "decided: record_findings": 20, "decided: write_off": 60,
	"decided: noted": 50, "decision about a return refused": 60,
	"return refused: quantity": 100, "return refused: unknown_line": 10, "return refused: already_requested": 40, "return refused: window_closed": 20,
	"return refused: final_sale": 20, "return refused: photos_needed": 60, "return refused: already_returning": 70,
	"return stage closed": 600, "return stage cancelled": 60, "return stage expired": 60,
	"return scan delivered": 20, "return scan in_transit/lost": 8,
	"return fact inspection": 600, "return fact credit_memo": 400, "return fact parcel_delivered": 200, "return fact parcel_lost": 40,
	"return fact parcel_in_transit": 100, "return fact supplier_accepted": 60, "return fact supplier_refused": 20, "return fact cancel_request": 8,
	"activity AuthoriseReturn": 700, "activity PayReturn": 500, "activity RecordReturn": 2000, "activity CloseReturn": 700, "activity LoadReturn": 100,
	"activity ReadReturnFacts":             5,
	"told customer_mail return_authorised": 500, "told customer_mail return_keep": 60, "told customer_mail return_received": 500,
	// money at a provider, claims and store credit, which a part of the lives has; counted in a run of 1,200
	"activity LookUpPayment": 160, "activity CapturePayment": 250, "activity VoidPayment": 70, "activity RefundAgain": 30, "activity LookUpRefund": 90,
	"activity SendEvidence": 40, "activity RecordPayment": 900, "activity ClosePayment": 450, "activity LoadPayment": 100, "activity ReadPaymentFacts": 5,
	"activity LoadClaim": 500, "activity PursueClaim": 2500, "activity SettleClaim": 400,
	"sold at a provider: authorized": 200, "sold at a provider: paid": 100, "captured": 140, "captured in part": 40, "capture declined": 40,
	"captured by hand": 5, "captured by hand, too little": 5, "authorisation let go": 50, "authorisation let go by hand": 5, "authorisation expired": 4,
	"chargeback opened": 40, "chargeback won": 15, "chargeback lost": 15, "chargeback answered": 30,
	"refund at the provider: pending": 150, "refund at the provider: succeeded": 250, "refund settled: failed": 15, "refund settled: succeeded": 150,
	"refund settled without a word": 50, "refund came back after it was done": 5, "refund refused: disputed": 5, "refund refused": 5,
	"provider asked again": 25, "provider failed, and did it": 4, "provider failed, and did not": 3,
	"refund ended: done": 150, "refund ended: elsewhere": 30, "refund ended: set_off": 12,
	"refund's way: provider": 400, "refund's way: released": 150, "refund's way: held": 50, "refund's way: forgiven": 3,
	"payment ended: captured": 250, "payment ended: voided": 40, "payment ended: written_off": 5, "payment ended: elsewhere": 20,
	"payment opened again": 80, "payment revived": 3, "unreadable signal to a payment": 5, "unreadable signal to a claim": 6,
	"decided about a capture: paid_elsewhere": 6, "decided about a capture: write_off": 5,
	"decided about a refund: paid_elsewhere": 25, "decided about a refund: retry": 20,
	"claim answered: accepted": 30, "claim answered: rejected": 80, "claim credited": 150, "claim's credit told twice": 5, "claim never paid": 60,
	"claim settled: credited": 80, "claim settled: paid": 80, "claim settled: conceded": 80, "claim settled: written_off": 80,
	"letter: claim_asked": 300, "letter: claim_chased": 500, "told supplier_mail claim_asked": 300, "told supplier_mail claim_chased": 500,
	"store credit": 40, "told customer_mail store_credited": 40,
	// exchanges; counted in what some hundred lives of the storefronts that have them have shown
	"exchange order placed": 80, "told customer_mail exchanged": 60, "exchange for as much": 25, "exchange for dearer goods": 20,
	"exchange for dearer goods, waived": 6, "exchange with a rest in money": 25, "replacement of goods that are kept": 5,
	"exchange given up": 15, "exchange given up, what was paid in addition returned": 10, "exchange paid for in money": 25,
	"exchange order came whole": 20, "exchange order came in part": 8, "exchange order came to nothing": 40, "goods of an exchange sold out": 15,
	"paid in addition": 50, "paid in addition, and refused": 12, "return refused: payment_missing": 40, "return refused: unknown_sku": 5,
	"told customer_mail return_expired": 60, "told customer_mail return_not_paid": 60, "told supplier_mail credit_reminder": 60,
	// what suppliers bill and are paid; counted in a run of three hundred
	"billed freight": 15, "billed too many": 30, "billed more than its lines": 30, "billed twice": 60, "invoice corrected": 60, "invoice credited": 60,
	"payment to a supplier booked": 2000, "payment to a supplier refused": 150, "payment to a supplier not answered": 40,
	"payment to a supplier repeated": 100, "payment to a supplier reversed": 150, "another payment of one reference": 40,
	"payment by an old list": 200, "payment by the paper": 60, "reversal refused": 25, "credit set off": 500, "supplier paid back": 20,
	"supplier's account is square": 1200, "supplier is owed something at the end": 300, "supplier owes a credit at the end": 12,
	// refunds that a shop does not make
	"refund refused for good by the shop": 60, "refund paid elsewhere": 60, "fact refund_paid": 40,
	// labels that are bought, and claims on the carrier, which two ninths of the lives have; counted in a run of 1,200
	"label bought": 120, "bought label used": 60, "no label sold": 10, "return opened at the carrier again": 11, "trouble at the seller of labels": 100,
	"label given back: submitted": 13, "label given back: refunded": 15, "label given back: rejected": 18,
	"label's give-back decided: refunded": 6, "label's give-back decided: rejected": 6, "label ended: a cost": 35, "label ended: given back": 20,
	"carrier pays a claim": 85, "carrier pays no more": 55, "carrier's payment sent back": 15, "carrier's claim settled: paid": 68,
	"carrier's claim settled: conceded": 38, "carrier's claim settled: written_off": 26, "carrier's claim settled: repaid": 16,
	"carrier's claim settled: kept": 3, "carrier's claim ended: lost": 65, "carrier's claim ended: found": 55, "carrier's claim ended: damage": 8,
	"damage claimed to the cent": 6, "lost parcel found": 50, "lost return found": 10,
	"told carrier_mail claim_asked": 130, "told carrier_mail claim_chased": 165, "told carrier_mail claim_withdrawn": 21,
	// papers by other ways, strangers and the return page, in two of seven lives; counted in 169 of those
	"invoice by mail": 320, "return page seen": 290, "invoice by file": 270, "invoice by a second way": 220, "invoice by clerk": 180,
	"form not understood": 110, "return on the page refused": 90, "file for a return that was never granted": 80, "mail without a document": 80,
	"file for a purchase order that was never made": 80, "form turned away": 80, "return on the page granted": 70,
	"stranger's mail: unknown_sender": 70, "stranger's mail: not_authentic": 60, "another supplier's invoice": 60, "acknowledged by mail": 50,
	"picture of a paper set aside": 50, "form sent again": 50, "credit memo by clerk": 40, "papers sent anew with another": 40, "file cut in a row": 40,
	"form left open": 40, "mail of something else": 40, "file refused to a clerk": 40, "credit memo by a second way": 30,
	"mail without a signature": 30, "file without a header": 30, "file in another alphabet": 30, "form sent twice": 30, "credit memo by mail": 30,
	"old form sent": 20, "credit memo by file": 20, "expired link refused": 20, "form changed and sent again, refused": 20, "mail cut off": 20,
	"mail forged": 16, "cancel on the page refused": 13, "another order's link refused": 13, "form that nobody sent not found": 13,
}

// widely is the same for what only markets show in which more is agreed, in ten thousand lives of such.
var widely = map[string]int{
	"bought abroad": 2000, "rate kept over a new one": 40, "order names a category": 900,
	"return of a category with terms of its own": 400, "return paid by the policy alone": 30,
	"return refused for its category: final_sale": 100, "return refused for its category: window_closed": 20,
	"billed before a tier": 800, "volume discount given: as an allowance": 180, "volume discount given: by half": 180,
	"volume discount given: in the prices": 200, "volume discount given: in the total": 200, "volume discount given: not at all": 180,
	"volume discount disputed": 300, "volume discount claimed": 80, "volume discount claimed for several orders": 80,
	"higher tier reached": 60, "what rounding left over was claimed": 20,
}

// wanted is how often something must have happened in so many lives, of which so many in wide markets. What may well
// not happen in a run is not asked of it: of 2,000 lives, what comes fewer than five times in them.
func wanted(what string, lives, wide int) int {
	return sometimes[what]*lives/10_000 + widely[what]*wide/10_000
}

// declared are all that a run of some size must show.
func declared() map[string]int {
	all := maps.Clone(sometimes)
	maps.Copy(all, widely)
	return all
}

// Missing lists what did not happen as often as it must in a run of that size.
func (r *Report) Missing() []string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(declared())) {
		if r.Seen[what] < wanted(what, r.Lives, r.Wide) {
			list = append(list, what)
		}
	}
	return list
}

// WriteCounters writes how often everything happened, and how often it must have.
func (r *Report) WriteCounters(out io.Writer) {
	all := maps.Clone(r.Seen)
	for what := range declared() {
		if _, seen := all[what]; !seen {
			all[what] = 0
		}
	}
	_, _ = fmt.Fprintf(out, "%-44s %9s %9s\n", "happened", "times", "at least")
	for _, what := range slices.Sorted(maps.Keys(all)) {
		mark := ""
		if all[what] < wanted(what, r.Lives, r.Wide) {
			mark = "  missing"
		}
		_, _ = fmt.Fprintf(out, "%-44s %9d %9d%s\n", what, all[what], wanted(what, r.Lives, r.Wide), mark)
	}
}
