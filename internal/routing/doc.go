// Package routing decides which suppliers ship which line quantities of an order at the
// least total cost, and records why.
//
// Decide is a pure function of its Request: no clock, no I/O, no randomness. The same
// request, in whatever order its lists are given, yields the same Decision byte for byte,
// so a stored decision can be recomputed and compared (Recompute) and read (Explain).
//
// Money is int64 minor units of Request.Currency. The rules, the cost model and the argument
// for exactness are in docs/routing.md.
package routing
