// Package simulation lives orders' whole lives against the product's own code: the workflow, its
// activities, the gateway's handler, intake, delivery, tracking, the outbox's courier and the ledger,
// on a real Postgres, in virtual time. Around them stand partners who keep their own books, people
// who ask at the wrong moment, and a network, a database and a process that fail where it hurts.
//
// One life is one order and one seed. Everything in it runs one after the other: what overlaps in
// production is here a choice of what goes next, so that a seed tells the same story each time. What
// must hold is checked on the way and at the end, against the partners' books and by internal/audit.
package simulation
