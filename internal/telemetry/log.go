// Package telemetry sets up logging: zerolog behind log/slog, so that our code and the Temporal SDK
// write the same lines.
package telemetry

import (
	"io"
	"log/slog"
	"time"

	"github.com/rs/zerolog"
)

// Logger writes to w as JSON lines, or for people when format is "text". level is debug, info, warn
// or error.
func Logger(w io.Writer, level, format, program string) *slog.Logger {
	if format == "text" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		parsed = zerolog.InfoLevel
	}
	logger := zerolog.New(w).Level(parsed).With().Timestamp().Str("program", program).Logger()
	return slog.New(zerolog.NewSlogHandler(logger))
}
