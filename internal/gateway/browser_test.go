package gateway_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
)

// browser is a Chromium with one page, steered through its pipes (Chrome DevTools Protocol).
type browser struct {
	t       *testing.T
	in      io.Writer
	out     *bufio.Reader
	session string
	calls   int
	loads   int // pages that have loaded so far
}

// browse starts a browser that runs no scripts of pages, or skips the test where none is installed.
func browse(t *testing.T) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium is installed: the page is tested without a browser only")
	}
	toBrowser, in, err := os.Pipe()
	require.NoError(t, err)
	out, fromBrowser, err := os.Pipe()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	command := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	command.ExtraFiles = []*os.File{toBrowser, fromBrowser} // its descriptors 3 and 4
	require.NoError(t, command.Start())
	require.NoError(t, toBrowser.Close())
	require.NoError(t, fromBrowser.Close())
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_, _ = io.WriteString(in, `{"id": 0, "method": "Browser.close"}`+"\x00") // it may be gone already
		_, _ = io.Copy(io.Discard, out)
		_ = command.Wait()
		cancel()
		_ = in.Close()
	})
	target := b.call("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	b.session = b.call("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	for _, domain := range []string{"Page", "DOM", "Runtime"} {
		b.call(domain+".enable", nil)
	}
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	return b
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.calls++
	command := map[string]any{"id": b.calls, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		said := b.hear()
		if said.ID == b.calls {
			require.Empty(b.t, said.Error, method)
			return said.Result
		}
	}
}

type heard struct {
	ID     int
	Method string
	Result map[string]any
	Error  map[string]any
}

func (b *browser) hear() heard {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	require.NoError(b.t, err, "the browser has ended")
	var said heard
	require.NoError(b.t, json.Unmarshal(text[:len(text)-1], &said))
	if said.Method == "Page.loadEventFired" {
		b.loads++
	}
	return said
}

// load does something that leads to another page, and waits until that stands.
func (b *browser) load(do func()) {
	b.t.Helper()
	before := b.loads
	do()
	for b.loads == before {
		b.hear()
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.load(func() { b.call("Page.navigate", map[string]any{"url": url}) })
}

// value evaluates an expression from outside the page.
func (b *browser) value(expression string) any {
	b.t.Helper()
	got := b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})
	require.NotContains(b.t, got, "exceptionDetails", expression)
	return got["result"].(map[string]any)["value"]
}

func (b *browser) text() string {
	b.t.Helper()
	return b.value("document.body.innerText").(string)
}

// press clicks where an element is, as a finger does.
func (b *browser) press(selector string) {
	b.t.Helper()
	at := b.value(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2] })()`, selector)).([]any)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1})
	}
}

func (b *browser) attach(selector string, files ...string) {
	b.t.Helper()
	root := b.call("DOM.getDocument", nil)["root"].(map[string]any)["nodeId"]
	node := b.call("DOM.querySelector", map[string]any{"nodeId": root, "selector": selector})["nodeId"]
	b.call("DOM.setFileInputFiles", map[string]any{"nodeId": node, "files": files})
}

// size makes the window as wide as a device's.
func (b *browser) size(width int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
}

// shoot keeps a picture of the whole page in the folder DROPLINE_SCREENSHOTS, if that is set.
func (b *browser) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("DROPLINE_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture := b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})["data"].(string)
	body, err := base64.StdEncoding.DecodeString(picture)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), body, 0o600))
}

// serving serves a fixture's handler on the loopback address, as a process does.
func serving(t *testing.T, handler func() http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- gateway.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) }))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Log("a browser's connection was cut off:", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// The page is used in a browser, without scripts: what is wrong is marked, a picture is added, the return is
// granted, loading again asks for nothing, and it is taken back.
func TestTheReturnPageWorksInABrowserWithoutScripts(t *testing.T) {
	t.Parallel()
	b := browse(t)
	f, path := customers(t)
	host := serving(t, func() http.Handler { return f.handler })
	f.exec(`UPDATE storefronts SET document = jsonb_set(jsonb_set(document, '{name}', '"Mug & Tee"'), '{policy,returns,outcomes}',
		'["refund", "exchange", "store_credit"]') WHERE id = 'shop'`)

	b.size(1200)
	b.open(host + path)
	require.Contains(t, b.text(), "Send something back")
	require.Equal(t, "rgb(244, 243, 240)", b.value("getComputedStyle(document.body).backgroundColor"), "the policy lets its style sheet through")
	for _, width := range []int{1200, 768, 360, 320} {
		b.size(width)
		require.LessOrEqual(t, b.value("document.documentElement.scrollWidth"), float64(width), "nothing is cut off at %d pixels", width)
		require.GreaterOrEqual(t, b.value("Math.min(...[...document.querySelectorAll('button, select, input:not([type=hidden]):not([type=radio])')]."+
			"map(e => e.getBoundingClientRect().height))"), float64(44), "a finger can hit it")
		b.shoot(fmt.Sprintf("form-%d", width))
	}
	require.Empty(t, b.value(`[...document.querySelectorAll('select, textarea, input:not([type=hidden])')].filter(e => e.labels.length !== 1).map(e => e.name).join()`),
		"each field has its label")

	b.size(400)
	b.value(`document.querySelector('#quantity-1').value = '1'`)
	b.load(func() { b.press("button.send") })
	require.Contains(t, b.text(), "Say why you send it back.")
	require.Equal(t, "reason-1", b.value(`document.querySelector('[aria-invalid=true]').name`))
	require.Equal(t, "1", b.value(`document.querySelector('#quantity-1').value`), "what was chosen stays")
	b.shoot("wrong-400")

	picture := filepath.Join(t.TempDir(), "broken.png")
	require.NoError(t, os.WriteFile(picture, []byte(drawn(t, "png", 2)), 0o600))
	b.value(`document.querySelector('#reason-1').value = 'damaged'`)
	b.value(`document.querySelector('#note').value = 'The handle is off.'`)
	b.attach("#photos", picture)
	b.load(func() { b.press("button.send") })
	require.Contains(t, b.text(), "Your return is granted")
	require.Contains(t, b.value("location.pathname"), path+"/asked/")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_pictures`))
	require.Equal(t, 1, f.count(`SELECT count(*) FROM return_notes WHERE note = 'The handle is off.'`))
	b.load(func() { b.call("Page.reload", nil) })
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
	b.shoot("granted-400")

	b.load(func() { b.press("button.plain") })
	require.Contains(t, b.text(), "We have noted that you keep the goods")
	require.Contains(t, b.text(), "Cancelled")
	b.shoot("cancelled-400")
	b.open(host + path[:len(path)-1])
	require.Contains(t, b.text(), "This link leads nowhere")
	b.shoot("nowhere-400")
	require.NotContains(t, f.log.String(), `"level":"error"`)
}
