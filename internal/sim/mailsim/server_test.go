package mailsim_test

import (
	"net/smtp"
	"net/textproto"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/mailsim"
)

func send(s *mailsim.Server, id string) error {
	message := "Message-ID: <" + id + ">\r\nSubject: =?utf-8?q?K=C3=B6ln?=\r\nContent-Type: text/plain\r\n" +
		"Dropline-Notification: shop/1/placed/x\r\nDropline-Milestone: placed\r\n\r\nHello\r\n"
	return smtp.SendMail(s.Host()+":"+strconv.Itoa(s.Port()), nil, "a@shop.example", []string{"ann@customer.example"}, []byte(message))
}

func TestBooksCountEachMessageIDOnce(t *testing.T) {
	t.Parallel()
	s, err := mailsim.Start()
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.Script(mailsim.Temporary, 2)
	s.Script(mailsim.AnswerLost, 1)
	for range 2 {
		var reply *textproto.Error
		require.ErrorAs(t, send(s, "1@x"), &reply)
		require.Equal(t, 451, reply.Code)
	}
	require.Empty(t, s.Messages())
	require.Error(t, send(s, "1@x"), "taken, and hung up on")
	require.NoError(t, send(s, "1@x"))
	require.NoError(t, send(s, "2@x"))
	require.NoError(t, s.Await(t.Context(), func() bool { return len(s.Messages()) == 3 }))
	require.Equal(t, 2, s.Distinct())
	require.Len(t, s.To("ann@customer.example"), 2)
	require.Len(t, s.Told("shop/1", "placed"), 2)
	require.Empty(t, s.Told("shop/1", "shipped"))
	require.Equal(t, "Köln", s.Messages()[0].Subject)
	require.Equal(t, "Hello\r\n", s.Messages()[0].Text)
}
