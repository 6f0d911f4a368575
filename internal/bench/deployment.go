package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/stage"
)

// deployment is a Dropline whose gateway and worker are processes of their own. The partners are in
// this process, and so are the customers.
type deployment struct {
	*stage.Stage

	at              servers
	worker, gateway *part
	profile         string
	keys            []string // of the API, used in turn: each has its own limit of requests
}

// apiKeys is how many storefronts' worth of requests the orders of a load make.
const apiKeys = 16

const connectionsEach = 24 // the default of DROPLINE_DATABASE_CONNECTIONS

func (b *bench) deploy(ctx context.Context, suppliers []stage.Supplier) (_ *deployment, err error) {
	d := &deployment{profile: b.Profile}
	if d.at, err = findServers(); err != nil {
		return nil, err
	}
	d.Stage, err = stage.Open(ctx, stage.Options{
		Suppliers: suppliers, ScanEvery: stepPause, Connections: connectionsEach,
		StartGateway: func(_ context.Context, settings config.Settings) (string, func() error, error) {
			if d.gateway, err = startPart(roleGateway, settings, d.profile); err != nil {
				return "", nil, err
			}
			return d.gateway.url, d.gateway.stop, nil
		},
	})
	if err != nil {
		return nil, err
	}
	err = d.startWorker(ctx)
	for range apiKeys {
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		var key string
		key, _, err = apikey.New(d.Pool).Create(ctx, apikey.Operator, "")
		d.keys = append(d.keys, key)
	}
	return d, nil
}

// place posts an order with one of the keys. Each has a customer of its own: that of one who has placed
// hundreds would be compared with a hundred of them.
func (d *deployment) place(ctx context.Context, n int, id string, skus []string) error {
	caller := *d.Stage
	caller.Key = d.keys[n%len(d.keys)]
	document := stage.Document(id, skus...)
	document["email"] = id + "@person.example"
	status, err := caller.Call(ctx, http.MethodPost, "/v1/orders", document, nil)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("place order %s: answered %d", id, status)
	}
	return err
}

func (d *deployment) startWorker(ctx context.Context) (err error) {
	if d.worker, err = startPart(roleWorker, d.Settings, d.profile); err != nil {
		return err
	}
	return awaitReady(ctx, d.worker.url)
}

// awaitReady asks until a program says that it is ready.
func awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("wait until %s is ready: %w", url, err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := rest(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("wait until %s is ready: %w", url, err)
		}
	}
}

func (d *deployment) close() error {
	var failed error
	if d.gateway != nil {
		failed = d.gateway.resume()
	}
	if d.worker != nil {
		failed = errors.Join(failed, d.worker.stop())
	}
	return errors.Join(failed, d.Close())
}

// pause keeps gateway and worker from running while something else is measured.
func (d *deployment) pause() error { return errors.Join(d.gateway.pause(), d.worker.pause()) }

func (d *deployment) resume() error { return errors.Join(d.gateway.resume(), d.worker.resume()) }

// lookEvery is the pause between two counts of what is settled: each takes Postgres' time, too.
const lookEvery = 200 * time.Millisecond

// placeAll lets orders through, at most inFlight at once, and returns when all are through.
func (d *deployment) placeAll(ctx context.Context, name string, orders, inFlight int, shape *Shape) error {
	slots := make(chan struct{}, inFlight)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	placed := make(chan error, orders)
	go func() {
		for n := range orders {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			group.Go(func() {
				placed <- d.place(ctx, n, fmt.Sprintf("%s-%d", name, n), shape.SKUs)
			})
		}
	}()
	closed, accepted := 0, 0
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for closed < orders {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d orders were through: %w", closed, orders, context.Cause(ctx))
		case err := <-placed:
			if err != nil {
				cancel(err)
			}
			accepted++
			continue
		case <-ticker.C:
		}
		now := 0
		err := d.Pool.QueryRow(ctx, shape.done(), name).Scan(&now)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("count the orders that are through: %w", err)
		}
		for ; closed < min(now, accepted); closed++ {
			<-slots
		}
	}
	return nil
}
