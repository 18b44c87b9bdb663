package dirsource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/source"
)

func TestFailure_S16_Limits(t *testing.T) {
	five := map[string]string{}
	for i := range 5 {
		five[fmt.Sprintf("f%d.yaml", i)] = "12345"
	}
	deep := map[string]string{"a/b/c/d.yaml": "x: 1\n"}
	other := map[string]string{"a.yaml": ""}
	for i := range 20 {
		other[fmt.Sprintf("f%d.txt", i)] = ""
	}
	nested := map[string]string{"a/1.yaml": "", "b/1.yaml": "", "c/1.yaml": ""}
	for name, tt := range map[string]struct {
		files      map[string]string
		at, below  Limits // at the limit, and one below it
		code, path string
	}{
		"files":            {five, Limits{Files: 5}, Limits{Files: 4}, source.CodeFiles, ""},
		"files in folders": {nested, Limits{Files: 6}, Limits{Files: 5}, source.CodeFiles, ""},
		"names of any":     {other, Limits{Files: 3}, Limits{Files: 2}, source.CodeFiles, ""},
		"bytes of a file":  {five, Limits{FileBytes: 5}, Limits{FileBytes: 4}, source.CodeFileSize, "f0.yaml"},
		"bytes in all":     {five, Limits{TotalBytes: 25}, Limits{TotalBytes: 24}, source.CodeTotalSize, ""},
		"depth":            {deep, Limits{Depth: 3}, Limits{Depth: 2}, source.CodeDepth, "a/b/c"},
	} {
		t.Run(name, func(t *testing.T) {
			opt := brisk(t.TempDir())
			fill(t, opt.Path, tt.files)
			opt.Limits = tt.at
			if snap, err := open(t, opt).next(); err != nil || len(snap.Files) == 0 {
				t.Errorf("at the limit: %v, %v, want files", snap, err)
			}
			opt.Limits = tt.below
			open(t, opt).refuses(tt.code, tt.path)
		})
	}
}

// A folder of far too many files is refused after a few names beyond the
// limit, before any file is looked at.
func TestFailure_S16_RefusedEarly(t *testing.T) {
	const limit, files = 1000, 4000
	opt := brisk(t.TempDir())
	for i := range files {
		must(t, os.Symlink("x", filepath.Join(opt.Path, fmt.Sprintf("%05d.yaml", i)))) // quicker than files
	}
	opt.Limits.Files = limit
	f := open(t, opt)
	f.refuses(source.CodeFiles, "")
	sc := f.scanner()
	if err := sc.run(opt.Path); err == nil || sc.names > limit+batch || sc.taken > 0 {
		t.Errorf("%v after %d names, %d taken: want a fault before %d names, 0 taken", err, sc.names, sc.taken, limit+batch)
	}
}

// A limit that is passed while weir runs holds the last good.
func TestFailure_S16_GrownBeyond(t *testing.T) {
	opt := brisk(t.TempDir())
	opt.Limits = Limits{FileBytes: 10}
	fill(t, opt.Path, map[string]string{"a.yaml": "x: 1\n"})
	f := open(t, opt)
	f.want(map[string]string{"a.yaml": "x: 1\n"})
	f.write("a.yaml", strings.Repeat("x", 11))
	f.refuses(source.CodeFileSize, "a.yaml")
	f.write("a.yaml", "x: 2\n")
	f.reaches(map[string]string{"a.yaml": "x: 2\n"})
}

// What is in a manifest is no concern of the source: the loader refuses junk
// with its place, which it can only when it is given it.
func TestFailure_S17_BinaryJunk(t *testing.T) {
	filled(t, map[string]string{"a.yaml": "\x00\xff\xfe\x7fELF", "b.yaml": "x: 1\n"})
}

func TestFailure_S20_Names(t *testing.T) {
	for name, tt := range map[string]struct {
		files      []string
		code, path string
	}{
		"newline":             {[]string{"a\nb.yaml"}, source.CodeName, `"a\nb.yaml"`},
		"escape":              {[]string{"a\x1b[2J.yaml"}, source.CodeName, `"a\x1b[2J.yaml"`},
		"invalid UTF-8":       {[]string{"a\xff.yaml"}, source.CodeName, `"a\xff.yaml"`},
		"direction":           {[]string{"sub/a\u202elmay.yaml"}, source.CodeName, `"sub/a\u202elmay.yaml"`},
		"folder":              {[]string{"s\nb/a.yaml"}, source.CodeName, `"s\nb"`},
		"case":                {[]string{"A.yaml", "a.yaml"}, source.CodeNameClash, "a.yaml"},
		"case of folders":     {[]string{"x/A/1.yaml", "x/a/2.yaml"}, source.CodeNameClash, "x/a"},
		"case beyond ASCII":   {[]string{"É.yaml", "é.yaml"}, source.CodeNameClash, "é.yaml"},
		"case of file, ext":   {[]string{"a.YAML", "a.yaml"}, source.CodeNameClash, "a.yaml"},
		"no manifest":         {[]string{"a\nb.txt", "B.txt", "b.txt"}, "", ""},
		"case, other folders": {[]string{"x/a.yaml", "y/A.yaml"}, "", ""},
		"reserved by Windows": {[]string{"CON.yaml", "nul.yaml"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			opt := brisk(t.TempDir())
			for _, file := range tt.files {
				fill(t, opt.Path, map[string]string{file: "x: 1\n"})
			}
			f := open(t, opt)
			if tt.code != "" {
				f.refuses(tt.code, tt.path)
				return
			}
			if _, err := f.next(); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestFailure_V31_Selection(t *testing.T) {
	all := []string{
		"a.yaml", "b.YAML", "c.yml", "d.json", "e/f/g.JSON", "h.yaml.d/i.yaml",
		".hidden.yaml", ".git/config.yaml", "e/.cache/x.yaml", "j.yaml~", ".k.yaml.swp", "#l.yaml#", "4913",
		"m.txt", "n", "o.yaml.bak", "p.yaml.tmp", "q~/r.yaml",
	}
	want := map[string]string{}
	dir := t.TempDir()
	for i, name := range all {
		fill(t, dir, map[string]string{name: name})
		if i < 6 {
			want[name] = name
		}
	}
	open(t, brisk(dir)).want(want)
}
