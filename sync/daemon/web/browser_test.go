package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/page.js
var pageJS string

// shifts adds up how far what was shown moved by itself.
const shifts = `window.shifted = 0; window.shifters = []; new PerformanceObserver((list) => {
	for (const e of list.getEntries()) if (!e.hadRecentInput) {
		window.shifted += e.value;
		window.shifters.push(...e.sources.map((s) => (s.node?.outerHTML || s.node?.textContent || "?").slice(0, 120)));
	}
}).observe({type: "layout-shift", buffered: true});`

// browser is a real Chromium with one tab.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	origin string
	faults []string // errors of the console, violated policies, requests that lead elsewhere
}

// openBrowser starts Chromium, or skips the test where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("there is no Chromium on this machine: the page is not tried in a browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("hide-scrollbars", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	order(b, devpage.AddScriptToEvaluateOnNewDocument, devpage.AddScriptToEvaluateOnNewDocumentParams{Source: shifts})
	b.window(1280, 900)
	return b
}

// watch notes what must not happen on any page.
func (b *browser) watch(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %+v", *ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console %s: %+v", ev.Type, ev.Args))
	case *log.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	case *network.EventRequestWillBeSent:
		if at := ev.Request.URL; !strings.HasPrefix(at, b.origin) && !strings.HasPrefix(at, "data:") && at != "about:blank" {
			b.faults = append(b.faults, "request to "+at)
		}
	}
}

// clean fails the test by what was noted, and forgets it.
func (b *browser) clean(where string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		b.t.Errorf("%s: %s", where, fault)
	}
	b.faults = nil
}

// patience is how long the browser may take for one thing.
const patience = 30 * time.Second

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// order gives the browser a command of its protocol.
func order[P, R any](b *browser, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	out, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// open loads a page of an origin.
func (b *browser) open(origin, path string) {
	b.t.Helper()
	b.mu.Lock()
	b.origin = origin
	b.mu.Unlock()
	b.do(chromedp.Navigate(origin + path))
}

// window sets the size of the window, in CSS pixels.
func (b *browser) window(width, height int64) {
	b.t.Helper()
	defer b.do(chromedp.Evaluate[chromedp.Void]("window.shifted = 0")) // a reader who turns the phone expects that
	order(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
}

// scheme sets what the reader prefers, "light" or "dark".
func (b *browser) scheme(name string) {
	b.t.Helper()
	order(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// ask evaluates an expression in the page.
func ask[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.200s: %v", expression, err)
	}
	return out
}

// until waits until an expression is true in the page.
func (b *browser) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ask[bool](b, "Boolean("+expression+")") {
		if time.Now().After(deadline) {
			b.t.Fatalf("never true: %s; the page says\n%.3000s", expression, ask[string](b, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// says waits until the page shows a text.
func (b *browser) says(text string) {
	b.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		b.t.Fatal(err)
	}
	b.until(`document.body.innerText.includes(` + string(quoted) + `)`)
}

// click clicks the first element of a selector, and waits for the page it leads to.
func (b *browser) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
}

// inspect checks what has to hold of every page in every state and look.
func (b *browser) inspect(where string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](pageJS))
	for _, check := range []string{"contrast", "wide", "outline", "loaded"} {
		for _, fault := range ask[[]string](b, "weirTest."+check+"()") {
			b.t.Errorf("%s, %s: %s", where, check, fault)
		}
	}
	if moved := ask[float64](b, "window.shifted"); moved >= 0.1 {
		b.t.Errorf("%s: what is shown moved by %.3f", where, moved)
	}
	b.clean(where)
}

// axeFile is where axe-core is: the file axe.min.js of the npm package.
const axeFile = "WEIR_AXE"

// axe reads axe-core, "" where nobody says where it is.
func axe(t *testing.T) string {
	t.Helper()
	path := os.Getenv(axeFile)
	if path == "" {
		t.Logf("%s does not name axe.min.js of the npm package axe-core: only the checks of our own are made", axeFile)
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// accessible has axe-core look at the page, where it is there.
func (b *browser) accessible(axe, where string) {
	b.t.Helper()
	if axe == "" {
		return
	}
	b.do(chromedp.Evaluate[chromedp.Void](axe))
	for _, fault := range ask[[]string](b, `axe.run({resultTypes: ["violations"]}).then((r) => r.violations.map((v) =>
		v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 3).join(" ")))`) {
		b.t.Errorf("%s, axe: %s", where, fault)
	}
}

// TestBrowser_EveryPlace: with something in every place, every page can be read in
// every look: contrast, width, headings, tables, and axe-core finds nothing.
func TestBrowser_EveryPlace(t *testing.T) {
	b := openBrowser(t)
	axe := axe(t)
	origin := serve(t, full("A sentence of others"))
	for i, path := range pages {
		lang := languages[i%len(languages)].code
		b.scheme("light")
		b.window(1280, 900)
		b.open(origin, path+"?lang="+lang)
		b.do(chromedp.Evaluate[chromedp.Void](unfold, chromedp.EvalAwaitPromise))
		b.inspect(path)
		b.accessible(axe, path)
		b.scheme("dark")
		b.inspect(path + ", dark")
		b.accessible(axe, path+", dark")
		for _, width := range []int64{820, 390} {
			b.window(width, 844)
			b.inspect(fmt.Sprintf("%s, dark, %d px", path, width))
		}
		b.accessible(axe, path+", dark, 390 px")
	}
}

// unfold opens what is folded; that this moves what is below is as it should be.
const unfold = `document.querySelectorAll("details").forEach((d) => { d.open = true; });
	new Promise((done) => setTimeout(() => { window.shifted = 0; done(); }, 100))`

// TestBrowser_LongTexts: a word of ten thousand letters in every place makes no
// page wider than the window.
func TestBrowser_LongTexts(t *testing.T) {
	b := openBrowser(t)
	origin := serve(t, full(strings.Repeat("longwithoutablank", 600)))
	for _, path := range pages {
		b.open(origin, path)
		b.do(chromedp.Evaluate[chromedp.Void](unfold, chromedp.EvalAwaitPromise), chromedp.Evaluate[chromedp.Void](pageJS))
		for _, width := range []int64{1280, 390} {
			b.window(width, 844)
			for _, fault := range ask[[]string](b, "weirTest.wide()") {
				t.Errorf("%s at %d px: %s", path, width, fault)
			}
		}
		b.window(1280, 900)
		b.clean(path)
	}
}

// TestBrowser_Keyboard: the first key leads past the navigation, and whatever has
// the focus shows it.
func TestBrowser_Keyboard(t *testing.T) {
	b := openBrowser(t)
	b.open(serve(t, full("x")), "/?lang=en")
	b.do(chromedp.Evaluate[chromedp.Void](pageJS))
	type focus struct {
		What       string
		Main, Seen bool
	}
	press := func(key string) focus {
		b.do(chromedp.KeyEvent(key))
		return ask[focus](b, "weirTest.focused()")
	}
	if f := press("\t"); f.What != "A Skip to the content" || !f.Seen {
		t.Errorf("first: %+v", f)
	}
	if f := press("\r"); !f.Main {
		t.Errorf("after the skip link: %+v", f)
	}
	seen := map[string]bool{}
	for range 60 {
		f := press("\t")
		if !f.Seen && !strings.HasPrefix(f.What, "BODY") { // after the last it is the browser's turn
			t.Errorf("%s has the focus, and does not show it", f.What)
		}
		seen[f.What] = true
	}
	for _, want := range []string{"BUTTON Copy", "BUTTON Sync now", "PRE Command", "SUMMARY As a table", "A Metrics"} {
		if !seen[want] {
			t.Errorf("the keyboard does not reach %s, only %v", want, seen)
		}
	}
}
