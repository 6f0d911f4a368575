// Package config reads the settings of worker and starter from the environment. Every variable is
// listed here once, with its default; docs/operating.md shows the same list. How to reach Temporal
// is not here: contrib/envconfig reads TEMPORAL_* and temporal.toml as the Temporal CLI does.
package config

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dropline/dropline/internal/returnlink"
)

// Settings are what worker and starter need besides the connection to Temporal.
type Settings struct {
	DatabaseURL string
	// TemporalNamespace overrides TEMPORAL_NAMESPACE; tests set it, the environment does not.
	TemporalNamespace   string
	DatabaseConnections int32
	// ListenAddress is the gateway's, HealthAddress the worker's own.
	ListenAddress string
	HealthAddress string
	LogLevel      string
	LogFormat     string // json or text
	// KeyRate bounds each API key, PartnerRate each partner that delivers webhooks; what is over them
	// is answered 429.
	KeyRate, PartnerRate Rate
	// AllowPrivatePartners lets partners live on loopback and private addresses: simulators, and
	// suppliers inside one's own network.
	AllowPrivatePartners bool
	// CustomerHashKey keys the hash by which orders of one customer are counted.
	CustomerHashKey string
	// PublicURL is the gateway as customers reach it; ReturnLinkKeys sign the links to their return pages, the
	// first one new ones, and each is believed. Without both there are no pages.
	PublicURL      string
	ReturnLinkKeys []string
	Mail           Mail
	// MailServer is the mail server whose word about the senders of incoming mail counts, by the name in its
	// Authentication-Results (authserv-id, RFC 8601); empty: no mail is taken.
	MailServer string
}

// Rate is how many requests are taken: so many a second for long, Burst at once.
type Rate struct{ PerSecond, Burst int }

// Mail is the server that takes messages to customers; without a host none are sent.
type Mail struct {
	Host, Username, Password, From, TLS string
	Port                                int
}

// ReturnLinks are the links to customers' return pages; nil without PublicURL and ReturnLinkKeys.
func (s Settings) ReturnLinks() (*returnlink.Links, error) {
	return returnlink.New(s.PublicURL, s.ReturnLinkKeys)
}

// Variable documents one environment variable.
type Variable struct {
	Name    string
	Default string
	Meaning string
	// Secret values are never shown.
	Secret bool
}

var variables = []Variable{
	{"DATABASE_URL", "", "PostgreSQL connection string of Dropline's database", true},
	{"DROPLINE_DATABASE_CONNECTIONS", "24", "most connections of one process to the database", false},
	{"DROPLINE_LISTEN_ADDRESS", "127.0.0.1:8080", "where the gateway listens", false},
	{"DROPLINE_HEALTH_ADDRESS", "", "where the worker answers /healthz, /readyz and /metrics; empty: nowhere", false},
	{"DROPLINE_LOG_LEVEL", "info", "debug, info, warn or error", false},
	{"DROPLINE_LOG_FORMAT", "json", "json, or text for people", false},
	{"DROPLINE_KEY_RATE", "50", "requests a second that each API key may make for long", false},
	{"DROPLINE_KEY_BURST", "100", "requests that each API key may make at once", false},
	{"DROPLINE_PARTNER_RATE", "200", "webhooks a second that each partner may deliver for long", false},
	{"DROPLINE_PARTNER_BURST", "1000", "webhooks that each partner may deliver at once", false},
	{"DROPLINE_ALLOW_PRIVATE_PARTNERS", "false", "true lets partners live on loopback and private addresses", false},
	{"DROPLINE_CUSTOMER_HASH_KEY", "dropline", "key of the hash by which one customer's orders are counted", true},
	{"DROPLINE_PUBLIC_URL", "", "the gateway's address for customers; empty: no return pages, no links to them", false},
	{"DROPLINE_RETURN_LINK_KEYS", "", "keys of those links, 16 characters or more, new before old, separated by spaces", true},
	{"DROPLINE_SMTP_HOST", "", "mail server for messages to customers; empty: none are sent", false},
	{"DROPLINE_SMTP_PORT", "587", "its port", false},
	{"DROPLINE_SMTP_USERNAME", "", "user name at the mail server; empty: without authentication", false},
	{"DROPLINE_SMTP_PASSWORD", "", "password at the mail server", true},
	{"DROPLINE_SMTP_TLS", "opportunistic", "opportunistic, mandatory or none", false},
	{"DROPLINE_MAIL_FROM", "", "sender of messages to customers", false},
	{"DROPLINE_MAIL_AUTHSERV", "", "mail server whose Authentication-Results count for suppliers' mail; empty: none is taken", false},
}

// mostRequests is a rate that limits nothing.
const mostRequests = 1_000_000

// Variables lists every environment variable that is read here.
func Variables() []Variable { return variables }

// FromEnvironment reads the settings and reports everything that is wrong with them at once.
func FromEnvironment() (Settings, error) { return from(os.LookupEnv) }

func from(look func(string) (string, bool)) (Settings, error) {
	values := map[string]string{}
	for _, v := range variables {
		values[v.Name] = v.Default
		if set, ok := look(v.Name); ok && set != "" {
			values[v.Name] = set
		}
	}
	var problems []error
	number := func(name string, least, most int) int {
		n, err := strconv.Atoi(values[name])
		if err != nil || n < least || n > most {
			problems = append(problems, fmt.Errorf("%s: want a number from %d to %d", name, least, most))
		}
		return n
	}
	oneOf := func(name string, choices ...string) string {
		for _, choice := range choices {
			if values[name] == choice {
				return choice
			}
		}
		problems = append(problems, fmt.Errorf("%s: want one of %v", name, choices))
		return ""
	}
	s := Settings{
		DatabaseURL:          values["DATABASE_URL"],
		DatabaseConnections:  int32(number("DROPLINE_DATABASE_CONNECTIONS", 2, 1000)),
		ListenAddress:        values["DROPLINE_LISTEN_ADDRESS"],
		HealthAddress:        values["DROPLINE_HEALTH_ADDRESS"],
		LogLevel:             oneOf("DROPLINE_LOG_LEVEL", "debug", "info", "warn", "error"),
		LogFormat:            oneOf("DROPLINE_LOG_FORMAT", "json", "text"),
		KeyRate:              Rate{number("DROPLINE_KEY_RATE", 1, mostRequests), number("DROPLINE_KEY_BURST", 1, mostRequests)},
		PartnerRate:          Rate{number("DROPLINE_PARTNER_RATE", 1, mostRequests), number("DROPLINE_PARTNER_BURST", 1, mostRequests)},
		AllowPrivatePartners: oneOf("DROPLINE_ALLOW_PRIVATE_PARTNERS", "false", "true") == "true",
		CustomerHashKey:      values["DROPLINE_CUSTOMER_HASH_KEY"],
		PublicURL:            values["DROPLINE_PUBLIC_URL"],
		ReturnLinkKeys:       strings.Fields(values["DROPLINE_RETURN_LINK_KEYS"]),
		MailServer:           values["DROPLINE_MAIL_AUTHSERV"],
		Mail: Mail{
			Host: values["DROPLINE_SMTP_HOST"], Port: number("DROPLINE_SMTP_PORT", 1, 65535),
			Username: values["DROPLINE_SMTP_USERNAME"], Password: values["DROPLINE_SMTP_PASSWORD"],
			From: values["DROPLINE_MAIL_FROM"], TLS: oneOf("DROPLINE_SMTP_TLS", "opportunistic", "mandatory", "none"),
		},
	}
	if s.DatabaseURL == "" {
		problems = append(problems, errors.New("DATABASE_URL is not set: want postgres://user@host:port/database"))
	}
	if _, err := s.ReturnLinks(); err != nil {
		problems = append(problems, fmt.Errorf("DROPLINE_PUBLIC_URL: it goes with DROPLINE_RETURN_LINK_KEYS: %w", err))
	}
	if s.Mail.Host != "" && s.Mail.From == "" {
		problems = append(problems, errors.New("DROPLINE_MAIL_FROM is not set, and DROPLINE_SMTP_HOST is"))
	}
	return s, errors.Join(problems...)
}
