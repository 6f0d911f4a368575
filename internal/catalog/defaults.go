package catalog

import (
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// The defaults of everything that a file may leave out. They are the cautious reading of a
// silent contract: no promise that was not made, no loss taken without asking. What has no
// default here is required.

func defaultContract() Contract {
	return Contract{
		SLA: SLA{Reminders: []sla.Reminder{mustReminder("75%")}},
		Cancel: Cancel{
			Confirmation: ConfirmationNone,
			OnSilence:    SilenceHold,
		},
		Returns: Returns{
			PaysShipping: PayerStorefront,
			CreditWithin: sla.MustTerm("30d"),
			Labels:       ReturnLabels{By: LabelSupplier},
		},
		Split: Split{Orders: true, Lines: true},
		// One order in twenty late and one in fifty rejected: an unknown supplier is neither
		// trusted blindly nor shut out.
		Risk:         Risk{LateBP: 500, RejectBP: 200},
		Substitution: SubstitutionAsk,
		Claims:       defaultChasing(),
	}
}

func defaultPolicy() Policy {
	return Policy{
		Capture:             CaptureOrder,
		Backorder:           Backorder{Action: BackorderWait},
		ReviewEscalateAfter: sla.MustTerm("4h"),
		ReviewCancelAfter:   sla.MustTerm("72h"),
		DelayedAfter:        sla.MustTerm("72h"),
		LostAfter:           sla.MustTerm("10d"),
		ShipLateness:        ShipLateness{Grace: sla.MustTerm("24h"), Action: LateReroute},
		RefundShipping:      RefundShippingNoneDelivered,
		Returns: ReturnPolicy{
			WindowDays: 30, PaysShipping: PayerStorefront, SendWithin: sla.MustTerm("14d"), InspectWithin: sla.MustTerm("3d"),
		},
	}
}

// defaultBackorderWait bounds a wait for stock that the policy does not bound.
var defaultBackorderWait = sla.MustTerm("10d")

func defaultCarrier() Carrier {
	return Carrier{PollEvery: sla.MustTerm("2h"), Claims: defaultCarrierClaims()}
}

// noAmounts is nothing in every currency.
func noAmounts(currencies []string) (amounts []money.Money) {
	for _, currency := range currencies {
		amounts = append(amounts, money.Money{Currency: currency})
	}
	return amounts
}

func mustReminder(text string) sla.Reminder {
	reminder, err := sla.ParseReminder(text)
	if err != nil {
		panic(err)
	}
	return reminder
}
