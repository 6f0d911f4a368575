// Package simulation lives orders' whole lives against the product's own code: the workflow, its
// activities, the gateway's handler, intake, delivery, tracking, the outbox's courier and the ledger,
// on a real Postgres, in virtual time. Around them stand partners who keep their own books, people
// who ask at the wrong moment, and a network, a database and a process that fail where it hurts.
//
// One life is one order, with those that replace its goods, and one seed. Everything in it runs one after the other: what overlaps in
// production is here a choice of what goes next, so that a seed tells the same story each time. What
// must hold is checked on the way and at the end, against the partners' books and by internal/audit.
//
// A seed that failed is kept: once what was wrong is right, the seed goes into the table regressions
// of simulation_test.go with what it once found, and each run of the tests lives it again. It tells
// the same story as long as no choice is added before the moment in question; a change that adds one
// makes of it another life, and its story is then kept as a test of its own where the defect was.
package simulation
