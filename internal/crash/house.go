package crash

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/demo"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
)

// house is where stories are told: a scene with a database and a namespace of its own.
type house struct {
	scene       *demo.Scene
	environment []string // of its workers, besides the scene's
	close       func() error
}

func openHouse(ctx context.Context, secrets map[string]string, polled bool) (_ *house, err error) {
	var ends []func() error
	h := &house{close: func() error {
		var failures []error
		for i := range ends {
			failures = append(failures, ends[len(ends)-1-i]())
		}
		return errors.Join(failures...)
	}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	url, drop, err := postgrestest.Create(ctx)
	if err != nil {
		return nil, err
	}
	ends = append(ends, func() error { return drop(context.Background()) })
	temporal, namespace, err := enginetest.Register(ctx)
	if err != nil {
		return nil, err
	}
	ends = append(ends, func() error { temporal.Close(); return nil })
	h.scene, err = demo.OpenScene(ctx, demo.Stage{DatabaseURL: url, Namespace: namespace, Temporal: temporal, Secrets: secrets, Polled: polled})
	if err != nil {
		return nil, err
	}
	ends = append(ends, h.scene.Close)
	return h, nil
}

func (h *house) workers() []string { return append(h.scene.Environment(), h.environment...) }

// run is a story told once, with or without a crash.
type run struct {
	story   string
	telling demo.Telling
	first   []call
	// second are the calls of the worker that took over, died when it was started; zero: nobody died.
	second []call
	died   time.Time
	// complaint is what went wrong with the workers themselves.
	complaint string
}

// tell tells a story with a worker that dies at the point, if there is one, and another one that is
// started at once when it has.
func (h *house) tell(ctx context.Context, story string, armed *Point, hear func(string)) (*run, error) {
	perform, err := h.scene.Rehearse(ctx, story)
	if err != nil {
		return nil, err
	}
	first, err := startWorker(h.workers(), armed)
	if err != nil {
		return nil, err
	}
	told := make(chan struct{})
	second := make(chan *worker, 1)
	failure := make(chan error, 1)
	go func() {
		defer close(second)
		select {
		case <-told:
		case <-first.ended:
			if hear != nil {
				hear("*** the worker died (" + first.command.ProcessState.String() + "); another one is started")
			}
			another, err := startWorker(h.workers(), nil)
			if err != nil {
				failure <- err
				return
			}
			second <- another
		}
	}()
	r := &run{story: story}
	r.telling, err = perform(ctx, hear)
	close(told)
	another := <-second
	crashed := another != nil && first.killed()
	err = errors.Join(err, first.kill())
	r.first = first.made()
	if another != nil {
		select {
		case <-another.ended:
			r.complaint = "the second worker ended by itself: " + lastLines(another.errors.String())
		default:
		}
		err = errors.Join(err, another.kill())
		r.second, r.died = another.made(), another.began
		if !crashed {
			r.complaint = "the worker ended by itself: " + lastLines(first.errors.String())
		}
	}
	select {
	case failed := <-failure:
		err = errors.Join(err, failed)
	default:
	}
	if err != nil {
		return nil, fmt.Errorf("tell %s: %w", story, err)
	}
	return r, nil
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	const last = 3
	return strings.Join(lines[max(0, len(lines)-last):], " / ")
}
