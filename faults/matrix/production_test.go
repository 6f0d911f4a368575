package matrix

// production is a failure that users of Temporal meet in production, with what keeps it away.
type production struct {
	failure, guard string
	tests          []string
}

var productions = []production{
	{
		"A deploy makes old histories go another way: their workflow tasks are retried for ever, while the orders look as if they were running",
		"Histories of every release are replayed; `make workflowcheck`; the worker counts failed tasks on `/metrics`, with a rule to alert on in [operating.md](operating.md); `starter audit` finds the orders",
		[]string{"workflows.TestGoldenHistoriesReplay", "workflows.TestReplayOfAChangedWorkflowFailsAndNamesTheEvent", "e2e.TestOrdersOutliveAChangeOfBuilds", "e2e.TestAnOrderWhoseHistoryDoesNotReplayIsCountedOnTheWorkersMetrics"},
	},
	{
		"“Potential deadlock”: a workflow that does not yield for a second",
		"Rules do no I/O; the longest round of every history and of the worst legal order is timed",
		[]string{"architecture.TestWallsStand", "workflows.TestNoRoundOfAReplayTakesLong", "e2e.TestTheWorstLegalOrderStaysSmall"},
	},
	{
		"A payload over 2 MB: the result of an activity is retried for ever",
		"Documents travel by reference; what is above 64 KB is refused where it is made",
		[]string{"engine.TestPayloadOverTheLimitFailsAtItsCallerAndIsNotTriedAgain", "e2e.TestAPayloadThatIsTooLargeIsRefusedAndHarmsNothing"},
	},
	{
		"An answer over 4 MB to a workflow task: the workflow is ended",
		"The commands of one task are bounded in number and size",
		[]string{"workflows.TestNoWorkflowTaskIsAnsweredWithMoreThanAFewCommands", "e2e.TestTheWorstLegalOrderStaysSmall"},
	},
	{
		"51,200 events, 50 MB or 10,000 signals in one run",
		"The worst legal order stays below 5,000 events and 2 MB; repeats end at the inbox; a long history goes on in a new run",
		[]string{"e2e.TestTheWorstLegalOrderStaysSmall", "e2e.TestDoubledMessagesEndAtTheInbox", "e2e.TestAYearOfSilenceStaysSmall", "workflows.TestOrderWithALongHistoryGoesOnInANewRun"},
	},
	{
		"A completion that races signals",
		"What has come is taken before the end; what comes later opens the order again",
		[]string{"order.TestNewsDuringTheSettlementIsSettledToo", "intake.TestAFactThatComesDuringADeliveryIsNotForgotten", "e2e.TestASignalToAClosedOrderIsRefusedAndNewsReopenIt"},
	},
	{
		"Retries without an end that nobody sees",
		"Every call of an activity is listed with its bounds, and with the person who is asked at their end",
		[]string{"workflows.TestEveryCallOfAnActivityIsListed", "workflows.TestEveryCallOfAnActivityIsBounded", "workflows.TestAPersonIsAskedWhenAStepFailsForGood"},
	},
	{
		"A signal that is lost, because the client gave up when it was throttled",
		"What comes in is committed to Postgres before Temporal hears of it, and delivered until it is taken",
		[]string{"intake.TestAnOutageIsLoggedOnceAndDelaysEachOrderALittle", "soak.TestOrdersEndAndNobodyIsTurnedAwayInAThrottledNamespace", "matrix.TestGatewayToTemporal"},
	},
}

// inProduction writes the table of them.
func (p *page) inProduction() {
	p.line("\n## Failures that users of Temporal meet in production\n")
	p.line("| failure | guard | shown by |\n|---|---|---|")
	for i := range productions {
		p.line("| %s | %s | %s |", productions[i].failure, productions[i].guard, p.shown(productions[i].tests))
	}
}
