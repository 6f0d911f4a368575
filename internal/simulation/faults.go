package simulation

import (
	"errors"
	"regexp"

	"github.com/dropline/dropline/internal/postgres"
)

// fault is what goes wrong in one attempt of a step, or in one turn of a background loop.
type fault struct {
	name string
	// statement, if not negative, is the round trip to the database at which the line is cut; after:
	// once it was carried out.
	statement int
	after     bool
	// dies: nothing happens after the cut, because the process has died.
	dies bool
	// net is what becomes of the first call to a partner.
	net netFault
	// lost: nobody hears the outcome.
	lost bool
}

// netFault is what a network or a partner in trouble does with one call.
type netFault int

const (
	netWell         netFault = iota
	netUnsent                // the connection is refused
	netLost                  // carried out, the answer is lost
	netUnavailable           // 503
	netBusy                  // 429 with Retry-After
	netBrokenPage            // 200 with an error in the body, not carried out
	netGarbled               // carried out, the answer cannot be read
	netLate                  // times out, and is carried out later
	netDies                  // the process dies before the call
	netDiesAfter             // the process dies when the partner has carried it out
	netFreezes               // the process stands still before the call
	netFreezesAfter          // the process stands still before it reads the answer
)

var netNames = map[netFault]string{
	netUnsent: "connection refused", netLost: "partner's answer lost", netUnavailable: "partner away", netBusy: "partner busy",
	netBrokenPage: "error in disguise", netGarbled: "answer garbled", netLate: "call arrives late",
	netDies: "died before the call", netDiesAfter: "died after the call", netFreezes: "froze before the call", netFreezesAfter: "froze after the call",
}

// unharmed is no fault.
func unharmed() *fault { return &fault{statement: -1} }

func (l *life) chooseFault(_ *call) *fault {
	f := &fault{statement: -1}
	if l.quiet {
		return f
	}
	switch n := l.pick(100); {
	case n < 66:
	case n < 70:
		f.name, f.statement = "cut before a statement", l.pick(5)
	case n < 74:
		f.name, f.statement, f.after = "cut after a statement", l.pick(5), true
	case n < 78:
		f.name, f.statement, f.dies = "before a statement", l.pick(5), true
	case n < 82:
		f.name, f.statement, f.after, f.dies = "after a statement", l.pick(5), true, true
	case n < 84:
		f.name, f.lost = "after its work", true
	default:
		f.net = netUnsent + netFault(l.pick(int(netFreezesAfter)))
	}
	return f
}

// prepare lays the fault where it will be met.
func (l *life) prepare(f *fault) {
	if f.statement >= 0 {
		l.world.cable.plan(f.statement, f.after, f.dies)
	}
	l.netPlan, l.met = f.net, netWell
}

// clean takes away what was laid and was not met, and notes what was.
func (l *life) clean(f *fault) {
	if cut := l.world.cable.calm(); cut && f.statement >= 0 {
		l.note("the line to the database is cut: %s", f.name)
		if f.dies {
			f.lost = true
		} else {
			l.happened(f.name)
		}
	}
	if l.met != netWell {
		l.happened(netNames[l.met])
		if l.met == netDies || l.met == netDiesAfter {
			f.name, f.lost = netNames[l.met], true
		}
	}
	l.netPlan, l.met, l.dead = netWell, netWell, false
}

// judgeRefusal: the database's own guards refuse only what a defect asks of them.
func (l *life) judgeRefusal(what string, err error) {
	if name := postgres.Violates(err); name != "" {
		l.fail("%s was refused by the database: %s: %v", what, name, err)
	}
	var violated interface{ SQLState() string }
	if errors.As(err, &violated) && (violated.SQLState()[:2] == "23" || violated.SQLState()[:2] == "42") {
		l.fail("%s was refused by the database: %v", what, err)
	}
}

// Numbers that the database gives out differ from one schema to the next.
var varying = regexp.MustCompile(`document \d+|127\.0\.0\.1:\d+|pid \d+|port \d+`)

func scrub(text string) string { return varying.ReplaceAllString(text, "#") }
