package restapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dropline/dropline/internal/outbound"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// maxRetryAfter caps what a supplier may ask for: past it the order's own clocks decide.
const maxRetryAfter = time.Hour

// broken classifies a call that ended without an answer. The cause's own text is left out: it may
// quote the peer.
func (c *Client) broken(err error, written bool) error {
	if written {
		return c.fail(supplier.ErrUnknown, cause(err)+" after the request was sent")
	}
	return c.fail(supplier.ErrUnavailable, cause(err)+" before the request was sent")
}

func cause(err error) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		timeout     net.Error
	)
	switch {
	case errors.Is(err, outbound.ErrNotPublic):
		return "the address is not public"
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.As(err, &dns):
		return "the host name was not resolved"
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &record), errors.As(err, &alert):
		return "the TLS handshake failed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time,"
	default:
		return "the connection was lost"
	}
}

// refusal classifies every status but 200 and 201, which alone can be answers.
func (c *Client) refusal(response *http.Response, body []byte, now time.Time) error {
	status, code := response.StatusCode, problemCode(response, body)
	submitting := strings.HasSuffix(response.Request.URL.Path, submitPath)
	detail := fmt.Sprintf("HTTP %d", status)
	if code != "" {
		detail += ": " + code
	}
	switch {
	case status == http.StatusOK, status == http.StatusCreated:
		return nil
	case status == http.StatusNotFound && submitting:
		return c.fail(supplier.ErrRefused, detail)
	case status == http.StatusNotFound && code == wire.CodeNotFound:
		return c.fail(supplier.ErrNotFound, detail)
	case status == http.StatusNotFound:
		// A 404 from a proxy or a wrong base URL is no evidence that the order is not there.
		return c.fail(supplier.ErrUnknown, detail+" without the code "+wire.CodeNotFound)
	case status == http.StatusConflict && code == wire.CodeCancelled:
		return c.fail(supplier.ErrRefused, detail)
	case status == http.StatusConflict:
		return c.fail(supplier.ErrConflict, detail)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		failure := c.fail(supplier.ErrUnavailable, detail)
		failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
		return failure
	case status == http.StatusRequestTimeout:
		return c.fail(supplier.ErrUnknown, detail)
	case status >= 400 && status < 500:
		return c.fail(supplier.ErrRefused, detail)
	default:
		return c.fail(supplier.ErrUnknown, detail)
	}
}

// problemCode reads the code of a problem document. Only listed codes come back, so that a
// supplier's free text cannot reach an error.
func problemCode(response *http.Response, body []byte) string {
	if !strings.Contains(response.Header.Get("Content-Type"), "json") || len(body) > MaxDocument {
		return ""
	}
	var problem struct {
		Code string `json:"code"`
	}
	if decodeStrict(body, &problem) != nil {
		return ""
	}
	return wire.Reason(problem.Code)
}

// retryAfter reads seconds or an HTTP date (RFC 9110, 10.2.3); zero when it says neither.
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		// Bounded before the multiplication, which a huge number of either sign would overflow.
		wait = time.Duration(max(0, min(seconds, int64(maxRetryAfter/time.Second)))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, maxRetryAfter))
}
