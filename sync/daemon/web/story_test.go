package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestBrowser_Story follows the real program through everything that it can be
// in, before the eyes of a real browser: what is clicked leads where it says, an
// edit shows without a reload, and each state reads well in each look.
func TestBrowser_Story(t *testing.T) {
	b, d := openBrowser(t), startDemo(t)
	d.replace("weir.yaml", "drift: heal", "drift: report")
	d.replace("weir.yaml", quick, slow)
	d.Signal(syscall.SIGHUP)
	s := &story{browser: b, demo: d, axe: axe(t)}
	b.open(d.Page, "/?lang=en")
	b.until(`document.getElementById("live").dataset.state === "live"`)
	b.says("4 resources are as declared")
	b.clean("the first page")

	s.applies()
	s.filters()
	s.reads()
	s.waits()
	s.drifts()
	s.refuses()
	s.holds()
	s.withoutScript()
	s.speaks()
	s.survives()
}

// story is a browser before a demo.
type story struct {
	*browser
	*demo
	axe string
}

// What the configuration says of the quota of the account of relay sources: while
// it is slow, there is time to look at what is being applied.
const (
	quick = "quota: {share: 0.9}\n\npolicy"
	slow  = "quota: {share: 0.9, limits: {UpdateRelaySourceV3: 1}}\n\npolicy"
)

// applies: a push of many resources shows how far it is, in place: the page is not
// loaded anew, the focus stays and nothing scrolls.
func (s *story) applies() {
	s.do(chromedp.Evaluate[chromedp.Void](`window.shifted = 0`)) // at the start there was nothing to show yet
	s.relays("spring", 48)
	s.commit("Li Wei", "Relays for the spring season")
	s.until(`document.getElementById("state").textContent === "Applying" && document.querySelector(".hero .bar")`)
	if moved := ask[float64](s.browser, "window.shifted"); moved >= 0.1 {
		s.browser.t.Errorf("the push moved what was shown by %.3f: %s", moved, ask[[]string](s.browser, "window.shifters"))
	}
	s.state("applying")
	s.open(s.Page, "/plan?lang=en")
	s.says("spring-48")
	s.shoot("plan", 1280, "light", "en")
	s.open(s.Page, "/?lang=en")
	s.replace("weir.yaml", slow, quick)
	s.Signal(syscall.SIGHUP)
	s.do(chromedp.Evaluate[chromedp.Void](`window.kept = true; document.querySelector("#kinds ~ table a").focus(); scrollTo(0, 120)`))
	s.says("52 resources are as declared")
	s.says("Relays for the spring season")
	if !ask[bool](s.browser, `window.kept && document.activeElement.matches("#kinds ~ table a") && scrollY === 120`) {
		s.browser.t.Error("the page was loaded anew, or focus or scroll moved")
	}
	s.state("in-sync")
}

// filters: a count leads to its resources, which can be searched.
func (s *story) filters() {
	s.open(s.Page, "/?lang=en")
	s.click(`.tile.ok`)
	s.says("1–52 of 52")
	s.do(chromedp.SendKeys(chromedp.CSS(`input[name=q]`), "SPRING-1"))
	s.click(`.filters button`)
	s.says("1–10 of 10")
	if got := ask[string](s.browser, "location.search"); !strings.Contains(got, "lang=en") || !strings.Contains(got, "state=in-sync") {
		s.browser.t.Errorf("the search forgot the filter: %s", got)
	}
	s.do(chromedp.SetValue(chromedp.CSS(`select[name=state]`), "drifted"))
	s.click(`.filters button`)
	s.says("No resource matches.")
	s.click(`.empty a`)
	s.says("1–54 of 54")
	s.do(chromedp.SendKeys(chromedp.CSS(`input[name=label]`), "team=live"))
	s.click(`.filters button`)
	s.says("1–1 of 1")
	s.inspect("resources")
	s.open(s.Page, "/resources?lang=en")
	s.accessible(s.axe, "resources")
	s.shoot("resources", 1280, "light", "en")
}

// reads: a resource tells its three sides, its lease and its calls.
func (s *story) reads() {
	s.open(s.Page, "/resources?lang=en&kind=RtcPrefetch")
	s.click(`.list tbody th a`)
	s.says("Lease ends")
	s.says("cannot be read back")
	s.says("HotLiveRtcStream")
	s.until(`/in 59 min \d+ s/.test(document.querySelector("time[data-tick=in]").textContent)`)
	before := ask[string](s.browser, `document.querySelector("time[data-tick=in]").textContent`)
	s.until(`document.querySelector("time[data-tick=in]").textContent !== "` + before + `"`) // it counts down by itself
	s.open(s.Page, "/resources/volc-main/RelaySource/push.example.com/spring-07?lang=en")
	s.says("origin-3.example.org")
	s.says("Li Wei <li.wei@example.com>")
	s.says("UpdateRelaySourceV3")
	s.inspect("resource")
	s.accessible(s.axe, "resource")
	s.shoot("resource", 1280, "light", "en")
	s.open(s.Page, "/resources/volc-main/RelaySource/push.example.com/spring-07?lang=zh")
	s.shoot("resource", 390, "dark", "zh")
	s.window(1280, 900)
	s.open(s.Page, "/?lang=en")
}

// waits: what cannot be done yet says why.
func (s *story) waits() {
	s.Put("live/evening.yaml", "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: evening, state: recording}\n")
	s.commit("Zhang Min", "Record the evening show")
	s.until(`document.getElementById("state").textContent === "Waiting"`)
	s.state("waiting")
	s.revert()
	s.until(`document.getElementById("state").textContent === "In sync"`)
}

// drifts: what somebody does in the console shows, field by field.
func (s *story) drifts() {
	at := `{"relaySources": [{"vhost": "push.example.com", "app": "spring-07", "groups": [{"name": "main", "servers": [{"address": %q, "protocol": "rtmp"}]}]}]}`
	s.Cloud("PATCH", "world", json.RawMessage(fmt.Sprintf(at, "somebody.example.net")))
	s.Sync()
	s.until(`document.getElementById("state").textContent === "Drift"`)
	s.state("drift")
	s.open(s.Page, "/resources/volc-main/RelaySource/push.example.com/spring-07?lang=en")
	s.says("somebody.example.net")
	s.until(`document.querySelector(".differs").textContent.includes("groups[0].servers[0].address")`)
	s.shoot("drifted-resource", 1280, "light", "en")
	s.Cloud("PATCH", "world", json.RawMessage(fmt.Sprintf(at, "origin-3.example.org")))
	s.Sync()
	s.says("in sync") // this page too is kept new
	s.open(s.Page, "/?lang=en")
}

// refuses: a broken revision shows its lines, and the old one stays.
func (s *story) refuses() {
	s.replace("live/prefetch.yaml", "SHH, SG, NO", "SHH, SG, NOR")
	s.commit("Chen Hao", "Prefetch in Norway")
	s.until(`document.getElementById("state").textContent === "Refused"`)
	s.says("prefetch.yaml:10:22")
	s.until(`document.querySelector(".excerpt mark").textContent === "NOR"`)
	s.state("refused")
	s.revert()
	s.until(`document.getElementById("state").textContent === "In sync"`)
}

// holds: a plan that a guard holds names the command that lets it through.
func (s *story) holds() {
	s.relays("spring", 12)
	s.commit("Chen Hao", "The season is over")
	s.until(`document.getElementById("state").textContent === "Held"`)
	s.until(`/^weir apply --consent [0-9a-f]{32}$/.test(document.querySelector(".card.held .command code").textContent)`)
	s.state("held")
	s.open(s.Page, "/plan?lang=en")
	s.says("36")
	s.inspect("held plan")
	s.accessible(s.axe, "held plan")
	s.shoot("held-plan", 1280, "light", "en")
}

// withoutScript: everything is there, and the button leads back to the page.
func (s *story) withoutScript() {
	order(s.browser, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	s.open(s.Page, "/?lang=en")
	s.do(chromedp.WaitVisible(chromedp.CSS("noscript a.live")))
	s.click(`form[action$="api/v1/sync"] button`)
	s.do(chromedp.WaitVisible(chromedp.CSS(".card.held .command code")))
	s.click(`a[href*="resources"]`)
	s.do(chromedp.WaitVisible(chromedp.CSS("table.list")))
	order(s.browser, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	s.clean("without script")
}

// speaks: the page is in the language that the browser prefers, and another that is
// chosen stays chosen.
func (s *story) speaks() {
	order(s.browser, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": "zh-CN,zh;q=0.9"}})
	s.open(s.Page, "/")
	s.says("计划被拦截")
	if got := ask[string](s.browser, "document.documentElement.lang"); got != "zh-Hans" {
		s.browser.t.Errorf("the page of a Chinese browser is in %q", got)
	}
	s.click(`.languages a`)
	s.says("A plan is held")
	s.click(`.top nav li:nth-child(2) a`)
	s.says("Declared in")
	order(s.browser, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{}})
	s.clean("languages")
}

// survives: a daemon that goes away is said to be away, and what was shown stays.
func (s *story) survives() {
	s.open(s.Page, "/?lang=en")
	s.until(`document.getElementById("live").dataset.state === "live"`)
	s.Signal(syscall.SIGTERM)
	s.until(`["reconnecting", "offline"].includes(document.getElementById("live").dataset.state)`)
	s.says("A plan is held")
}

// state looks at the overview in a state: in both schemes, at both widths, in both
// languages.
func (s *story) state(name string) {
	s.browser.t.Helper()
	s.scheme("light")
	s.open(s.Page, "/?lang=en") // a state that begins may move what is below
	s.inspect(name)
	s.accessible(s.axe, name)
	for _, lang := range []string{"en", "zh"} {
		s.open(s.Page, "/?lang="+lang)
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 390} {
				s.shoot(name, width, scheme, lang)
			}
		}
	}
	s.inspect(name + ", dark, 390 px, zh")
	if name != "applying" { // which does not last
		s.accessible(s.axe, name+", dark, 390 px, zh")
	}
	s.scheme("light")
	s.window(1280, 900)
	s.open(s.Page, "/?lang=en")
}

// Where screenshots go: all of them to the folder that an environment variable
// names, and those of the README, on demand, to the tree:
//
//	go test ./sync/daemon/web -run TestBrowser_Story -update-screenshots
const (
	screenshots = "WEIR_SCREENSHOTS"
	committed   = "screenshots"
)

var update = flag.Bool("update-screenshots", false, "write the screenshots of the README anew")

// inReadme are the screenshots that are kept in the tree.
var inReadme = map[string]bool{
	"in-sync.1280.light.en": true, "applying.1280.light.en": true, "held.1280.light.en": true, "refused.1280.light.en": true,
	"drift.1280.dark.en": true, "waiting.1280.light.en": true, "in-sync.390.dark.zh": true, "drifted-resource.1280.light.en": true,
}

// shoot takes a picture of what the window shows.
func (s *story) shoot(name string, width int64, scheme, lang string) {
	s.browser.t.Helper()
	name = fmt.Sprintf("%s.%d.%s.%s", name, width, scheme, lang)
	dir := os.Getenv(screenshots)
	wanted := *update && inReadme[name]
	s.scheme(scheme)
	s.window(width, map[bool]int64{true: 844, false: 800}[width < 500])
	if dir == "" && !wanted {
		return
	}
	b := order(s.browser, devpage.CaptureScreenshot, devpage.CaptureScreenshotParams{})
	if dir != "" {
		keep(s.browser.t, filepath.Join(dir, name+".png"), b.Data)
	}
	if wanted {
		keep(s.browser.t, filepath.Join(committed, name+".png"), small(s.browser.t, b.Data))
	}
}

// TestScreenshots: those of the README are there, and small.
func TestScreenshots(t *testing.T) {
	const most = 120_000
	found, err := filepath.Glob(filepath.Join(committed, "*.png"))
	if err != nil || len(found) != len(inReadme) {
		t.Errorf("%d screenshots in %s, want %d: %v", len(found), committed, len(inReadme), err)
	}
	for name := range inReadme {
		info, err := os.Stat(filepath.Join(committed, name+".png"))
		if err != nil || info.Size() > most {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func keep(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// small packs a picture as well as PNG can: with a palette of the colours that are
// in it most, and for each other the nearest of these. Text stays sharp, since what
// is rare is only the edges of letters.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	flat := image.NewPaletted(img.Bounds(), palette(img))
	draw.Draw(flat, flat.Bounds(), img, img.Bounds().Min, draw.Src)
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, flat); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// palette returns the colours that a picture has most, counted in steps that the
// eye does not tell apart.
func palette(img image.Image) color.Palette {
	const step = 0xf8
	count := map[color.RGBA]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			count[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0xff}]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var out color.Palette
	near := map[color.RGBA]bool{}
	for _, c := range all {
		if alike := (color.RGBA{c.R & step, c.G & step, c.B & step, 0xff}); !near[alike] && len(out) < 256 {
			near[alike] = true
			out = append(out, c)
		}
	}
	return out
}
