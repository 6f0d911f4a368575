package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/supplier/mailed"
)

// Exit codes that mail servers know (sysexits.h). Every other one makes them send the message back.
const (
	exitMailUsage = 64 // EX_USAGE
	exitMailLater = 75 // EX_TEMPFAIL: the mail server keeps the message, and tries again
)

// receiveWithin is less than mail servers give a program: Postfix waits 1000 s, procmail less.
const receiveWithin = 2 * time.Minute

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns the error itself.
func (e *exitError) Unwrap() error { return e.err }

func (p *program) mail() *cobra.Command {
	c := group("mail", "Take in what suppliers send by mail",
		`mail takes in invoices and credit memos that suppliers send by mail, handed over by a mail server.`,
		`  starter mail receive < message.eml`)
	c.AddCommand(p.mailReceive())
	return c
}

func (p *program) mailReceive() *cobra.Command {
	c := &cobra.Command{
		Use: "receive", Short: "Take in one message from the standard input (for a mail server)",
		Long: `receive reads one message from the standard input, as Postfix (pipe), procmail and fetchmail hand it over. Whose
it is says the contract (mail.from); that it is theirs says the mail server, under the name that
DROPLINE_MAIL_AUTHSERV holds: by a signature of the sender's domain (dkim=pass) or by the sending machine
(spf=pass). Its CSV and JSON attachments are stored as if the supplier had posted them. Everything else waits
in starter inbox list, with the reason. The same message again changes nothing.

It exits with 0 when the message is stored or set aside, and with 75 (EX_TEMPFAIL) when it is not, so that the
mail server keeps it and tries again.`,
		Example: "  starter mail receive < message.eml",
		Args: func(c *cobra.Command, args []string) error {
			if err := exactly()(c, args); err != nil {
				return &exitError{exitMailUsage, err}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), receiveWithin)
			defer cancel()
			if err := p.receive(ctx); err != nil {
				return &exitError{exitMailLater, fmt.Errorf("the message is not stored, and has to come again: %w", err)}
			}
			return nil
		},
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &exitError{exitMailUsage, usagef(c, "%w", err)} })
	return c
}

var errNoMailServer = &service.Hinted{
	Err:  errors.New("DROPLINE_MAIL_AUTHSERV is not set"),
	Todo: "Set it to the name by which your mail server marks its Authentication-Results.",
}

func (p *program) receive(ctx context.Context) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	if s.MailServer == "" {
		return errNoMailServer
	}
	raw, err := io.ReadAll(io.LimitReader(p.in, mailed.MaxMessage+1))
	if err == nil {
		_, err = io.Copy(io.Discard, p.in) // a mail server takes a pipe that breaks for a failure
	}
	if err != nil {
		return fmt.Errorf("read the message: %w", err)
	}
	pool, err := p.database(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	filed, err := (&intake.Mailroom{Pool: pool, Server: s.MailServer}).Receive(ctx, raw)
	if err != nil {
		return err
	}
	if p.json {
		return p.writeJSON(map[string]any{
			"supplier": filed.Supplier, "documents": filed.Documents, "repeats": filed.Repeats, "quarantined": filed.Quarantined,
		})
	}
	p.say("%d documents stored, %d known already, %d set aside: starter inbox list.", filed.Documents, filed.Repeats, filed.Quarantined)
	return nil
}
