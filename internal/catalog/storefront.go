package catalog

import (
	"slices"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

func readStorefront(s *section) Storefront {
	s.need("id", "name", "platform", "currencies", "secret_env", "webhook_secret_env", "sender")
	shop := Storefront{Policy: defaultPolicy()}
	scan(s, "id", parseID, &shop.ID)
	scan(s, "name", parseName, &shop.Name)
	scan(s, "platform", oneOf(PlatformGeneric, PlatformShopify), &shop.Platform)
	scanEach(s, "currencies", parseCurrency, &shop.Currencies)
	scan(s, "url", parseURL, &shop.URL)
	scan(s, "refund_url", parseURL, &shop.RefundURL)
	scan(s, "secret_env", parseEnv, &shop.SecretEnv)
	scan(s, "webhook_secret_env", parseEnv, &shop.WebhookSecretEnv)
	scan(s, "sender", parseEmail, &shop.Sender)
	switch shop.Platform {
	case PlatformGeneric:
		s.need("refund_url")
	case PlatformShopify:
		s.need("url")
	}
	if v, ok := s.take("payments"); ok {
		shop.Payments = readPayments(v.section())
	}
	policy := s.sub("policy")
	readPolicy(policy, &shop.Policy, shop.Currencies)
	if shop.Policy.Capture == CaptureShipment && !s.has("payments") {
		policy.at("capture").problem("shipment needs payments: without a provider of its own we cannot capture what the customer pays")
	}
	if slices.Contains(shop.Policy.Returns.Outcomes, OutcomeStoreCredit) && shop.RefundURL == "" {
		s.problem("its policy offers store_credit, which is given through refund_url: name one, or do not offer it")
	}
	s.done()
	return shop
}

func readPolicy(s *section, p *Policy, currencies []string) {
	scan(s, "capture", oneOf(CaptureOrder, CaptureShipment), &p.Capture)
	readBackorder(s.sub("backorder"), &p.Backorder)
	readReview(s.sub("review"), &p.Review, currencies)
	scanInOrder(s, "review_escalate_after", &p.ReviewEscalateAfter, "review_cancel_after", &p.ReviewCancelAfter)
	scanInOrder(s, "delayed_after", &p.DelayedAfter, "lost_after", &p.LostAfter)

	late := s.sub("ship_lateness")
	scan(late, "grace", parseElapsed, &p.ShipLateness.Grace)
	scan(late, "action", oneOf(LateReroute, LateHold), &p.ShipLateness.Action)
	late.done()

	scan(s, "refund_shipping", oneOf(RefundShippingNoneDelivered, RefundShippingProportional), &p.RefundShipping)
	duplicate := s.sub("duplicate_shipment")
	p.DuplicateShipment.AbsorbUpTo = noAmounts(currencies)
	readAmounts(duplicate, "absorb_up_to", currencies, &p.DuplicateShipment.AbsorbUpTo)
	duplicate.done()
	readReturns(s.sub("returns"), &p.Returns, currencies)
	s.done()
}

func readReturns(s *section, r *ReturnPolicy, currencies []string) {
	scanEach(s, "outcomes", oneOf(OutcomeRefund, OutcomeExchange, OutcomeStoreCredit), &r.Outcomes)
	scan(s, "exchange_at", oneOf(ExchangeAtScan, ExchangeAtInspection), &r.ExchangeAt)
	readAmounts(s, "exchange_waive_up_to", currencies, &r.ExchangeWaiveUpTo)
	scan(s, "credit_bonus_bp", basisPoints, &r.CreditBonusBP)
	scan(s, "window_days", whole(0, mostDays), &r.WindowDays)
	scan(s, "fault_days", whole(0, mostDays), &r.FaultDays)
	scanEach(s, "final_sale", parseName, &r.FinalSale)
	r.Categories = readCategories(s, readCategoryPolicy)
	scan(s, "restocking_bp", basisPoints, &r.RestockingBP)
	scan(s, "opened_bp", basisPoints, &r.OpenedBP)
	scan(s, "pays_shipping", oneOf(PayerStorefront, PayerCustomer), &r.PaysShipping)
	readAmounts(s, "return_shipping", currencies, &r.ReturnShipping)
	readAmounts(s, "instant_up_to", currencies, &r.InstantUpTo)
	readAmounts(s, "keep_up_to", currencies, &r.KeepUpTo)
	readAmounts(s, "lost_up_to", currencies, &r.LostUpTo)
	scan(s, "photos_for_fault", parseBool, &r.PhotosForFault)
	scan(s, "send_within", parseElapsed, &r.SendWithin)
	scan(s, "inspect_within", parseElapsed, &r.InspectWithin)
	if r.PaysShipping != PayerCustomer && len(r.ReturnShipping) > 0 {
		s.at("return_shipping").problem("is one too many: it needs pays_shipping: customer")
	}
	s.done()
}

// scanInOrder reads two terms of which the first must run out before the second.
func scanInOrder(s *section, firstKey string, first *sla.Term, secondKey string, second *sla.Term) {
	before := len(s.r.problems)
	scan(s, firstKey, parseElapsed, first)
	scan(s, secondKey, parseElapsed, second)
	if len(s.r.problems) == before && first.Elapsed() >= second.Elapsed() {
		s.at(secondKey).problem("%s is not after %s %s", second, firstKey, first)
	}
}

func readBackorder(s *section, b *Backorder) {
	scan(s, "action", oneOf(BackorderWait, BackorderMove, BackorderCancel), &b.Action)
	if b.Action == BackorderWait {
		b.WaitAtMost = defaultBackorderWait
	}
	scan(s, "wait_at_most", parseElapsed, &b.WaitAtMost)
	if b.Action != BackorderWait && s.has("wait_at_most") {
		s.at("wait_at_most").problem("is one too many: it needs action: wait")
	}
	s.done()
}

func readReview(s *section, r *Review, currencies []string) {
	readAmounts(s, "max_order_value", currencies, &r.MaxOrderValue)
	if v, ok := s.take("velocity"); ok {
		velocity := v.section()
		velocity.need("orders", "per")
		scan(velocity, "orders", whole(1, mostItems), &r.Velocity.Orders)
		scan(velocity, "per", parseElapsed, &r.Velocity.Per)
		velocity.done()
	}
	scanEach(s, "countries_blocked", parseCountry, &r.CountriesBlocked)
	scan(s, "hold_po_boxes", parseBool, &r.HoldPOBoxes)
	s.done()
}

// readAmounts reads one amount for every currency: a mapping by currency or, for a storefront
// with a single currency, just the amount.
func readAmounts(s *section, key string, currencies []string, into *[]money.Money) {
	v, ok := s.take(key)
	if !ok || len(currencies) == 0 {
		return
	}
	if len(v.node.Content) == 0 {
		var amount money.Money
		if len(currencies) > 1 {
			v.problem("want an amount for each currency, such as {%s: \"500.00\"}", currencies[0])
		} else if scanValue(v, amountIn(currencies[0]), &amount) {
			*into = []money.Money{amount}
		}
		return
	}
	each := v.section()
	each.need(slices.Compact(slices.Clone(currencies))...)
	var amounts []money.Money
	for _, currency := range currencies {
		var amount money.Money
		if scan(each, currency, amountIn(currency), &amount); amount.Currency != "" {
			amounts = append(amounts, amount)
		}
	}
	each.done()
	*into = amounts
}

func readCarrier(s *section) Carrier {
	s.need("id", "kind", "url", "secret_env", "webhook_secret_env")
	carrier := defaultCarrier()
	scan(s, "id", parseID, &carrier.ID)
	scan(s, "kind", oneOf(CarrierEasyPost), &carrier.Kind)
	scan(s, "url", parseURL, &carrier.URL)
	scan(s, "secret_env", parseEnv, &carrier.SecretEnv)
	scan(s, "webhook_secret_env", parseEnv, &carrier.WebhookSecretEnv)
	scan(s, "poll_every", parseElapsed, &carrier.PollEvery)
	readCarrierClaims(s.sub("claims"), &carrier.Claims)
	if v, ok := s.take("aliases"); ok {
		for _, item := range v.items("code") {
			alias := readAlias(item.section())
			for _, name := range append([]string{alias.Code}, alias.Names...) {
				if code, known := carrier.CodeOf(name); known {
					item.problem("%q is already a name of %s", name, code)
				}
			}
			carrier.Aliases = append(carrier.Aliases, alias)
		}
	}
	s.done()
	return carrier
}

func readAlias(s *section) (a Alias) {
	s.need("code", "names")
	scan(s, "code", parseName, &a.Code)
	scanEach(s, "names", parseName, &a.Names)
	s.done()
	return a
}
