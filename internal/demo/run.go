// Package demo lets orders go through everything that goes wrong in drop-shipping: a real Temporal, a
// real Postgres, Dropline's own programs as processes, and partners that misbehave as scripted. Each
// order is a story that says beforehand how it must end, and is checked against everybody's books.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/processes"
)

// Options say what to show.
type Options struct {
	Out io.Writer
	// Keep stays up after the stories until ctx ends.
	Keep bool
	// Develop tells no stories.
	Develop bool
	// History is a folder for the orders' histories; empty: they are not written.
	History string
	// Only tells the stories whose names contain one of these words, separated by commas.
	Only string
	// Bin is the folder of worker and starter; empty: this program's own.
	Bin string
}

// tellWithin bounds the stories: the longest waits for the time-out of a call that a kill cut short
// (45 s).
const tellWithin = 150 * time.Second

// Run tells the stories and reports whether each ended as told.
func Run(ctx context.Context, o Options) (asTold bool, err error) {
	stories := chosen(allStories(), o.Only)
	if len(stories) == 0 {
		return false, fmt.Errorf("no story's name contains %q", o.Only)
	}
	t := newTeller(o.Out, widest(stories))
	t.say("", "starting Dropline and its partners")
	w, err := open(ctx, o, func(format string, args ...any) { t.say("", fmt.Sprintf(format, args...)) })
	if err != nil {
		return false, err
	}
	defer w.close()
	if o.Develop {
		w.introduce(o.Out)
		err := w.stay(ctx, o.Out)
		if err == nil {
			_ = os.RemoveAll(w.folder) // logs of what went well
		}
		return true, err
	}
	plays, err := w.rehearse(stories, t.say)
	if err != nil {
		return false, err
	}
	stray := w.tell(ctx, plays, t.say)
	if ctx.Err() != nil {
		return false, errors.New("interrupted")
	}
	if err := w.report(ctx, o.Out, plays); err != nil {
		return false, err
	}
	stray = append(stray, w.compareBooks(ctx, plays)...)
	stray = append(stray, w.audit(ctx, o.Out)...)
	for _, difference := range stray {
		fmt.Fprintln(o.Out, "violation:", difference)
	}
	told, violations := 0, len(stray)
	for _, p := range plays {
		violations += len(p.differences)
		if len(p.differences) == 0 {
			told++
		}
	}
	if o.History != "" {
		if err := w.record(ctx, o.History, plays); err != nil {
			return false, err
		}
	}
	if o.Keep {
		w.links(o.Out)
		w.access(o.Out)
	} else {
		fmt.Fprintln(o.Out, "make demo KEEP=1 leaves everything up: the Temporal UI, the API and the command line")
	}
	good := told == len(plays) && violations == 0
	if !good {
		fmt.Fprintf(o.Out, "logs:     %s\n", w.folder)
	}
	fmt.Fprintf(o.Out, "demo: %d orders, %d as told, %d violations\n", len(plays), told, violations)
	if o.Keep {
		if err := w.stay(ctx, o.Out); err != nil {
			return false, err
		}
	}
	if good {
		_ = os.RemoveAll(w.folder) // logs of what went well
	}
	return good, nil
}

// rehearse gives everybody their parts.
func (w *world) rehearse(stories []*story, say func(order, text string)) ([]*play, error) {
	plays := make([]*play, 0, len(stories))
	for _, s := range stories {
		if err := w.partners.cast(s.parts); err != nil {
			return nil, err
		}
		plays = append(plays, &play{story: s, world: w, say: say, ended: make(chan struct{})})
	}
	return plays, nil
}

// tell tells all stories side by side, kills the worker in the middle, and looks a last time whether
// what had ended as told still stands so. It returns what differs beyond the stories.
func (w *world) tell(ctx context.Context, plays []*play, say func(order, text string)) (stray []string) {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	say("", fmt.Sprintf("%d orders are placed", len(plays)))
	var performances sync.WaitGroup
	performances.Go(func() { w.watch(ctx, plays) })
	for _, p := range plays {
		performances.Go(func() { p.perform(ctx) })
	}
	if crashes(plays) {
		if err := w.crash(ctx, plays, say); err != nil {
			stray = append(stray, err.Error())
		}
	}
	performances.Wait()
	for _, p := range plays {
		if len(p.differences) == 0 {
			p.differences = p.compare(context.WithoutCancel(ctx))
		}
	}
	return stray
}

func crashes(plays []*play) bool {
	for _, p := range plays {
		if p.story.crash {
			return true
		}
	}
	return false
}

// absence is how long a program that was killed stays away: long enough to see what is missed, as in
// production until its supervisor has started another.
const absence = 5 * time.Second

// stay keeps everything up until ctx ends. A program that ends is started again, so that killing one
// by hand shows what happens then; one that cannot be started again is the error.
func (w *world) stay(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "everything stays up until Ctrl-C; a worker or gateway that you kill is started again")
	for {
		var died *processes.Process
		select {
		case <-ctx.Done():
			return nil
		case <-w.worker.Ended:
			died = w.worker
		case <-w.gateway.Ended:
			died = w.gateway
		}
		fmt.Fprintf(out, "%s ended (%s): another one starts in %s\n", died.Name, died.Fate(), absence)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(absence):
		}
		if err := w.replace(ctx, died); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // being told to stop is no failure
			}
			return err
		}
		fmt.Fprintf(out, "%s is up again\n", died.Name)
	}
}

// replace starts a program in place of one that ended.
func (w *world) replace(ctx context.Context, died *processes.Process) (err error) {
	if died == w.worker {
		return w.restartWorker(ctx)
	}
	if w.gateway, err = w.programs.Start("starter", "gateway.log", nil, "serve"); err != nil {
		return err
	}
	return w.gateway.Ready(ctx, w.gatewayURL)
}

func chosen(all []*story, only string) []*story {
	var list []*story
	for _, s := range all {
		if slices.ContainsFunc(strings.Split(only, ","), func(word string) bool { return strings.Contains(s.name, word) }) {
			list = append(list, s)
		}
	}
	return list
}

func widest(stories []*story) int {
	n := 0
	for _, s := range stories {
		n = max(n, len(s.name))
	}
	return n
}
