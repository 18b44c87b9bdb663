package secret

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// canary is what must never be printed; nor its parts, nor its bytes in any
// base.
const canary = "Hunter2-c4n4ry"

var forms = []string{
	canary, "Hunter2", "c4n4ry",
	fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), fmt.Sprintf("%v", []byte(canary)),
	"SHVudGVyMi1jNG40cnk", // base64
}

func leaks(t *testing.T, how, text string) {
	t.Helper()
	for _, form := range forms {
		if strings.Contains(text, form) {
			t.Errorf("%s reveals the secret: %q", how, text)
		}
	}
}

// holder holds secrets in every way a struct can; fmt cannot call methods of
// what is in an unexported field.
type holder struct {
	Name     string
	Exported Secret
	Pointer  *Secret
	Any      any
	List     []Secret
	Map      map[string]Secret
	private  Secret
	hidden   *Secret
	Key      Key
}

func held() holder {
	s := New(canary)
	return holder{
		Name: "main", Exported: s, Pointer: &s, Any: s, List: []Secret{s}, Map: map[string]Secret{"a": s},
		private: s, hidden: &s, Key: Key{ID: "AKID", Secret: s, Token: s},
	}
}

func TestSecret_EveryVerb(t *testing.T) {
	s := New(canary)
	values := map[string]any{
		"value": s, "pointer": &s, "holder": held(), "pointer to holder": new(held()), "slice": []Secret{s},
		"array": [1]Secret{s}, "map": map[string]Secret{"a": s}, "map key": map[Secret]int{s: 1}, "any": any(s),
		"key": Key{ID: "AKID", Secret: s, Token: s}, "struct": struct{ s Secret }{s},
	}
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "40", "-40", "40.30", ".3"}
	for name, v := range values {
		for verb := byte('A'); verb <= 'z'; verb++ {
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				leaks(t, name+" with "+format, fmt.Sprintf(format, v))
			}
		}
		leaks(t, name+" with Sprint", fmt.Sprint(v))
		leaks(t, name+" with Sprintln", fmt.Sprintln(v))
		for _, wrong := range []string{"", "%*d", "%d %d", "%[3]d", "%!", "%"} {
			leaks(t, name+" with "+wrong, fmt.Sprintf(wrong, v))
		}
	}
}

func TestSecret_PrintsAsRedacted(t *testing.T) {
	s := New(canary)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10s"} {
		if got := fmt.Sprintf(format, s); got != Redacted {
			t.Errorf("%s prints %q, want %q", format, got, Redacted)
		}
	}
	for how, got := range map[string]string{"String": s.String(), "GoString": s.GoString()} {
		if got != Redacted {
			t.Errorf("%s is %q, want %q", how, got, Redacted)
		}
	}
	if got := fmt.Sprint(Secret{}); got != Redacted {
		t.Errorf("an empty secret prints %q, which tells that it is empty", got)
	}
}

func TestSecret_Encoders(t *testing.T) {
	type public struct {
		Secret  Secret            `json:"secret" xml:"secret,attr" yaml:"secret"`
		Pointer *Secret           `json:"pointer" xml:"pointer" yaml:"pointer"`
		Map     map[Secret]string `json:"map" xml:"-" yaml:"-"`
	}
	s := New(canary)
	v := public{Secret: s, Pointer: &s, Map: map[Secret]string{s: "x"}}
	for how, encode := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "xml": xml.Marshal, "yaml": yaml.Marshal,
		"text": func(any) ([]byte, error) { return encoding.TextMarshaler(s).MarshalText() },
	} {
		b, err := encode(v)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		leaks(t, how, string(b))
		if !strings.Contains(string(b), Redacted) {
			t.Errorf("%s is %q, want %q in it", how, b, Redacted)
		}
	}
	b, err := json.Marshal(held())
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "json of a holder", string(b))
}

func TestSecret_Log(t *testing.T) {
	s := New(canary)
	for how, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(how, func(t *testing.T) {
			var b bytes.Buffer
			log := slog.New(handler(&b))
			log.Info("value", "secret", s, "pointer", &s)
			log.Info("attr", slog.Any("secret", s), slog.Group("group", "secret", s))
			log.Info("holder", "holder", held(), "pointer", new(held()), "list", []Secret{s})
			log.Info("map", "map", map[string]any{"secret": s}, "key", Key{ID: "AKID", Secret: s})
			log.With("secret", s).WithGroup("g").Error("error", "err", fmt.Errorf("sign with %v: %w", s, errors.New("x")))
			log.Info(fmt.Sprint("message ", s))
			leaks(t, how, b.String())
			if got := strings.Count(b.String(), Redacted); got < 10 {
				t.Errorf("%q is there %d times, want at least 10: %s", Redacted, got, b.String())
			}
		})
	}
}

func TestSecret_Value(t *testing.T) {
	if got := New(canary).Reveal(); got != canary {
		t.Errorf("reveals %q, want %q", got, canary)
	}
	if !New("").Empty() || New(canary).Empty() {
		t.Error("Empty is wrong")
	}
	if same := New(canary); New(canary) != same || same == New("x") {
		t.Error("equality is not that of the values")
	}
}

func TestRef_File(t *testing.T) {
	long := strings.Repeat("x", MaxFile)
	for name, tt := range map[string]struct{ data, want string }{
		"plain":         {"abc", "abc"},
		"newline":       {"abc\n", "abc"},
		"windows":       {"abc\r\n", "abc"},
		"white space":   {" \t\nabc \n\n", "abc"},
		"inner space":   {"a b\nc\n", "a b\nc"},
		"largest":       {long, long},
		"too large":     {long + "x", ""},
		"empty":         {"", ""},
		"only newlines": {"\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			put(t, path, tt.data)
			s, err := Ref{File: path}.Read()
			if (err == nil) != (tt.want != "") {
				t.Fatalf("got %v", err)
			}
			if s.Reveal() != tt.want {
				t.Errorf("reveals %d bytes, want %d", len(s.Reveal()), len(tt.want))
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%q does not name the file", err)
			}
		})
	}
}

func TestRef_Errors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WEIR_TEST_EMPTY", "")
	for name, tt := range map[string]struct {
		ref  Ref
		want string
	}{
		"variable not set": {Ref{Env: "WEIR_TEST_UNSET"}, "environment variable WEIR_TEST_UNSET is not set"},
		"variable empty":   {Ref{Env: "WEIR_TEST_EMPTY"}, "environment variable WEIR_TEST_EMPTY is not set"},
		"file missing":     {Ref{File: filepath.Join(dir, "none")}, "no such file"},
		"file is a folder": {Ref{File: dir}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := tt.ref.Read()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !s.Empty() {
				t.Errorf("got %q, %v, want %q", s.Reveal(), err, tt.want)
			}
		})
	}
	if s, err := (Ref{}).Read(); err != nil || !s.Empty() {
		t.Errorf("a zero Ref gives %v, want an empty secret", err)
	}
}

// A file that is too large is refused without what is in it.
func TestRef_ErrorsDoNotReveal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	put(t, path, strings.Repeat(canary, MaxFile))
	_, err := KeyRef{ID: Ref{File: path}, Secret: Ref{File: path}}.Read()
	if err == nil {
		t.Fatal("a file beyond the limit was read")
	}
	leaks(t, "the error", err.Error())
}

func TestRef_Rotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	t.Setenv("WEIR_TEST_KEY", "first")
	put(t, path, "first\n")
	refs := map[string]Ref{"file": {File: path}, "environment": {Env: "WEIR_TEST_KEY"}}
	for _, want := range []string{"first", "second"} {
		t.Setenv("WEIR_TEST_KEY", want)
		put(t, path+".new", want+"\n")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		for how, ref := range refs {
			if s, err := ref.Read(); err != nil || s.Reveal() != want {
				t.Errorf("%s reveals %q, %v, want %q", how, s.Reveal(), err, want)
			}
		}
	}
}

func TestKeyRef(t *testing.T) {
	t.Setenv("WEIR_TEST_ID", "AKID")
	t.Setenv("WEIR_TEST_SECRET", canary)
	t.Setenv("WEIR_TEST_TOKEN", "token")
	id, sec, tok := Ref{Env: "WEIR_TEST_ID"}, Ref{Env: "WEIR_TEST_SECRET"}, Ref{Env: "WEIR_TEST_TOKEN"}
	unset := Ref{Env: "WEIR_TEST_UNSET"}
	for name, tt := range map[string]struct {
		ref  KeyRef
		want Key
		err  string
	}{
		"permanent":  {KeyRef{id, sec, Ref{}}, Key{"AKID", New(canary), Secret{}}, ""},
		"temporary":  {KeyRef{id, sec, tok}, Key{"AKID", New(canary), New("token")}, ""},
		"no id":      {KeyRef{Ref{}, sec, tok}, Key{}, "no access key is configured"},
		"no secret":  {KeyRef{id, Ref{}, tok}, Key{}, "no access key is configured"},
		"none":       {KeyRef{}, Key{}, "no access key is configured"},
		"bad id":     {KeyRef{unset, sec, tok}, Key{}, "access key id: environment"},
		"bad secret": {KeyRef{id, unset, tok}, Key{}, "access key secret: environment"},
		"bad token":  {KeyRef{id, sec, unset}, Key{}, "session token: environment"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.ref.Read()
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			leaks(t, "the error", fmt.Sprint(err))
		})
	}
}

func put(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}
