package easypost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/carrier"
)

// perCall is how many tracking numbers EasyPost takes in one request.
const perCall = 100

// Parcel names one tracked box.
type Parcel struct {
	Carrier  string
	Tracking string
}

// Tracked is what the tracker knows of one parcel.
type Tracked struct {
	Parcel
	Scans    []carrier.Scan
	Unplaced int // scans left out because they carry no readable time
}

// Batch is the answer for many parcels.
type Batch struct {
	Tracked []Tracked
	// Missing are the parcels that the tracker said nothing readable about.
	Missing []Parcel
}

// Kinds of failure of a poll. A poll changes nothing, so each may be repeated.
var (
	ErrUnavailable = errors.New("tracker unavailable")
	ErrRefused     = errors.New("refused by the tracker")
)

// Error is a failed poll. Kind is ErrUnavailable, ErrRefused or ErrMalformed.
type Error struct {
	Kind       error
	Status     int           // HTTP status; zero when there was no answer
	RetryAfter time.Duration // what the tracker asked for; zero when it did not say
	Detail     string        // holds nothing of the answer
}

func (e *Error) Error() string { return fmt.Sprintf("poll trackers: %v: %s", e.Kind, e.Detail) }

// Unwrap lets errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Config says where the tracker is.
type Config struct {
	BaseURL string // for example https://api.easypost.com/v2
	APIKey  string
	// Timeout bounds one call with its body; zero means 20 seconds.
	Timeout time.Duration
	// HTTP is the client to use, so that the caller's rules on where to connect hold; nil means one
	// of its own.
	HTTP *http.Client
}

// Client polls the tracker. It is safe for concurrent use.
type Client struct {
	config Config
	http   http.Client
}

// NewClient checks the configuration.
func NewClient(c Config) (*Client, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("tracker: the base URL must be an absolute http or https URL")
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	client := &Client{config: c}
	if c.HTTP != nil {
		client.http = *c.HTTP
	}
	// The key travels with the request: a redirect must not take it elsewhere.
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// Track asks for parcels, at most 100 a call. When a call fails, what was learnt before is
// returned together with an *Error; parcels not asked for are in neither list.
func (c *Client) Track(ctx context.Context, parcels []Parcel) (Batch, error) {
	var batch Batch
	for len(parcels) > 0 {
		n := min(perCall, len(parcels))
		trackers, err := c.call(ctx, parcels[:n])
		if err != nil {
			return batch, err
		}
		batch.match(parcels[:n], trackers)
		parcels = parcels[n:]
	}
	return batch, nil
}

// match finds the answer for each parcel by its number, and by its carrier too where two carriers'
// parcels share the number. The scans take the carrier's name as it was asked for, because
// suppliers and the tracker name the same carrier differently.
func (b *Batch) match(asked []Parcel, trackers []tracker) {
	sharing := map[string]int{}
	for _, p := range asked {
		sharing[carrier.Number(p.Tracking)]++
	}
	for _, p := range asked {
		number := carrier.Number(p.Tracking)
		found := false
		for _, t := range trackers {
			if carrier.Number(t.TrackingCode) != number || number == "" {
				continue
			}
			if sharing[number] > 1 && carrier.Name(t.Carrier) != carrier.Name(p.Carrier) {
				continue
			}
			if p.Carrier != "" {
				t.Carrier = p.Carrier
			}
			if read, err := t.read(); err == nil {
				b.Tracked, found = append(b.Tracked, read), true
				break
			}
		}
		if !found {
			b.Missing = append(b.Missing, p)
		}
	}
}

func (c *Client) call(ctx context.Context, parcels []Parcel) ([]tracker, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	numbers := make([]string, 0, len(parcels))
	for _, p := range parcels {
		numbers = append(numbers, carrier.Number(p.Tracking))
	}
	query := url.Values{"tracking_codes": {strings.Join(numbers, ",")}, "page_size": {strconv.Itoa(perCall)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.BaseURL+"/trackers?"+query.Encode(), nil)
	if err != nil {
		return nil, &Error{Kind: ErrRefused, Detail: "the request could not be built"}
	}
	request.Header.Set("Accept", "application/json")
	if c.config.APIKey != "" {
		request.SetBasicAuth(c.config.APIKey, "")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &Error{Kind: ErrUnavailable, Detail: silenceOf(err)}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response)
	}
	return readTrackers(response.Body)
}

func readTrackers(body io.Reader) ([]tracker, error) {
	raw, err := io.ReadAll(io.LimitReader(body, MaxBatch+1))
	if err != nil {
		return nil, &Error{Kind: ErrUnavailable, Status: http.StatusOK, Detail: "the answer broke off"}
	}
	if len(raw) > MaxBatch {
		return nil, &Error{Kind: ErrMalformed, Status: http.StatusOK, Detail: "the answer is too large"}
	}
	var list struct {
		Trackers *[]tracker `json:"trackers"`
	}
	if err := decode(raw, &list); err != nil {
		return nil, &Error{Kind: ErrMalformed, Status: http.StatusOK, Detail: err.Error()}
	}
	if list.Trackers == nil || len(*list.Trackers) > maxTracker {
		return nil, &Error{Kind: ErrMalformed, Status: http.StatusOK, Detail: "no list of trackers, or too long a one"}
	}
	return *list.Trackers, nil
}

// silenceOf describes a failed round trip without its URL, which names the parcels.
func silenceOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return "no connection"
}

func statusError(response *http.Response) *Error {
	e := &Error{Kind: ErrRefused, Status: response.StatusCode, Detail: "answered " + strconv.Itoa(response.StatusCode)}
	if response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusRequestTimeout {
		e.Kind, e.RetryAfter = ErrUnavailable, retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter reads seconds or an HTTP date (RFC 9110, 10.2.3), capped at an hour so that a broken
// clock at the other end does not stop tracking.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), time.Hour)
}
