package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/stage"
)

var intakeRows = []row{
	{"webhooks_per_s", "webhooks/s at the gateway, 16 senders"},
	{"p50_ms", "median answer, ms"},
	{"p99_ms", "p99 answer, ms"},
	{"pgbench_per_s", "the same INSERT by pgbench, 16 clients, /s"},
	{"pgbench_p50_ms", "its median, ms"},
	{"pgbench_p99_ms", "its p99, ms"},
	{"ratio", "webhooks/s beside pgbench's INSERTs/s"},
	{"drained_per_s", "documents applied a second, from the first webhook until none waits"},
	{"cpu_ms_gateway", "gateway CPU a webhook, ms (reading it included)"},
	{"cpu_ms_postgres", "Postgres CPU a webhook, ms"},
}

// senders are how many partners push at once.
const senders = 16

// intake measures what the front door takes, and beside it what Postgres takes of the same INSERT.
// The webhooks are a carrier's, each of another parcel, so that each is a document of its own.
func (b *bench) intake(ctx context.Context) (err error) {
	d, err := b.deploy(ctx, Shapes()[0].Suppliers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.addCarriers(ctx); err != nil {
		return err
	}
	var rounds []Figures
	for n := -1; n < b.sizes.rounds; n++ {
		figures, err := b.push(ctx, d, n+1)
		if err != nil {
			return err
		}
		if err := d.pause(); err != nil {
			return err
		}
		beside, err := b.pgbench(ctx)
		if err = errors.Join(err, d.resume()); err != nil {
			return err
		}
		figures.take("", beside)
		if n >= 0 {
			rounds = append(rounds, figures)
			b.progress("intake, round %d of %d: %.0f webhooks/s, p99 %.1f ms; pgbench %.0f/s", n+1, b.sizes.rounds,
				figures["webhooks_per_s"], figures["p99_ms"], figures["pgbench_per_s"])
		}
	}
	figures := Medians(rounds)
	if figures["pgbench_per_s"] > 0 {
		figures["ratio"] = figures["webhooks_per_s"] / figures["pgbench_per_s"]
	}
	b.report.Intake = figures
	return nil
}

// roles is how many tracking services a sender plays in turn: the gateway limits what each partner sends.
const roles = 4

// carrierOf is the tracking service that a sender plays with its i-th webhook.
func carrierOf(sender, i int) string { return fmt.Sprintf("track%d", sender*roles+i%roles) }

func (d *deployment) addCarriers(ctx context.Context) error {
	_, err := d.Pool.Exec(ctx, `INSERT INTO carriers (id, document)
		SELECT 'track' || n, jsonb_set(document, '{id}', to_jsonb('track' || n)) - 'aliases' FROM carriers, generate_series(0, $1) AS n
		WHERE id = 'track'`, senders*roles-1)
	if err != nil {
		return fmt.Errorf("add tracking services: %w", err)
	}
	// The gateway hears of new partners within seconds.
	for n := range senders * roles {
		body, err := json.Marshal(trackerEvent("DROPEX", "FIRST", "evt-first", 1))
		if err != nil {
			return err
		}
		for attempts := 0; ; attempts++ {
			err := pushScan(ctx, http.DefaultClient, d.Gateway+"/v1/carriers/"+carrierOf(n/roles, n)+"/events", body)
			if err == nil {
				break
			}
			if err := errors.Join(rest(ctx, time.Second), ctx.Err()); err != nil || attempts == 30 {
				return fmt.Errorf("introduce a tracking service: %w", err)
			}
		}
	}
	return nil
}

func (b *bench) push(ctx context.Context, d *deployment, round int) (Figures, error) {
	before, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err != nil {
		return nil, err
	}
	var times [senders][]time.Duration
	var failures [senders]error
	var taken atomic.Int64
	began := time.Now()
	var group sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}, Timeout: 30 * time.Second}
	for n := range senders {
		group.Go(func() {
			for i := 0; time.Since(began) < b.sizes.intakeFor && failures[n] == nil && ctx.Err() == nil; i++ {
				body, err := json.Marshal(trackerEvent("DROPEX", fmt.Sprintf("BENCH%dX%dX%d", round, n, i), fmt.Sprintf("evt-%d-%d-%d", round, n, i), 3))
				if err != nil {
					failures[n] = err
					return
				}
				asked := time.Now()
				failures[n] = pushScan(ctx, client, d.Gateway+"/v1/carriers/"+carrierOf(n, i)+"/events", body)
				times[n] = append(times[n], time.Since(asked))
				taken.Add(1)
			}
		})
	}
	group.Wait()
	took := time.Since(began).Seconds()
	for _, err := range failures {
		if err != nil { // the others say the same
			return nil, err
		}
	}
	if err := d.drained(ctx); err != nil {
		return nil, err
	}
	drained := time.Since(began).Seconds()
	after, err := cpuOf(d.at, d.worker.pid(), d.gateway.pid())
	if err != nil {
		return nil, err
	}
	all := milliseconds(slices.Concat(times[:]...))
	count, used := float64(taken.Load()), after.less(before)
	return Figures{
		"webhooks_per_s": count / took, "p50_ms": quantile(all, 0.5), "p99_ms": quantile(all, 0.99), "drained_per_s": count / drained,
		"cpu_ms_gateway": used.gateway.Seconds() * 1000 / count, "cpu_ms_postgres": used.postgres.Seconds() * 1000 / count,
	}, nil
}

func milliseconds(times []time.Duration) []float64 {
	list := make([]float64, len(times))
	for n, t := range times {
		list[n] = float64(t.Microseconds()) / 1000
	}
	slices.Sort(list)
	return list
}

func pushScan(ctx context.Context, client *http.Client, address string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("push a scan: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(stage.Secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("push a scan: %w", err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("answered %d: %s", answer.StatusCode, said)
	}
	if err != nil {
		return fmt.Errorf("push a scan: %w", err)
	}
	return nil
}

// drained waits until every document is applied.
func (d *deployment) drained(ctx context.Context) error {
	for {
		var waiting bool
		if err := d.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM documents WHERE status = 'received')`).Scan(&waiting); err != nil {
			return fmt.Errorf("look for documents that wait: %w", err)
		}
		if !waiting {
			return nil
		}
		if err := rest(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// insertScript is the gateway's INSERT of a document of the same size, as pgbench repeats it.
const insertScript = `\set key random(1, 1000000000000000)
INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, status, reason_code, reason, next_attempt_at)
VALUES ('carrier/track', 'tracker.updated', :key, 'application/json', convert_to(repeat('x', 620), 'UTF8'),
  decode(repeat('ab', 32), 'hex'), 'received', '', '', now() + interval '0')
ON CONFLICT (source, natural_key) DO NOTHING RETURNING id;
`

// pgbench repeats the INSERT in a schema of its own. Without the program it leaves a note.
func (b *bench) pgbench(ctx context.Context) (_ Figures, err error) {
	program := filepath.Join(os.Getenv("DROPLINE_PG_BIN"), "pgbench")
	if _, err := os.Stat(program); err != nil { //nolint:gosec // the stack names its folder
		if program, err = exec.LookPath("pgbench"); err != nil {
			b.note("pgbench is not on this machine: intake stands without its comparison")
			return nil, nil //nolint:nilnil // there are no figures then
		}
	}
	url, drop, err := postgrestest.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop(context.WithoutCancel(ctx))) }()
	folder, err := os.MkdirTemp("", "dropline-bench-")
	if err != nil {
		return nil, fmt.Errorf("run pgbench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	script := filepath.Join(folder, "insert.sql")
	if err := os.WriteFile(script, []byte(insertScript), 0o600); err != nil {
		return nil, fmt.Errorf("run pgbench: %w", err)
	}
	at, schema, _ := strings.Cut(url, "search_path=")
	arguments := []string{
		"-n", "-M", "prepared", "-c", strconv.Itoa(senders), "-j", "2", "-T", strconv.Itoa(int(b.sizes.intakeFor.Seconds())),
		"-f", script, "-l", "--log-prefix=" + filepath.Join(folder, "log"), strings.TrimRight(at, "?&"),
	}
	command := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // pgbench, with arguments of our own
	command.Env = append(os.Environ(), "PGOPTIONS=-csearch_path="+schema)
	said, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run pgbench: %w: %s", err, said)
	}
	return readPgbench(string(said), folder)
}

var pgbenchSays = map[string]*regexp.Regexp{
	"pgbench_per_s": regexp.MustCompile(`tps = ([0-9.]+)`),
}

func readPgbench(said, folder string) (Figures, error) {
	figures := Figures{}
	for name, pattern := range pgbenchSays {
		if found := pattern.FindStringSubmatch(said); found != nil {
			figures[name], _ = strconv.ParseFloat(found[1], 64) // the pattern is a number
		}
	}
	logs, err := filepath.Glob(filepath.Join(folder, "log.*"))
	if err != nil {
		return nil, fmt.Errorf("find pgbench's logs: %w", err)
	}
	var times []float64
	for _, name := range logs {
		text, err := os.ReadFile(name) //nolint:gosec // the folder is our own
		if err != nil {
			return nil, fmt.Errorf("read pgbench's log: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 2 { // client, number, microseconds
				microseconds, _ := strconv.ParseFloat(fields[2], 64) // pgbench writes a number
				times = append(times, microseconds/1000)
			}
		}
	}
	slices.Sort(times)
	figures["pgbench_p50_ms"], figures["pgbench_p99_ms"] = quantile(times, 0.5), quantile(times, 0.99)
	return figures, nil
}

// note says once what could not be measured.
func (b *bench) note(text string) {
	if !slices.Contains(b.report.Notes, text) {
		b.report.Notes = append(b.report.Notes, text)
		b.progress("%s", text)
	}
}
