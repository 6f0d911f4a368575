package demo

import (
	"context"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// allStories are told side by side, in the order of this list.
func allStories() []*story {
	return slices.Concat(supplierStories(), lateStories(), customerStories(), returnStories(), claimStories(), paymentStories())
}

// A parcel's way as its customer hears of it. What is overtaken is not told: a customer whose parcel
// was delivered does not hear that it is on its way.
const parcelMails = " shipped? out_for_delivery? delivered"

func soon(d time.Duration) suppliersim.Duration { return suppliersim.Duration(d) }

// supplierStories are about suppliers that answer, and how.
func supplierStories() []*story {
	smooth := storyOf("shop", "smooth", "Everything goes well").buys("MUG-BLUE", "Blue mug", 2, 1400)
	smooth.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 2}}, mails: "placed" + parcelMails,
		orders: []bought{{supplier: "acme", live: 2, sent: 2}},
	}

	split := storyOf("shop", "two-suppliers", "Three lines, two suppliers").
		buys("TEA-EARL", "Earl Grey, loose", 2, 1250).buys("LAMP-OAK", "Oak lamp", 1, 7900).buys("RUG-WOOL", "Wool rug", 1, 14900)
	split.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 2}, {delivered: 1}, {delivered: 1}},
		mails:  "placed shipped*2? out_for_delivery*2? delivered*2",
		orders: []bought{{supplier: "acme", live: 3, sent: 3}, {supplier: "borealis", live: 1, sent: 1}},
	}

	rejected := storyOf("shop", "rejected", "Rejected, bought elsewhere").buys("CHAIR-ASH", "Ash chair", 1, 14900).
		with("plover", "CHAIR-ASH", suppliersim.Manner{Ack: suppliersim.AckManner{Content: suppliersim.ContentReject, Reason: "discontinued"}})
	rejected.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 1}}, mails: "placed" + parcelMails,
		orders: []bought{{supplier: "plover"}, {supplier: "kogane", live: 1, sent: 1}},
	}

	part := storyOf("corner", "part-accepted", "Part accepted, the rest backordered and moved").buys("CUP-SET", "Cup set", 3, 4900).
		with("plover", "CUP-SET", suppliersim.Manner{Ack: suppliersim.AckManner{
			Content: suppliersim.ContentPart, AcceptUnits: 2, Rest: suppliersim.RestBackorder,
		}})
	part.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 3}}, mails: "placed shipped*2? out_for_delivery*2? delivered*2",
		orders: []bought{{supplier: "plover", live: 2, sent: 2, gaveBack: 1, asked: 1}, {supplier: "kogane", live: 1, sent: 1}},
	}

	waits := storyOf("shop", "backordered", "Part backordered, and worth the wait").buys("PRINT-A2", "Print, A2", 2, 3900).
		with("plover", "PRINT-A2", suppliersim.Manner{Ack: suppliersim.AckManner{
			Content: suppliersim.ContentPart, AcceptUnits: 1, Rest: suppliersim.RestBackorder,
			// A customer is told of a backorder that is still one: it outlives the absence of a worker.
			FulfilBackorderAfter: soon(14 * time.Second),
		}})
	waits.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 2}},
		mails:  "placed backordered shipped*2? out_for_delivery*2? delivered*2",
		orders: []bought{{supplier: "plover", live: 2, sent: 2}},
	}

	moved := storyOf("corner", "backorder-moved", "Backordered: this storefront does not wait").
		buys("PLATE-SET", "Plate set", 2, 4900).
		with("plover", "PLATE-SET", suppliersim.Manner{Ack: suppliersim.AckManner{Content: suppliersim.ContentPart}})
	moved.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 2}}, mails: "placed" + parcelMails,
		orders: []bought{{supplier: "plover", cancelled: true, asked: 1}, {supplier: "kogane", live: 2, sent: 2}},
	}

	idle := storyOf("corner", "never-ships", "Accepted and never shipped").buys("RADIO-WOOD", "Wooden radio", 1, 13900).
		with("swift", "RADIO-WOOD", suppliersim.Manner{Ship: suppliersim.ShipManner{Never: true}})
	idle.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 1}}, breached: true, mails: "placed" + parcelMails,
		orders: []bought{{supplier: "swift", cancelled: true, asked: 1}, {supplier: "kogane", live: 1, sent: 1}},
		claims: []string{"sla_penalty"},
	}

	dearer := storyOf("corner", "price-change", "A price outside the contract").buys("PEN-GOLD", "Gold pen", 1, 12900).
		with("plover", "PEN-GOLD", suppliersim.Manner{
			Ack: suppliersim.AckManner{Content: suppliersim.ContentReprice, RepriceBP: 2500}, Ship: suppliersim.ShipManner{Delay: soon(time.Hour)},
		})
	dearer.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 1}}, mails: "placed" + parcelMails,
		orders: []bought{{supplier: "plover", cancelled: true, asked: 1}, {supplier: "kogane", live: 1, sent: 1}},
	}

	none := storyOf("corner", "no-stock", "Nobody has it").buys("GLOBE-1920", "Globe of 1920", 1, 19900)
	none.want = ending{
		stage: order.StageCancelled, lines: []fate{{cancelled: 1}}, refunded: none.total(), mails: "placed cancelled refunded",
	}

	lost := storyOf("nimbus", "lost-parcel", "A parcel that is never seen again").buys("HEADSET-PRO", "Headset", 1, 12900).
		with("acme", "HEADSET-PRO", suppliersim.Manner{Ship: suppliersim.ShipManner{Parcel: vanishes}})
	lost.want = ending{
		stage: order.StageSettled, lines: []fate{{lost: 1}}, refunded: lost.total(), mails: "placed shipped delayed? lost refunded",
		orders: []bought{{supplier: "acme", live: 1, sent: 1}}, claims: []string{"lost_parcel"},
	}
	return []*story{smooth, split, rejected, part, waits, moved, idle, dearer, none, lost}
}

// lateStories are about answers that are late, lost, or not meant.
func lateStories() []*story {
	never := suppliersim.AckManner{When: suppliersim.AckNever}
	failedOver := func(name, title, sku, article string, price int64, m suppliersim.Manner, asked int, sent int64) *story {
		s := storyOf("shop", name, title).buys(sku, article, 1, price).with("swift", sku, m)
		s.want = ending{
			stage: order.StageSettled, lines: []fate{{delivered: 1}}, breached: true, mails: "placed" + parcelMails, reminders: 1,
			orders: []bought{{supplier: "swift", cancelled: true, asked: asked, sent: sent}, {supplier: "kogane", live: 1, sent: 1}},
			claims: []string{"sla_penalty"},
		}
		return s
	}
	silent := failedOver("silent-supplier", "Silence: reminder, breach, fence, failover", "CLOCK-BRASS", "Brass clock", 11900,
		suppliersim.Manner{Ack: never, Cancel: suppliersim.CancelManner{Mode: suppliersim.CancelPending, Delay: soon(time.Second)}}, 1, 0)

	late := failedOver("late-ack", "Accepted after it had lost the order", "VASE-GLASS", "Glass vase", 9900,
		suppliersim.Manner{
			Ack:  suppliersim.AckManner{LateAfterCancel: true, Delay: soon(1500 * time.Millisecond)},
			Ship: suppliersim.ShipManner{Never: true},
		}, 2, 0)

	intercepted := failedOver("ships-anyway", "Cancelled, shipped anyway, stopped on the way", "KETTLE-STEEL", "Steel kettle", 9900,
		suppliersim.Manner{
			Ack:  never,
			Ship: suppliersim.ShipManner{AfterCancel: true, Delay: soon(1500 * time.Millisecond), Parcel: carriersim.ReturnsToSender},
		}, 1, 1)
	intercepted.want.cases = []order.CaseStatus{order.CaseIntercepted}

	absorbed := failedOver("shipped-twice", "Cancelled, shipped anyway, long after all was settled", "TOWEL-SET", "Towel set", 7900,
		suppliersim.Manner{
			Ack: never, Ship: suppliersim.ShipManner{AfterCancel: true, Delay: soon(14 * time.Second)},
			Intercept: suppliersim.CancelManner{Mode: suppliersim.CancelReject, Reason: "already_delivered"},
		}, 1, 1)
	absorbed.want.cases = []order.CaseStatus{order.CaseAbsorbed}

	decided := failedOver("person-decides", "Shipped anyway, too dear to absorb: a person decides", "MIRROR-XL", "Large mirror", 24900,
		suppliersim.Manner{
			Ack: never, Ship: suppliersim.ShipManner{AfterCancel: true, Delay: soon(2 * time.Second), Parcel: carriersim.LabelOnly},
			Intercept: suppliersim.CancelManner{Mode: suppliersim.CancelReject, Reason: "too_late"},
		}, 1, 1)
	decided.want.cases = []order.CaseStatus{order.CaseAbsorbed}
	decided.act = func(ctx context.Context, p *play) error {
		deciding := func(s *order.State) bool { return len(s.Cases) == 1 && s.Cases[0].Status == order.CaseDeciding }
		if err := p.until(ctx, "waiting for a person", deciding); err != nil {
			return err
		}
		return p.resolve(ctx, order.CaseAbsorbed)
	}

	unknown := storyOf("shop", "answer-lost", "The answer to the purchase order is lost").buys("FRAME-PINE", "Pine frame", 1, 3900).
		with("plover", "FRAME-PINE", suppliersim.Manner{Submit: []suppliersim.Fault{{Kind: suppliersim.FaultDropAfterApply, Times: 1}}})
	unknown.want = delivered("plover", 1)

	storm := storyOf("shop", "too-many-requests", "Told to come back later, three times").buys("BENCH-OAK", "Oak bench", 1, 18900).
		with("plover", "BENCH-OAK", suppliersim.Manner{
			Submit: []suppliersim.Fault{{Kind: suppliersim.FaultRespond429, Times: 3, RetryAfter: soon(time.Second)}},
		})
	storm.want = delivered("plover", 1)

	// The supplier takes the purchase order and holds its answer back, so that the worker can be killed
	// between the two.
	unanswered := suppliersim.Manner{Submit: []suppliersim.Fault{
		{Kind: suppliersim.FaultSilent, Times: 1, Applied: true, Delay: soon(30 * time.Second)},
	}}
	atlas := storyOf("shop", "crash-atlas", "The worker dies before it hears the answer").buys("ATLAS-1900", "Atlas of 1900", 1, 5900).
		with("acme", "ATLAS-1900", unanswered)
	trees := storyOf("shop", "crash-trees", "The worker dies here, too").buys("TREES-BOOK", "Book of trees", 1, 6900).
		with("borealis", "TREES-BOOK", unanswered)
	atlas.crash, trees.crash = true, true
	atlas.want, trees.want = delivered("acme", 1), delivered("borealis", 1)
	return []*story{silent, late, intercepted, absorbed, decided, unknown, storm, atlas, trees}
}

// delivered is the plain happy end of a one-line order.
func delivered(supplier string, units int64) ending {
	return ending{
		stage: order.StageSettled, lines: []fate{{delivered: units}}, mails: "placed" + parcelMails,
		orders: []bought{{supplier: supplier, live: units, sent: units}},
	}
}
