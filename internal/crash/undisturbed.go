package crash

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// undisturbed is what a story is like when nobody dies.
type undisturbed struct {
	books []string
	took  time.Duration
	// counts is how often each call is made, in every telling at least.
	counts map[string]int
	// waits is how long after each call nothing is due, in any telling at most.
	waits map[occurrence]time.Duration
}

type occurrence struct {
	call string
	n    int
}

// mostOften bounds the occurrences of one kind of call that are points: what comes more often is a
// clock that ticks.
const mostOften = 12

// learn puts several tellings together. What differs between them is a complaint.
func learn(story string, runs []*run) (*undisturbed, []string) {
	u := &undisturbed{books: runs[0].telling.Books, counts: map[string]int{}, waits: map[occurrence]time.Duration{}}
	var complaints []string
	for i, r := range runs {
		u.took = max(u.took, r.telling.Took)
		counts := map[string]int{}
		for j, c := range r.first {
			counts[c.name]++
			at := occurrence{c.name, counts[c.name]}
			u.waits[at] = max(u.waits[at], untilNext(r.first[j:]))
		}
		for name, n := range counts {
			if known, seen := u.counts[name]; i == 0 || seen {
				if i > 0 {
					n = min(n, known)
				}
				u.counts[name] = n
			}
		}
		for name := range u.counts {
			u.counts[name] = min(u.counts[name], counts[name])
		}
		for _, problem := range problems(r) {
			complaints = append(complaints, fmt.Sprintf("%s, undisturbed: %s", story, problem))
		}
		for _, difference := range compareBooks(u.books, r.telling.Books) {
			complaints = append(complaints, fmt.Sprintf("%s, undisturbed and told twice: %s", story, difference))
		}
	}
	return u, complaints
}

// untilNext is how long after the first of the calls the next one about the order came.
func untilNext(calls []call) time.Duration {
	for _, c := range calls[1:] {
		if !background(c.name) {
			return c.at.Sub(calls[0].at)
		}
	}
	return 0
}

// background calls are made by a worker that has no order: when it starts, and at each poll of a
// carrier. They are points like others; they are no sign that an order moves.
func background(name string) bool {
	return strings.Contains(name, "CarrierPoll") || strings.Contains(name, "PollCarrier") || strings.Contains(name, "Schedule") ||
		strings.Contains(name, "carriers") || strings.Contains(name, "-watched")
}

// points are all places to die at in the story.
func (u *undisturbed) points(story string) []Point {
	var list []Point
	for _, name := range sortedKeys(u.counts) {
		for n := 1; n <= min(u.counts[name], mostOften); n++ {
			for _, moment := range moments {
				list = append(list, Point{story, name, n, moment})
			}
		}
	}
	return list
}

// problems are what is wrong with a telling by itself.
func problems(r *run) []string {
	var list []string
	for _, d := range r.telling.Differences {
		list = append(list, "not as told: "+d)
	}
	for _, b := range r.telling.Broken {
		list = append(list, "audit: "+b)
	}
	if r.complaint != "" {
		list = append(list, r.complaint)
	}
	return list
}

// compareBooks lists the lines that only one side has.
func compareBooks(want, got []string) []string {
	var list []string
	left := slices.Clone(got)
	for _, line := range want {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			list = append(list, "the books lack \""+line+"\"")
		}
	}
	for _, line := range left {
		list = append(list, "the books have \""+line+"\", which an undisturbed telling has not")
	}
	return list
}
