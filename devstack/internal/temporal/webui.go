package temporal

import (
	"context"
	"fmt"
	"net/http"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	"github.com/dropline/dropline/devstack/internal/ports"
)

// uiReadyWithin bounds the wait for the first page.
const uiReadyWithin = 10 * time.Second

// webUI is the Temporal Web UI, served from assets inside the binary.
type webUI struct {
	server *uiserver.Server
	url    string
}

// startUI starts the UI on a port found free just before: the module ends the whole
// process when it cannot listen.
func startUI(ctx context.Context, picker *ports.Picker, preferred int, frontend, namespace string) (*webUI, error) {
	port, err := picker.Pick(preferred)
	if err != nil {
		return nil, err
	}
	server := uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		Host:                ports.Loopback,
		Port:                port,
		TemporalGRPCAddress: frontend,
		DefaultNamespace:    namespace,
		EnableUI:            true,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain HTTP on loopback
	}))
	// Start blocks for the life of the UI and answers no error worth more than the health
	// check below.
	go func() { _ = server.Start() }()
	ui := &webUI{server: server, url: "http://" + ports.Address(port)}
	if err := ui.awaitReady(ctx); err != nil {
		ui.stop()
		return nil, err
	}
	return ui, nil
}

func (u *webUI) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, uiReadyWithin)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the Temporal Web UI did not answer at %s: %w", u.url, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (u *webUI) stop() { u.server.Stop() }
