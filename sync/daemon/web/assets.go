package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"weir/sync/daemon/view"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files of the page under names that hold their hash, so that a
// browser may keep them for ever.
type assets struct {
	names map[string]string // name in the tree → name in an address
	files map[string][]byte // name in an address → content
}

func readAssets() (assets, error) {
	a := assets{names: map[string]string{}, files: map[string][]byte{}}
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return a, err
	}
	for _, e := range entries {
		b, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return a, err
		}
		a.add(e.Name(), b)
	}
	for c, tone := range conditions() {
		a.add(iconName(c), favicon(tone))
	}
	return a, nil
}

func (a assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.names[name], a.files[hashed] = hashed, content
}

// ServeHTTP serves one of the files.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func iconName(c view.Condition) string { return "state-" + string(c) + ".svg" }

// favicon draws the tab's picture of a condition: its colour and a sign.
func favicon(tone Tone) []byte {
	looks := map[Tone]struct{ colour, sign string }{
		toneOK:   {"#0f7a43", "M9 17l5 5 9-11"},
		toneBusy: {"#0b57d0", "M16 8v9l6 4"},
		toneWarn: {"#b35c00", "M16 8v10M16 22v2"},
		toneBad:  {"#c01f2b", "M11 11l10 10M21 11l-10 10"},
		toneHeld: {"#7432c4", "M12 10v12M20 10v12"},
		toneWait: {"#4d5b6b", "M10 16h.1M16 16h.1M22 16h.1"},
	}
	look := looks[tone]
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">`+
		`<circle cx="16" cy="16" r="15" fill="%s"/><path d="%s" fill="none" stroke="#fff" `+
		`stroke-width="3.5" stroke-linecap="round" stroke-linejoin="round"/></svg>`, look.colour, look.sign)
}
