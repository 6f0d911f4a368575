package crash

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// database puts the life between a worker and Postgres, at the wire: a call is what goes out together
// and is answered together, one statement or a batch.
func (l *life) database(config *pgx.ConnConfig) {
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &pgConn{Conn: conn, life: l, prepared: map[string]string{}, starting: true}, nil
	}
}

// pgConn reads along with the PostgreSQL protocol, version 3. What belongs to one call is sent when the
// whole call is known, and its answer is given on when the whole answer is there.
type pgConn struct {
	net.Conn
	life *life

	out      []byte // not yet sent: the start of a call
	prepared map[string]string
	batch    []string // statements of the call that is being put together
	starting bool     // the first message has no type
	tx       []string // what was written since BEGIN

	mu    sync.Mutex
	calls []*sqlCall // sent and not yet answered

	in     []byte // received and not yet given on
	parsed int    // how much of it was looked at
	ready  int    // how much of it may be given on
}

// sqlCall is one round trip.
type sqlCall struct {
	name   string // empty: it executes nothing
	rows   int64
	failed bool
}

// Messages of the frontend after which an answer is due, or that stand alone.
const endsCall = "QSXHpcfd"

// Write takes messages apart; whole ones are looked at before they are sent.
func (c *pgConn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	for {
		n, ends := c.take()
		if n == 0 {
			return len(p), nil
		}
		if ends {
			if _, err := c.Conn.Write(c.out[:n]); err != nil {
				return 0, err
			}
			c.out = append([]byte(nil), c.out[n:]...)
		}
	}
}

// take looks for the end of the first call in what is to be sent; it returns its length, or zero when
// the end has not come.
func (c *pgConn) take() (n int, ends bool) {
	if c.starting {
		if len(c.out) < 4 || len(c.out) < int(binary.BigEndian.Uint32(c.out)) {
			return 0, false
		}
		n = int(binary.BigEndian.Uint32(c.out))
		const askForTLS = 80877103
		c.starting = binary.BigEndian.Uint32(c.out[4:]) == askForTLS
		if c.starting {
			c.mu.Lock()
			c.calls = append(c.calls, nil) // its answer is a single byte
			c.mu.Unlock()
		}
		return n, true
	}
	c.batch = nil
	for at := 0; len(c.out) >= at+5; {
		size := 1 + int(binary.BigEndian.Uint32(c.out[at+1:]))
		if len(c.out) < at+size {
			return 0, false
		}
		kind, body := c.out[at], c.out[at+5:at+size]
		c.read(kind, body)
		at += size
		if strings.IndexByte(endsCall, kind) >= 0 {
			if kind == 'Q' || kind == 'S' {
				c.begin()
			}
			return at, true
		}
	}
	return 0, false
}

func (c *pgConn) read(kind byte, body []byte) {
	switch kind {
	case 'Q':
		c.batch = append(c.batch, text(body))
	case 'P':
		name := text(body)
		c.prepared[name] = text(body[len(name)+1:])
	case 'B':
		portal := text(body)
		c.batch = append(c.batch, c.prepared[text(body[len(portal)+1:])])
	}
}

// text reads up to a zero byte.
func text(body []byte) string {
	s, _, _ := strings.Cut(string(body), "\x00")
	return s
}

func (c *pgConn) begin() {
	call := &sqlCall{name: c.nameOf(c.batch)}
	if call.name != "" {
		c.life.begins(call.name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

// Read gives on whole answers only.
func (c *pgConn) Read(p []byte) (int, error) {
	for c.ready == 0 {
		buffer := make([]byte, 16<<10)
		n, err := c.Conn.Read(buffer)
		c.in = append(c.in, buffer[:n]...)
		c.look()
		if err != nil && c.ready == 0 {
			return 0, err
		}
	}
	n := copy(p, c.in[:c.ready])
	c.in, c.ready, c.parsed = c.in[n:], c.ready-n, c.parsed-n
	return n, nil
}

// look goes through what has been received.
func (c *pgConn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if len(c.calls) > 0 && c.calls[0] == nil {
			if len(c.in) == c.parsed {
				return
			}
			c.parsed++
			c.ready, c.calls = c.parsed, c.calls[1:]
			continue
		}
		if len(c.in) < c.parsed+5 {
			return
		}
		size := 1 + int(binary.BigEndian.Uint32(c.in[c.parsed+1:]))
		if len(c.in) < c.parsed+size {
			return
		}
		kind, body := c.in[c.parsed], c.in[c.parsed+5:c.parsed+size]
		c.parsed += size
		if len(c.calls) == 0 {
			c.ready = c.parsed // the conversation that opens the connection, or a notice
			continue
		}
		c.answer(kind, body)
	}
}

// answer takes one message of the answer to the first open call.
func (c *pgConn) answer(kind byte, body []byte) {
	call := c.calls[0]
	switch kind {
	case 'C':
		words := strings.Fields(text(body))
		if rows, err := strconv.ParseInt(words[len(words)-1], 10, 64); err == nil {
			call.rows += rows
		} else {
			call.rows++ // COMMIT and the like
		}
	case 'E':
		call.failed = true
	case 'Z':
		c.calls = c.calls[1:]
		if call.name != "" {
			c.life.applied(call.name, call.rows > 0 && !call.failed)
		}
		c.ready = c.parsed
	}
}

// nameOf names a call by what it does: "sql.update-outbox", or for a batch what is in it. A COMMIT is
// named by what it commits. BEGIN alone does nothing, and has no name.
func (c *pgConn) nameOf(statements []string) string {
	var words []string
	for _, statement := range statements {
		word := wordOf(statement)
		switch word {
		case "", "begin":
			c.tx = nil
			continue
		case "rollback":
			c.tx = nil
		case "commit":
			if len(words) == 0 && len(c.tx) > 0 {
				words = append(words, c.tx[len(c.tx)-1])
			}
			c.tx = nil
		default:
			if !strings.HasPrefix(word, "select") {
				c.tx = append(c.tx, word)
			}
		}
		if len(words) == 0 || words[len(words)-1] != word {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return ""
	}
	const most = 4
	if len(words) > most {
		words = append(append(words[:2:2], "and-"+strconv.Itoa(len(words)-3)), words[len(words)-1])
	}
	return "sql." + strings.Join(words, "+")
}

// wordOf says what a statement does, and to which table.
func wordOf(statement string) string {
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(statement, "(", " ")))
	if len(words) == 0 || strings.HasPrefix(words[0], "--") {
		return ""
	}
	switch words[0] {
	case "begin", "commit", "rollback":
		return words[0]
	}
	verb, table := words[0], ""
	for i, word := range words[:len(words)-1] {
		switch word {
		case "update", "into":
			if word == "update" && i > 0 && (words[i-1] == "do" || words[i-1] == "for" || words[i-1] == "key") {
				continue
			}
			verb = map[string]string{"update": "update", "into": "insert"}[word]
			if i > 0 && words[i-1] == "delete" {
				verb = "delete"
			}
			return verb + "-" + identifier(words[i+1])
		case "from":
			if i > 0 && words[i-1] == "delete" {
				return "delete-" + identifier(words[i+1])
			}
			if table == "" {
				table = identifier(words[i+1])
			}
		}
	}
	return strings.TrimSuffix(identifier(verb)+"-"+table, "-")
}

// identifier keeps the letters of a name.
func identifier(word string) string {
	end := strings.IndexFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if end >= 0 {
		word = word[:end]
	}
	return word
}
