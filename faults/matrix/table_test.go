package matrix

import (
	"slices"

	"github.com/dropline/dropline/faults/rig"
)

// Columns of the table that are not faults of a link.
const (
	diskFull  rig.Fault = "disk full"
	killed    rig.Fault = "killed"
	stopped   rig.Fault = "stopped 30 s"
	clockJump rig.Fault = "clock ± 1 h"
)

var rows = []rig.Dependency{
	rig.WorkerToTemporal, rig.GatewayToTemporal, rig.WorkerToPostgres, rig.GatewayToPostgres,
	rig.ToSupplier, rig.ToStorefront, rig.ToPayments, rig.ToCarrier, rig.ToMail, rig.ToGateway,
}

var columns = []rig.Fault{
	rig.Latency, rig.BlackHole, rig.Refused, rig.ResetBefore, rig.ResetMiddle, rig.ReplyLost, rig.Slow, rig.HalfOpen,
	rig.TLSFailure, rig.DNSFailure, rig.Flapping, rig.Storm, rig.ErrorBody, diskFull, killed, stopped, clockJump,
}

// cell is a dependency failing in one way.
type cell struct {
	dependency rig.Dependency
	fault      rig.Fault
	// expect is what Dropline does, in one sentence.
	expect string
	// test is the test that shows it where that is not played here: "package.TestName".
	test string
	// never says why the cell cannot exist, instead of expect.
	never string
	// telling cells are played in short runs too.
	telling bool
}

// played says whether the cell is a test of this package, made from the table.
func (c *cell) played() bool { return c.never == "" && c.test == "" }

func find(dependency rig.Dependency, fault rig.Fault) *cell {
	i := slices.IndexFunc(cells, func(c cell) bool { return c.dependency == dependency && c.fault == fault })
	if i < 0 {
		return nil
	}
	return &cells[i]
}

// row fills in the dependency of its cells.
func row(dependency rig.Dependency, list ...cell) []cell {
	for i := range list {
		list[i].dependency = dependency
	}
	return list
}

var cells = slices.Concat(
	row(rig.WorkerToTemporal,
		cell{fault: rig.Latency, expect: "Orders take longer and end the same."},
		cell{fault: rig.BlackHole, expect: "Orders wait; the worker goes on by itself once Temporal answers, and nothing is sent twice.", telling: true},
		cell{fault: rig.Refused, expect: "Orders wait; the worker goes on by itself once Temporal is back."},
		cell{fault: rig.ResetBefore, expect: "Orders wait; no task is lost, since Temporal gives it out again."},
		cell{fault: rig.ResetMiddle, expect: "A task that arrived torn is given out again; what it had done is found under its key."},
		cell{fault: rig.ReplyLost, expect: "A result that Temporal took without saying so is not taken twice.", telling: true},
		cell{fault: rig.Slow, expect: "Orders take longer and end the same."},
		cell{fault: rig.HalfOpen, expect: "The worker notices its dead connection within half a minute and makes another."},
		cell{fault: rig.TLSFailure, expect: "The worker trusts no expired certificate, and orders wait for a good one."},
		cell{fault: rig.DNSFailure, expect: "Orders go on: the worker remembers where Temporal was."},
		cell{fault: rig.Flapping, expect: "Orders get on while the link is up, and nothing is done twice."},
		cell{fault: rig.Storm, expect: "A throttled worker slows down and goes on when the limit is lifted."},
		cell{fault: rig.ErrorBody, never: "gRPC tells an error in its status: there is no success with an error in it."},
		cell{fault: diskFull, never: "Temporal's disk is its own; to a worker it is the storm or the refusal of this row."},
		cell{fault: killed, test: "soak.TestOrdersOutliveTemporalAndPostgresBeingKilled", expect: "Orders wait, and go on from their history when Temporal is back."},
		cell{fault: stopped, test: "outages.TestAWorkerThatWakesAfterHalfAMinuteDoublesNothing", expect: "Another worker takes over within seconds; what the sleeper finishes is refused or found done."},
		cell{fault: clockJump, test: "outages.TestAWorkerWhoseClockIsWrongOnlyMovesDeadlines", expect: "Workflows run on Temporal's clock; only deadlines that an activity computes are off by as much."},
	),
	row(rig.GatewayToTemporal,
		cell{fault: rig.Latency, expect: "Orders are taken at once; a cancellation is answered a little later."},
		cell{fault: rig.BlackHole, expect: "Orders are taken at once; a cancellation is answered 202 stored after 10 s, and carried out.", telling: true},
		cell{fault: rig.Refused, expect: "Orders are taken; a cancellation is answered 202 stored, and carried out by the workers."},
		cell{fault: rig.ResetBefore, expect: "Orders are taken; a cancellation is answered, or stored, and carried out once."},
		cell{fault: rig.ResetMiddle, expect: "Orders are taken; a cancellation whose answer is torn is stored, and carried out once."},
		cell{fault: rig.ReplyLost, expect: "A cancellation that the order took without the gateway hearing of it is stored as well, and carried out once.", telling: true},
		cell{fault: rig.Slow, expect: "Orders are taken at once; a cancellation is answered a little later."},
		cell{fault: rig.HalfOpen, expect: "A cancellation on the dead connection is answered 202 stored; later ones are answered."},
		cell{fault: rig.TLSFailure, expect: "The gateway trusts no expired certificate: orders are taken, cancellations stored."},
		cell{fault: rig.DNSFailure, expect: "Nothing changes: the gateway remembers where Temporal was."},
		cell{fault: rig.Flapping, expect: "A cancellation is answered or stored, and carried out once."},
		cell{fault: rig.Storm, expect: "Throttled by Temporal the gateway still takes orders, and stores cancellations."},
		cell{fault: rig.ErrorBody, never: "gRPC tells an error in its status: there is no success with an error in it."},
		cell{fault: diskFull, never: "Temporal's disk is its own; to a gateway it is the storm or the refusal of this row."},
		cell{fault: killed, test: "soak.TestOrdersOutliveTemporalAndPostgresBeingKilled", expect: "Orders are taken while Temporal is dead, and begin when it is back."},
		cell{fault: stopped, test: "outages.TestGatewayTakesOrdersWhileTemporalIsStopped", expect: "Orders are taken while Temporal stands still, and begin when it goes on."},
		cell{fault: clockJump, never: "Calls to Temporal carry time-outs, not times."},
	),
	row(rig.WorkerToPostgres,
		cell{fault: rig.Latency, expect: "Orders take longer and end the same."},
		cell{fault: rig.BlackHole, expect: "Steps time out after seconds and are tried again; each transaction is done whole or not at all.", telling: true},
		cell{fault: rig.Refused, expect: "Steps are tried again until the database is back."},
		cell{fault: rig.ResetBefore, expect: "Steps are tried again; nothing was written."},
		cell{fault: rig.ResetMiddle, expect: "Steps whose answer is torn are done again, and find what they wrote."},
		cell{fault: rig.ReplyLost, expect: "A commit whose answer is lost is found by the next attempt, and not made twice.", telling: true},
		cell{fault: rig.Slow, expect: "Orders take longer and end the same."},
		cell{fault: rig.HalfOpen, expect: "Steps on dead connections time out after seconds, and are done again on new ones."},
		cell{fault: rig.TLSFailure, expect: "The worker trusts no expired certificate, and steps wait for a good one."},
		cell{fault: rig.DNSFailure, expect: "Steps are tried again until the name is resolved."},
		cell{fault: rig.Flapping, expect: "Steps are tried again until they get through; nothing is done twice."},
		cell{fault: rig.Storm, expect: "Turned away for too many connections (53300) steps are tried again."},
		cell{fault: rig.ErrorBody, never: "Postgres tells an error as an error: there is no success with an error in it."},
		cell{fault: diskFull, test: "outages.TestStepsAreTriedAgainWhileThePostgresDiskIsFull", expect: "Steps are tried again until there is room."},
		cell{fault: killed, test: "e2e.TestPostgresAndWorkerDyingUnderOrdersLosesNothing", expect: "What was committed is there after the restart; steps are tried again."},
		cell{fault: stopped, test: "outages.TestOrdersOutlivePostgresStandingStillForHalfAMinute", expect: "Steps wait for the database to go on, or time out and are done again."},
		cell{fault: clockJump, never: "Leases and due times are kept by Postgres' own clock, whatever the worker's says."},
	),
	row(rig.GatewayToPostgres,
		cell{fault: rig.Latency, expect: "Requests take longer."},
		cell{fault: rig.BlackHole, expect: "Intake answers 503 within seconds, and the repeat is stored once.", telling: true},
		cell{fault: rig.Refused, expect: "Intake answers 503, and the repeat is stored once."},
		cell{fault: rig.ResetBefore, expect: "Intake answers 503, nothing was stored, and the repeat is."},
		cell{fault: rig.ResetMiddle, expect: "Intake answers 503, and the repeat is stored once."},
		cell{fault: rig.ReplyLost, expect: "Intake answers 503 although the order may be stored; the repeat is a no-op.", telling: true},
		cell{fault: rig.Slow, expect: "Requests take longer."},
		cell{fault: rig.HalfOpen, expect: "A request on a dead connection is answered 503, and the repeat is stored once."},
		cell{fault: rig.TLSFailure, expect: "The gateway trusts no expired certificate and answers 503."},
		cell{fault: rig.DNSFailure, expect: "Intake answers 503 until the name is resolved."},
		cell{fault: rig.Flapping, expect: "Requests are answered 503 or stored, each order once."},
		cell{fault: rig.Storm, expect: "Turned away for too many connections (53300) the gateway answers 503."},
		cell{fault: rig.ErrorBody, never: "Postgres tells an error as an error: there is no success with an error in it."},
		cell{fault: diskFull, test: "outages.TestIntakeAnswers503WhileThePostgresDiskIsFull", expect: "Intake answers 503 until there is room, and the repeat is stored once."},
		cell{fault: killed, test: "e2e.TestPostgresAndWorkerDyingUnderOrdersLosesNothing", expect: "What was acknowledged is there after the restart."},
		cell{fault: stopped, test: "outages.TestOrdersOutlivePostgresStandingStillForHalfAMinute", expect: "Intake answers 503, and the repeat is stored once."},
		cell{fault: clockJump, never: "Times of receipt are Postgres' own, whatever the gateway's clock says."},
	),
	row(rig.ToSupplier,
		cell{fault: rig.Latency, expect: "The purchase order is sent once."},
		cell{fault: rig.BlackHole, expect: "The purchase order is looked up by its number before it is sent again, so that it arrives once."},
		cell{fault: rig.Refused, expect: "Nothing was sent, and it is tried again until the supplier is back; it arrives once."},
		cell{fault: rig.ResetBefore, expect: "The purchase order is looked up, found absent, and sent once more."},
		cell{fault: rig.ResetMiddle, expect: "The purchase order is looked up, found, and not sent again."},
		cell{fault: rig.ReplyLost, expect: "The purchase order is looked up, found, and not sent again; a cancellation is asked again under its key.", telling: true},
		cell{fault: rig.Slow, expect: "The purchase order is sent once."},
		cell{fault: rig.HalfOpen, expect: "The call on the dead connection times out after 10 s; the purchase order is looked up and arrives once."},
		cell{fault: rig.TLSFailure, expect: "Nothing is sent to who cannot prove to be the supplier; it is tried again."},
		cell{fault: rig.DNSFailure, expect: "Nothing was sent, and it is tried again until the name is resolved."},
		cell{fault: rig.Flapping, expect: "The purchase order arrives once."},
		cell{fault: rig.Storm, expect: "It is tried again when the supplier asked for it; the purchase order arrives once.", telling: true},
		cell{fault: rig.ErrorBody, expect: "A success with an error in it is no answer: the purchase order is looked up and arrives once.", telling: true},
		cell{fault: diskFull, never: "The supplier's disk is its own; to Dropline it is an error or a storm of this row."},
		cell{fault: killed, test: "activities.TestALostOrderIsAbsentAndSentOnceMore", expect: "What it lost in its death is looked up, found absent and sent once more."},
		cell{fault: stopped, test: "restapi.TestSilenceAfterTheRequestIsUnknown", expect: "A supplier that says nothing is a black hole: the call times out and the order is looked up."},
		cell{fault: clockJump, test: "outages.TestAPartnersClockMayBeWrongByTheReplayWindow", expect: "A supplier's times are kept as it says them; a signature is good for five minutes either way."},
	),
	row(rig.ToStorefront,
		cell{fault: rig.Latency, expect: "Notices and refunds are made once."},
		cell{fault: rig.BlackHole, expect: "Notices and refunds are repeated under their keys, and done once."},
		cell{fault: rig.Refused, expect: "Notices and refunds wait for the storefront."},
		cell{fault: rig.ResetBefore, expect: "Notices and refunds are repeated under their keys, and done once."},
		cell{fault: rig.ResetMiddle, expect: "A refund whose answer is torn is asked for again under its key, and paid once."},
		cell{fault: rig.ReplyLost, expect: "A refund whose answer is lost is asked for again under its key, and paid once.", telling: true},
		cell{fault: rig.Slow, expect: "Notices and refunds are made once."},
		cell{fault: rig.HalfOpen, expect: "Calls on the dead connection time out and are repeated under their keys."},
		cell{fault: rig.TLSFailure, expect: "Nothing is told to who cannot prove to be the storefront; it is tried again."},
		cell{fault: rig.DNSFailure, expect: "Notices and refunds wait until the name is resolved."},
		cell{fault: rig.Flapping, expect: "Notices and refunds are done once."},
		cell{fault: rig.Storm, expect: "It is tried again when the storefront asked for it; the refund is paid once."},
		cell{fault: rig.ErrorBody, expect: "A success with an error in it is a refusal: a notice is given up and sent when a person retries it; the refund is made once.", telling: true},
		cell{fault: diskFull, never: "The storefront's disk is its own; to Dropline it is an error or a storm of this row."},
		cell{fault: killed, test: "activities.TestARefundIsFixedOnceAndALostAnswerDoesNotRefundTwice", expect: "A refund is asked for again under its key when the storefront is back."},
		cell{fault: stopped, never: "A storefront that stands still is the black hole of this row."},
		cell{fault: clockJump, never: "No decision is made on a storefront's clock."},
	),
	row(rig.ToPayments,
		cell{fault: rig.Latency, expect: "Payments are captured and refunded once."},
		cell{fault: rig.BlackHole, expect: "The call times out, what became of it is unknown, and it is asked again under its key; the money moves once.", telling: true},
		cell{fault: rig.Refused, expect: "Captures and refunds wait for the provider; orders are shipped meanwhile."},
		cell{fault: rig.ResetBefore, expect: "Captures and refunds are asked for again under their keys, and made once."},
		cell{fault: rig.ResetMiddle, expect: "A capture or refund whose answer is torn is asked for again under its key, and made once."},
		cell{fault: rig.ReplyLost, expect: "A capture or refund whose answer is lost is asked for again under its key, and made once.", telling: true},
		cell{fault: rig.Slow, expect: "Payments are captured and refunded once."},
		cell{fault: rig.HalfOpen, expect: "The call on the dead connection times out, and is repeated under its key on a new one."},
		cell{fault: rig.TLSFailure, expect: "No key is shown to who cannot prove to be the provider; captures and refunds wait."},
		cell{fault: rig.DNSFailure, expect: "Captures and refunds wait until the name is resolved."},
		cell{fault: rig.Flapping, expect: "Captures and refunds are made once."},
		cell{fault: rig.Storm, expect: "It is tried again when the provider asked for it; the money moves once."},
		cell{fault: rig.ErrorBody, expect: "A success without a readable object proves nothing: it is asked again under its key, and made once.", telling: true},
		cell{fault: diskFull, never: "The provider's disk is its own; to Dropline it is an error or a storm of this row."},
		cell{fault: killed, test: "stripe.TestKeptFailureIsSettledByLookingUp", expect: "A failure that the provider gives to every repeat of a key is settled by looking the payment up in its own book."},
		cell{fault: stopped, test: "stripe.TestSlowProviderLeavesTheOutcomeUnknown", expect: "A provider that says nothing is a black hole: the outcome is unknown, and asked for again under its key."},
		cell{fault: clockJump, never: "Temporal's clock decides when an authorisation ends; a capture that is too late by the provider's is refused, and paid elsewhere."},
	),
	row(rig.ToCarrier,
		cell{fault: rig.Latency, expect: "The poll takes longer."},
		cell{fault: rig.BlackHole, expect: "The poll fails after 20 s and gives its parcels back; the next one asks about them."},
		cell{fault: rig.Refused, expect: "The poll gives its parcels back and asks again in seconds.", telling: true},
		cell{fault: rig.ResetBefore, expect: "The poll gives its parcels back and asks again in seconds."},
		cell{fault: rig.ResetMiddle, expect: "A torn answer is no answer: the poll asks again."},
		cell{fault: rig.ReplyLost, expect: "A poll changes nothing: it asks again."},
		cell{fault: rig.Slow, expect: "The poll takes longer."},
		cell{fault: rig.HalfOpen, expect: "The poll on the dead connection fails after 20 s, and is repeated on a new one."},
		cell{fault: rig.TLSFailure, expect: "Nobody is asked who cannot prove to be the carrier; the poll is repeated."},
		cell{fault: rig.DNSFailure, expect: "The poll is repeated until the name is resolved."},
		cell{fault: rig.Flapping, expect: "The poll is repeated until it gets through."},
		cell{fault: rig.Storm, expect: "The poll is repeated when the carrier asked for it."},
		cell{fault: rig.ErrorBody, expect: "An answer without trackers is none: the poll is repeated, and no parcel counts as missing."},
		cell{fault: diskFull, never: "The carrier's disk is its own; to Dropline it is an error or a storm of this row."},
		cell{fault: killed, never: "A carrier that died is refused, and comes back: the cell of this row."},
		cell{fault: stopped, never: "A carrier that stands still is the black hole of this row."},
		cell{fault: clockJump, test: "tracking.TestScansInAnyOrderAndGroupingEndTheSame", expect: "Scans are ordered by the carrier's own times; a status never goes back."},
	),
	row(rig.ToMail,
		cell{fault: rig.Latency, expect: "Mail is sent once."},
		cell{fault: rig.BlackHole, expect: "The courier gives up after 20 s and tries again; each message is sent under one Message-ID."},
		cell{fault: rig.Refused, expect: "Mail waits for the server; the order does not wait for mail.", telling: true},
		cell{fault: rig.ResetBefore, expect: "Mail is tried again; the order does not wait for it."},
		cell{fault: rig.ResetMiddle, expect: "Mail is tried again under one Message-ID."},
		cell{fault: rig.ReplyLost, expect: "Mail whose acceptance was lost is sent again under one Message-ID, which mail programs fold into one."},
		cell{fault: rig.Slow, expect: "Mail is sent once."},
		cell{fault: rig.HalfOpen, expect: "The courier gives the dead conversation up after 20 s and begins another under the same Message-ID."},
		cell{fault: rig.TLSFailure, expect: "Where TLS is mandatory no mail goes to who cannot prove to be the server; it waits."},
		cell{fault: rig.DNSFailure, expect: "Mail waits until the name is resolved."},
		cell{fault: rig.Flapping, expect: "Mail is sent, each message under one Message-ID."},
		cell{fault: rig.Storm, expect: "Turned away (421) the courier tries again."},
		cell{fault: rig.ErrorBody, never: "A mail server answers with codes: there is no success with an error in it."},
		cell{fault: diskFull, test: "notify.TestFailuresSayWhatIsKnown", expect: "Refused for now (452) the message is tried again."},
		cell{fault: killed, never: "A mail server that died is refused, and comes back: the cell of this row."},
		cell{fault: stopped, never: "A mail server that stands still is the black hole of this row."},
		cell{fault: clockJump, never: "Nothing is decided on a mail server's clock."},
	),
	row(rig.ToGateway,
		cell{fault: rig.Latency, expect: "Documents arrive later."},
		cell{fault: rig.BlackHole, expect: "Partners come again; each document counts once.", telling: true},
		cell{fault: rig.Refused, expect: "Partners come again; each document counts once."},
		cell{fault: rig.ResetBefore, expect: "Partners come again; each document counts once."},
		cell{fault: rig.ResetMiddle, expect: "A document whose acceptance is torn comes again, and is a repeat."},
		cell{fault: rig.ReplyLost, expect: "A document whose acceptance is lost comes again, and is a repeat.", telling: true},
		cell{fault: rig.Slow, expect: "Documents arrive later."},
		cell{fault: rig.HalfOpen, expect: "Partners give the dead connection up and come again; each document counts once."},
		cell{fault: rig.TLSFailure, expect: "Partners do not trust an expired certificate, and come again."},
		cell{fault: rig.DNSFailure, expect: "Partners come again when the name is resolved."},
		cell{fault: rig.Flapping, expect: "Partners come again; each document counts once."},
		cell{fault: rig.Storm, expect: "A load balancer that answers for the gateway (503, 429) makes partners come again."},
		cell{
			fault: rig.ErrorBody, test: "activities.TestAnAcknowledgmentWhoseWebhookWasLostIsFoundAtTheSupplierAndKeptOnce",
			expect: "A document that somebody else took is lost; the supplier is looked up when the answer is due.",
		},
		cell{fault: diskFull, test: "outages.TestIntakeAnswers503WhileThePostgresDiskIsFull", expect: "Partners are answered 503 and come again."},
		cell{fault: killed, test: "outages.TestPartnersComeAgainWhenAGatewayDied", expect: "What was acknowledged is stored; the rest comes again."},
		cell{fault: stopped, never: "A gateway that stands still is the black hole of this row."},
		cell{fault: clockJump, test: "outages.TestAPartnersClockMayBeWrongByTheReplayWindow", expect: "Signatures more than five minutes off are refused as stale, and good ones are taken again."},
	),
)
