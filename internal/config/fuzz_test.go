package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzSettings(f *testing.F) {
	f.Add("postgres://u:hunter2@db/d", "24", "587", "info", "false", "mail.example", "a@b.example")
	f.Add("", "-1", "99999999999999999999", "INFO", "yes", "mail.example", "")
	f.Add("x", "4294967298", "0x10", "debug\n", "true", "", "")
	f.Fuzz(func(t *testing.T, database, connections, port, level, private, host, from string) {
		values := map[string]string{
			"DATABASE_URL": database, "DROPLINE_DATABASE_CONNECTIONS": connections, "DROPLINE_SMTP_PORT": port, "DROPLINE_LOG_LEVEL": level,
			"DROPLINE_ALLOW_PRIVATE_PARTNERS": private, "DROPLINE_SMTP_HOST": host, "DROPLINE_MAIL_FROM": from,
		}
		settings, err := read(values)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				require.Regexp(t, `^[A-Z_]+(:| is not set)`, line, "each line names its variable")
			}
			require.NotContains(t, err.Error(), "hunter2")
			return
		}
		require.True(t, settings.DatabaseConnections >= 2 && settings.DatabaseConnections <= 1000)
		require.True(t, settings.Mail.Port >= 1 && settings.Mail.Port <= 65535)
		require.Contains(t, []string{"debug", "info", "warn", "error"}, settings.LogLevel)
		require.Equal(t, private == "true", settings.AllowPrivatePartners, "only the one word opens private networks")
	})
}

func TestReturnPagesNeedAnAddressAndKeysThatNobodyGuesses(t *testing.T) {
	t.Parallel()
	settings, err := read(map[string]string{
		"DATABASE_URL": "x", "DROPLINE_PUBLIC_URL": "https://returns.example", "DROPLINE_RETURN_LINK_KEYS": "a recent key of 16",
	})
	require.ErrorContains(t, err, "at least 16")
	require.Equal(t, []string{"a", "recent", "key", "of", "16"}, settings.ReturnLinkKeys)
	for _, pair := range [][2]string{{"https://returns.example", ""}, {"", "sixteen-characters"}, {"returns.example", "sixteen-characters"}} {
		_, err := read(map[string]string{"DATABASE_URL": "x", "DROPLINE_PUBLIC_URL": pair[0], "DROPLINE_RETURN_LINK_KEYS": pair[1]})
		require.ErrorContains(t, err, "DROPLINE_PUBLIC_URL: ")
		require.NotContains(t, err.Error(), "sixteen-characters")
	}
	_, err = read(map[string]string{
		"DATABASE_URL": "x", "DROPLINE_PUBLIC_URL": "https://returns.example/shop", "DROPLINE_RETURN_LINK_KEYS": "sixteen-characters another-sixteen-characters",
	})
	require.NoError(t, err)
}

func read(values map[string]string) (Settings, error) {
	return from(func(name string) (string, bool) {
		value, set := values[name]
		return value, set
	})
}
