// Package ports finds free TCP ports on the loopback interface.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Loopback is the only address the stack ever listens on.
const Loopback = "127.0.0.1"

// Free ports are drawn from below the ephemeral ranges of Linux (32768 up) and macOS
// (49152 up): between our look and the listener's bind no outgoing connection of
// another process can be given the same number as its source port.
const (
	lowest   = 20000
	highest  = 32000
	attempts = 200
)

// Picker hands out ports that differ from each other even before anything listens on them.
// Its zero value is ready; it is not for concurrent use.
type Picker struct {
	handedOut map[int]bool
}

// Pick returns preferred when it is not 0 and free, else a random free port.
func (p *Picker) Pick(preferred int) (int, error) {
	if preferred != 0 && p.claim(preferred) {
		return preferred, nil
	}
	for range attempts {
		if port := lowest + rand.IntN(highest-lowest); p.claim(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free TCP port between " +
		strconv.Itoa(lowest) + " and " + strconv.Itoa(highest) + " on " + Loopback)
}

func (p *Picker) claim(port int) bool {
	if p.handedOut[port] || !free(port) {
		return false
	}
	if p.handedOut == nil {
		p.handedOut = map[int]bool{}
	}
	p.handedOut[port] = true
	return true
}

func free(port int) bool {
	listener, err := net.Listen("tcp", Address(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Address is the loopback host:port of a port.
func Address(port int) string { return fmt.Sprintf("%s:%d", Loopback, port) }
