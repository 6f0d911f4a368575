package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// Dependency is a link that Dropline, or a partner of it, relies on.
type Dependency string

// The links.
const (
	None              Dependency = ""
	WorkerToTemporal  Dependency = "worker → Temporal"
	GatewayToTemporal Dependency = "gateway → Temporal"
	WorkerToPostgres  Dependency = "worker → Postgres"
	GatewayToPostgres Dependency = "gateway → Postgres"
	ToSupplier        Dependency = "worker → supplier"
	ToStorefront      Dependency = "worker → storefront"
	ToCarrier         Dependency = "worker → carrier"
	ToPayments        Dependency = "worker → payment provider"
	ToMail            Dependency = "courier → mail server"
	ToGateway         Dependency = "partner → gateway"
)

var protocols = map[Dependency]Protocol{
	WorkerToTemporal: GRPC, GatewayToTemporal: GRPC, WorkerToPostgres: Postgres, GatewayToPostgres: Postgres,
	ToSupplier: HTTP, ToStorefront: HTTP, ToCarrier: HTTP, ToPayments: HTTP, ToMail: SMTP, ToGateway: HTTP,
}

// partOf is the part that a link leads to, where the stage knows it.
var partOf = map[stage.Part]Dependency{
	stage.Suppliers: ToSupplier, stage.Storefront: ToStorefront, stage.Carrier: ToCarrier, stage.Payments: ToPayments,
	stage.Mail: ToMail, stage.Gateway: ToGateway,
}

// Rig is what worlds share.
type Rig struct {
	Names *Names
	Certs *Certificates
}

// Wishes say which world is wanted.
type Wishes struct {
	// Through is the link that faults will befall; the others are direct.
	Through Dependency
	// Secured: clients speak TLS on it. Named: they find it by a name.
	Secured, Named bool
	// Suppliers play instead of Acme and Tardy.
	Suppliers []stage.Supplier
	// Connections of each program to Postgres; zero: 5.
	Connections int
}

// World is a stage whose gateway and worker are processes of their own, with one link that can be broken.
type World struct {
	*stage.Stage

	Link            *Link // nil when none was wished for
	Worker, Gateway *Program

	rig    *Rig
	wishes Wishes
	// paid are the payments of orders at the payment provider, by the order's id.
	paid map[string]paid
}

// Players are Acme, who acknowledges by webhook and ships, and Tardy, who acknowledges and never ships, so
// that its orders can be cancelled.
func Players() []stage.Supplier {
	pause := suppliersim.Duration(100 * time.Millisecond)
	return []stage.Supplier{
		{ID: "acme", Manner: suppliersim.Manner{
			Ack:  suppliersim.AckManner{When: suppliersim.AckByWebhook, Delay: pause},
			Ship: suppliersim.ShipManner{Delay: pause, Carrier: "dropex"},
		}},
		{ID: "tardy", Manner: suppliersim.Manner{
			Ack: suppliersim.AckManner{When: suppliersim.AckInResponse}, Ship: suppliersim.ShipManner{Never: true},
		}},
	}
}

// Open puts a world up, with one worker.
func (r *Rig) Open(ctx context.Context, wishes Wishes) (_ *World, err error) {
	w := &World{rig: r, wishes: wishes, paid: map[string]paid{}}
	if w.wishes.Suppliers == nil {
		w.wishes.Suppliers = Players()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if wishes.Through != None {
		if w.Link, err = NewLink(protocols[wishes.Through], r.Names, r.Certs, wishes.Secured); err != nil {
			return nil, err
		}
	}
	w.Stage, err = stage.Open(ctx, stage.Options{
		Suppliers: w.wishes.Suppliers, ScanEvery: 100 * time.Millisecond, Mail: true, SilentCarrier: wishes.Through == ToCarrier,
		Connections: connections(wishes.Connections), Capture: w.capture(),
		Between: w.between, StartGateway: w.startGateway,
		Adjust: func(s *config.Settings) {
			if wishes.Through == ToMail && wishes.Secured {
				s.Mail.TLS = "mandatory"
			}
		},
	})
	if err != nil {
		return nil, err
	}
	w.Worker, err = w.StartWorkerProcess()
	return w, err
}

// connections of one program. Worlds side by side share a server that takes 200, and pools keep what they have.
func connections(wished int) int32 {
	const few, most = 5, 24
	if wished == 0 {
		return few
	}
	return int32(min(wished, most))
}

// Close takes everything down.
func (w *World) Close() error {
	var failures []error
	if w.Worker != nil {
		failures = append(failures, w.Worker.Stop())
	}
	if w.Stage != nil {
		failures = append(failures, w.Stage.Close()) // ends the gateway as well
	}
	if w.Link != nil {
		w.Link.Close()
	}
	return errors.Join(failures...)
}

// between stands before the part that the broken link leads to.
func (w *World) between(part stage.Part, at string) (string, error) {
	if partOf[part] != w.wishes.Through || w.Link == nil {
		return at, nil
	}
	if part == stage.Mail {
		w.Link.To(at)
		return w.seen(), nil
	}
	base, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	w.Link.To(base.Host)
	base.Host = w.seen()
	if w.wishes.Secured {
		base.Scheme = "https"
	}
	return base.String(), nil
}

// seen is the host and port under which clients find the link.
func (w *World) seen() string {
	if w.wishes.Named {
		return w.Link.Named()
	}
	return w.Link.Address()
}

// StartWorkerProcess starts one more worker.
func (w *World) StartWorkerProcess() (*Program, error) {
	settings, err := w.environment(w.Settings, WorkerToTemporal, WorkerToPostgres)
	if err != nil {
		return nil, err
	}
	return StartProgram(WorkerPart, settings)
}

func (w *World) startGateway(_ context.Context, s config.Settings) (base string, stop func() error, err error) {
	settings, err := w.environment(s, GatewayToTemporal, GatewayToPostgres)
	if err != nil {
		return "", nil, err
	}
	if w.Gateway, err = StartProgram(GatewayPart, settings); err != nil {
		return "", nil, err
	}
	return "http://" + w.Gateway.Address, func() error { return w.Gateway.Stop() }, nil
}

// RestartGateway puts a gateway in the place of one that died. Partners find it through the broken link.
func (w *World) RestartGateway() error {
	base, stop, err := w.startGateway(context.Background(), w.Settings)
	if err != nil {
		return err
	}
	_ = stop // the stage stops whichever gateway is there
	w.Stage.Gateway = base
	if w.wishes.Through == ToGateway {
		w.Link.To(strings.TrimPrefix(base, "http://"))
	}
	return nil
}

// environment is what a program is told, with the broken link in the place of what it leads to.
func (w *World) environment(s config.Settings, temporal, database Dependency) ([]string, error) {
	list := append(os.Environ(),
		"DROPLINE_DATABASE_CONNECTIONS="+strconv.Itoa(int(s.DatabaseConnections)), "TEMPORAL_NAMESPACE="+s.TemporalNamespace,
		"DROPLINE_LISTEN_ADDRESS=127.0.0.1:0", "DROPLINE_HEALTH_ADDRESS=127.0.0.1:0", "DROPLINE_LOG_LEVEL=warn", "DROPLINE_LOG_FORMAT=text",
		"DROPLINE_ALLOW_PRIVATE_PARTNERS=true", "DROPLINE_CUSTOMER_HASH_KEY="+s.CustomerHashKey,
		"DROPLINE_SMTP_HOST="+s.Mail.Host, "DROPLINE_SMTP_PORT="+strconv.Itoa(s.Mail.Port), "DROPLINE_SMTP_TLS="+s.Mail.TLS,
		"DROPLINE_MAIL_FROM="+s.Mail.From,
	)
	if w.wishes.Named {
		list = append(list, namesVariable+"="+w.rig.Names.Address())
	}
	at := s.DatabaseURL
	switch w.wishes.Through {
	case temporal:
		w.Link.To(os.Getenv("TEMPORAL_ADDRESS"))
		list = append(list, "TEMPORAL_ADDRESS="+w.seen())
		if w.wishes.Secured {
			list = append(list, "TEMPORAL_TLS=true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH="+w.rig.Certs.Authority)
		}
	case database:
		base, err := url.Parse(at)
		if err != nil {
			return nil, errors.New("DATABASE_URL: want a URL, to put a proxy before it")
		}
		w.Link.To(base.Host)
		base.Host = w.seen()
		if w.wishes.Secured {
			query := base.Query()
			query.Set("sslmode", "verify-full")
			query.Set("sslrootcert", w.rig.Certs.Authority)
			base.RawQuery = query.Encode()
		}
		at = base.String()
	}
	return append(list, "DATABASE_URL="+at), nil
}

// Answers are what the gateway said to one request, until it took it. Zero stands for no answer.
type Answers struct {
	Statuses []int
	Body     map[string]any
}

// Last is the status that ended the request.
func (a Answers) Last() int { return a.Statuses[len(a.Statuses)-1] }

const (
	// answerWithin is what a patient client gives the gateway, longer than the gateway takes for anything.
	answerWithin = 20 * time.Second
	askAgain     = 200 * time.Millisecond
)

// Ask makes a request of the gateway again and again, as documented, until it answers something else
// than 429 or 503.
func (w *World) Ask(ctx context.Context, method, path string, body any) (Answers, error) {
	var a Answers
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	for {
		status, answer := w.ask(ctx, method, path, text)
		a.Statuses, a.Body = append(a.Statuses, status), answer
		if status != 0 && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
			return a, nil
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("%s %s was answered %v: %w", method, path, a.Statuses, ctx.Err())
		case <-time.After(askAgain):
		}
	}
}

func (w *World) ask(ctx context.Context, method, path string, text []byte) (status int, answer map[string]any) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.Stage.Gateway+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+w.Key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil
	}
	_ = json.Unmarshal(said, &answer) // a body that is no JSON is no answer's
	return response.StatusCode, answer
}

// Order places an order for one thing of each SKU, patiently, with the payment that Pay made for it.
func (w *World) Order(ctx context.Context, id string, skus ...string) (order.Key, Answers, error) {
	a, err := w.Ask(ctx, http.MethodPost, "/v1/orders", w.document(id, skus...))
	if err == nil && a.Last() != http.StatusCreated && a.Last() != http.StatusOK {
		err = fmt.Errorf("order %s was answered %v: %v", id, a.Statuses, a.Body)
	}
	return order.Key{Storefront: "shop", Order: id}, a, err
}

// CancelOrder asks for the cancellation of a whole order, patiently.
func (w *World) CancelOrder(ctx context.Context, key order.Key) (Answers, error) {
	path := "/v1/orders/" + key.Storefront + "/" + key.Order + "/cancel"
	a, err := w.Ask(ctx, http.MethodPost, path, map[string]any{"request_id": "cancel-" + key.Order, "reason": "customer"})
	if err == nil && a.Last() != http.StatusOK && a.Last() != http.StatusAccepted {
		err = fmt.Errorf("the cancellation of %s was answered %v: %v", key, a.Statuses, a.Body)
	}
	return a, err
}

// Mailer sends to a world's mail server.
func Mailer(m config.Mail) (*notify.Mailer, error) {
	return notify.NewMailer(notify.Config{Host: m.Host, Port: m.Port, From: m.From, TLS: notify.TLS(m.TLS)})
}

// Logs are the ends of what gateway and worker wrote, for the story of a failure.
func (w *World) Logs() string {
	var b strings.Builder
	if w.Gateway != nil {
		b.WriteString("gateway:\n" + w.Gateway.Said())
	}
	if w.Worker != nil {
		b.WriteString("\nworker:\n" + w.Worker.Said())
	}
	return b.String()
}
