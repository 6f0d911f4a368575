package matrix

// survived is one fault of the list, with the tests that show that it is survived.
type survived struct {
	what  string
	tests []string
}

// chapter is a part of the list.
type chapter struct {
	title  string
	faults []survived
}

// chapters are all faults that Dropline is to survive, in our own words. Tests are named as
// package.TestName; the package is the folder that they are in.
var chapters = []chapter{
	{"Processes", []survived{
		{"A program is killed at any call, before it, after it was applied, and after its answer", []string{"activities.TestADispatchThatWasKilledBeforeTheCallIsSent", "activities.TestADispatchThatWasKilledAfterTheCallIsLookedUpAndNotSentAgain", "activities.TestAStepThatDiesAnywhereLosesAndDoublesNothing", "crash.TestWorkersDieAndNobodyIsWorseOff"}},
		{"A worker is gone at any event of a history", []string{"workflows.TestCutHistoriesReplay", "e2e.TestOrdersLiveWithoutACache"}},
		{"A program is told to stop while it works", []string{"gateway.TestServerFinishesWhatIsUnderWayBeforeItStops", "outbox.TestACourierThatIsStoppedRecordsWhatItDelivered", "intake.TestAProcessorThatIsStoppedLeavesNothingHalfDone"}},
		{"A worker stands still for half a minute, and then finishes what is no longer its own", []string{"outages.TestAWorkerThatWakesAfterHalfAMinuteDoublesNothing", "activities.TestAnAttemptThatEndsLateHidesNothing", "outbox.TestACourierThatWasOvertakenDecidesNothingButThatTheMessageIsOut"}},
		{"Two builds of the worker run side by side", []string{"e2e.TestOrdersOutliveAChangeOfBuilds"}},
		{"Temporal is killed", []string{"soak.TestOrdersOutliveTemporalAndPostgresBeingKilled"}},
		{"Postgres is killed, stops for up to two seconds again and again, or stands still for half a minute", []string{"e2e.TestPostgresAndWorkerDyingUnderOrdersLosesNothing", "soak.TestOrdersOutliveTemporalAndPostgresBeingKilled", "outages.TestOrdersOutlivePostgresStandingStillForHalfAMinute"}},
		{"A disk is full", []string{"outages.TestIntakeAnswers503WhileThePostgresDiskIsFull", "outages.TestStepsAreTriedAgainWhileThePostgresDiskIsFull"}},
		{"Clocks jump, and change with the seasons; leap days; calendars", []string{"outages.TestAWorkerWhoseClockIsWrongOnlyMovesDeadlines", "outages.TestAPartnersClockMayBeWrongByTheReplayWindow", "sla.TestDeadlineFollowsTheSuppliersCalendar", "sla.TestLongHolidayRunIsCrossed"}},
	}},
	{"Network, on each link", []survived{
		{"Latency", []string{"matrix.TestWorkerToPostgres", "matrix.TestGatewayToPostgres"}},
		{"A black hole", []string{"matrix.TestWorkerToTemporal", "matrix.TestGatewayToPostgres"}},
		{"A reset before, in the middle and after", []string{"matrix.TestWorkerToSupplier", "matrix.TestPartnerToGateway"}},
		{"A reply that is lost after the peer applied the request", []string{"matrix.TestWorkerToSupplier", "matrix.TestWorkerToStorefront", "matrix.TestWorkerToPostgres", "matrix.TestGatewayToTemporal"}},
		{"A slow, sliced or half-open connection", []string{"matrix.TestWorkerToCarrier", "matrix.TestCourierToMailServer"}},
		{"TLS that cannot be trusted", []string{"matrix.TestWorkerToTemporal", "matrix.TestCourierToMailServer"}},
		{"A name that is not resolved", []string{"matrix.TestWorkerToPostgres", "matrix.TestPartnerToGateway"}},
		{"A link that flaps", []string{"matrix.TestWorkerToTemporal", "matrix.TestGatewayToTemporal"}},
	}},
	{"Suppliers", []survived{
		{"Two acknowledgments of one order", []string{"order.TestDoubleAckChangesNothing"}},
		{"An acknowledgment after the goods were bought elsewhere", []string{"order.TestLateAckAfterFailoverIsRefused"}},
		{"An acceptance, then a rejection", []string{"order.TestAckThenRejectReleasesTheUnits"}},
		{"A part of the units, another article, another price", []string{"order.TestPartBackorderedMovesOnlyThoseUnits", "order.TestASubstituteShipsNothingUnlessOrderedAnew", "order.TestPriceChangeOutsideContractIsWithdrawn"}},
		{"A shipment without an acknowledgment", []string{"order.TestShipNoticeWithoutAckStopsTheAckClock"}},
		{"The wrong line or quantity in a parcel", []string{"order.TestALineThatThePurchaseOrderDoesNotHaveIsNeverWrittenOffUnseen"}},
		{"“Already exists”, with other content", []string{"activities.TestOtherContentUnderTheNumberIsAConflict"}},
		{"Storms of 429 and 503", []string{"matrix.TestWorkerToSupplier", "activities.TestAnUnavailableSupplierIsTriedAgainWhenItAskedTo"}},
		{"A success with an error in it", []string{"matrix.TestWorkerToSupplier", "restapi.TestStatusOfASubmissionIsClassified"}},
		{"Files of credits and invoices: damaged or cut off, twice, in another order (nothing is read from a folder, where a file may be half written or renamed)", []string{"intake.TestAFileOfCreditMemosIsTakenWholeOrNotAtAll", "intake.TestAFileOfInvoicesIsTakenWholeOrNotAtAll", "intake.TestAFileOfCreditMemosCountsAsIfEachHadComeByItself", "intake.TestFilesOfCreditMemosSideBySideTakeTurns"}},
		{"EDI: wrong control numbers, missing trailers, rejections, answers to unknown orders", nil},
		{"Credits: too small, too large, twice, for an unknown return", []string{"returns.TestAShortCreditIsChasedThenEscalatedAndWrittenOffOnlyByName", "returns.TestACreditAboveTheClaimIsForAPersonToSee", "intake.TestAFileOfCreditMemosCountsAsIfEachHadComeByItself", "intake.TestAFileOfCreditMemosIsTakenWholeOrNotAtAll"}},
		{"A stock feed that is old, or empty all at once", nil},
	}},
	{"Payments", []survived{
		{"A result that nobody knows", []string{"activities.TestARefundIsFixedOnceAndALostAnswerDoesNotRefundTwice", "matrix.TestWorkerToStorefront"}},
		{"One refund asked for twice", []string{"activities.TestTheSameRefundTwiceAtOnceIsMadeOnce", "push.TestRefundIsMadeOncePerKey"}},
		{"A refund above the charge", []string{"activities.TestRefundsAtOnceNeverExceedTheCapture", "postgres.TestRefundsNeverExceedWhatWasCaptured"}},
		{"A refund that the payment provider refuses: an expired card, a closed dispute", []string{"activities.TestARefundThatTheStorefrontRefusesIsAPersonsAndIsPaidOnceWhenItIsTakenAfterAll", "activities.TestARefundThatComesBackIsOwedUntilItIsPaid"}},
		{"A chargeback during a return", []string{"activities.TestAReturnDuringAChargebackIsNotPaidTwice"}},
		{"A capture of a part", []string{"activities.TestWhatIsCancelledBeforeTheCaptureIsNotTaken", "shopify.TestPaymentFollowsStatusAndTransactions"}},
		{"Rounding, with no, two and three decimals", []string{"money.TestParseReadsEveryCurrencyInItsOwnMinorUnits", "money.TestAllocateGivesTheOddCentToTheLargestRemainderThenTheEarliest"}},
	}},
	{"Customers and staff", []survived{
		{"A cancellation before, during and after each of dispatch, acknowledgment and shipment", []string{"order.TestCancelBeforeValidationCancelsBeforeAnythingIsSent", "order.TestCancelBeforeTheSecondSendStillFencesTheFirst", "order.TestCancelAfterScanIsRefusedWithWhatCanBeDone", "order.TestScanWinsOverACancelThatIsStillUnanswered"}},
		{"One cancellation twice", []string{"order.TestDoubleCancelCancelsOnce"}},
		{"A new address after the dispatch", []string{"order.TestAddressIsNotChangedOnceASendMayHaveGotThrough"}},
		{"Two agents who refund at once", []string{"activities.TestRefundsAtOnceNeverExceedTheCapture"}},
		{"More returned than was shipped; a return before the delivery", []string{"returns.TestNoUnitIsGrantedTwice", "returns.TestAnOperatorGrantsWhatThePolicyWouldNotButNeverMoreThanWasDelivered"}},
	}},
	{"Carriers", []survived{
		{"Scans twice, in another order, going back", []string{"tracking.TestScansInAnyOrderAndGroupingEndTheSame", "carrier.TestDeliveredNeverStepsBackButAReturnIsFlagged"}},
		{"A number used again, or unknown", []string{"carrier.TestRecycledNumberIsNotBelieved", "tracking.TestScansOfTheNumbersFormerParcelDoNotCount"}},
		{"Delivered, then returned to the sender", []string{"carrier.TestDeliveredParcelIsWatchedForAReturnAndThenLeft"}},
		{"No scan for ten days", []string{"carrier.TestSilenceMakesAParcelDelayedThenLost", "tracking.TestAPollAppliesAnswersAndTakesSilenceForAnAnswer"}},
		{"A status never seen before", []string{"carrier.TestStatusNeverSeenBeforeIsKeptAndFlagged"}},
	}},
	{"Temporal", []survived{
		{"A signal at the moment of completion", []string{"order.TestNewsDuringTheSettlementIsSettledToo", "order.TestNewsReopensASettledOrder"}},
		{"A thousand signals a second for one order", []string{"intake.TestManyFactsAreSentInBoundedBatches", "e2e.TestAStormOfSignalsHarmsNobody"}},
		{"A signal for a closed order", []string{"intake.TestACompletedOrderIsReopenedAndATerminatedOneIsNot", "e2e.TestASignalToAClosedOrderIsRefusedAndNewsReopenIt"}},
		{"One order started twice", []string{"intake.TestManyDeliverersStartEachOrderOnceAndDeliverEachFact"}},
		{"A history near its limit", []string{"e2e.TestTheWorstLegalOrderStaysSmall", "workflows.TestOrderWithALongHistoryGoesOnInANewRun"}},
		{"A payload too large, unreadable, under the wrong key", []string{"engine.TestPayloadOverTheLimitFailsAtItsCallerAndIsNotTriedAgain", "workflows.TestSignalThatCannotBeReadCancelsNothing"}},
		{"An old history under new code", []string{"workflows.TestGoldenHistoriesReplay", "workflows.TestReplayOfAChangedWorkflowFailsAndNamesTheEvent"}},
		{"Workflow tasks that time out, and local activities that run again", []string{"matrix.TestWorkerToTemporal", "activities.TestTheSameSnapshotTwiceAtOnceCountsOnce"}},
		{"A worker without a cache: every task is a replay", []string{"e2e.TestOrdersLiveWithoutACache"}},
		{"A namespace that is throttled", []string{"soak.TestOrdersEndAndNobodyIsTurnedAwayInAThrottledNamespace", "matrix.TestWorkerToTemporal", "matrix.TestGatewayToTemporal"}},
	}},
	{"Hostile", []survived{
		{"Webhooks: unsigned, forged, changed by a bit, old, replayed, with another's secret, huge", []string{"gateway.TestForgedDeliveriesAreRefusedAlikeAndLeaveNothing", "gateway.TestForgedPaymentEventsAreRefusedAlikeAndLeaveNothing", "webhook.TestEveryBitOfASignatureCounts", "webhook.TestReplayWindowIsClosedOnBothSides", "gateway.TestReplayedDeliveryChangesNothing", "gateway.TestHostileBodiesAreRefusedBeforeAnybodyReadsThem"}},
		{"Keys of the wrong role or storefront, or of none", []string{"gateway.TestEachRoleMayDoWhatItIsFor", "gateway.TestOrderOfAnotherStorefrontLooksLikeNone", "gateway.TestRequestsWithoutAValidKeyAreRefusedAlike"}},
		{"Contract URLs that lead into private networks", []string{"restapi.TestPrivateAddressesAreNotReached", "outbound.TestNameThatLeadsInsideIsRefusedAfterItWasResolved", "outbound.TestRedirectInsideIsRefusedWhereItLeads"}},
		{"Formulas in CSV", []string{"ledger.TestCSVExportIsNoFormulaWhateverAnOrderIsCalled"}},
		{"Paths in file names", []string{"architecture.TestNoFileIsNamedByWhatComesIn"}},
		{"Small bodies that unpack to huge ones", []string{"outbound.TestCompressedAnswerIsNotUnpacked", "architecture.TestNothingThatComesInIsUnpacked"}},
		{"SQL in texts", []string{"gateway.TestSQLMetacharactersAreTextFromEndToEnd", "architecture.TestSQLIsNotPutTogetherFromWhatComesIn"}},
		{"Forged log lines", []string{"orderview.TestWhatPartnersWroteCannotForgeALine"}},
		{"Headers in mail", []string{"notify.TestForeignTextCannotAddHeaders"}},
		{"Floods", []string{"gateway.TestFloodOfOnePartnerIsSlowedAndOthersPass"}},
	}},
}
