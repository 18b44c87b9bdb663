package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
)

func seen(n int) []resource.Observation {
	var out []resource.Observation
	for i := range n {
		o := resource.Observation{
			ID: resource.ID{Account: "ali", Kind: "Recording", Key: fmt.Sprint(i)}, At: time.Unix(int64(i), 7).UTC(),
			Spec: resource.Spec(fmt.Sprintf(`{"n":%d}`, i)), Exists: i%2 == 0, Live: i%3 == 0, Epoch: strings.Repeat("e", i%2),
		}
		if i%7 == 0 {
			o.Spec, o.Unreadable, o.Unfamiliar = "", "no \"answer\"", true
		}
		out = append(out, o)
	}
	return out
}

// TestObservations_ReadAsWritten: each comes back as it was, in order; what ends
// early, is not accepted or is something else is an error.
func TestObservations_ReadAsWritten(t *testing.T) {
	head := ObservationsHead{
		ObservationsFormat, "v1", time.Unix(1e9, 0).UTC(), Identity{State: "s", Accounts: map[string]string{"ali": "1", "volc": "2"}},
	}
	all := seen(500)
	var b bytes.Buffer
	if err := writeObservations(&b, head, slices.Values(all)); err != nil {
		t.Fatal(err)
	}
	read := func(text string, refuse error) ([]resource.Observation, error) {
		var got []resource.Observation
		err := ReadObservations(strings.NewReader(text), func(h ObservationsHead) error {
			if !reflect.DeepEqual(h, head) {
				t.Errorf("head %+v, want %+v", h, head)
			}
			return refuse
		}, func(o resource.Observation) { got = append(got, o) })
		return got, err
	}
	if got, err := read(b.String(), nil); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%d observations, want %d, or others; %v", len(got), len(all), err)
	}
	for cut := 0; cut < b.Len()-1; cut += 1 + b.Len()/997 {
		if _, err := read(b.String()[:cut], nil); err == nil {
			t.Errorf("what ends after %d of %d bytes is no error", cut, b.Len())
		}
	}
	if got, err := read(b.String(), io.ErrClosedPipe); !errors.Is(err, io.ErrClosedPipe) || len(got) > 0 {
		t.Errorf("%d observations of a head that was refused, %v", len(got), err)
	}
	if _, err := read(strings.Replace(b.String(), ObservationsFormat, "another/v1", 1), nil); err == nil {
		t.Error("another format is no error")
	}
}

// TestObservations_OfTheDaemon: each resource that was read is there, of one
// account where one is asked for.
func TestObservations_OfTheDaemon(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	ids := func(query string) (out []string) {
		code, body := get(t, d, "/api/v1/observations"+query)
		err := ReadObservations(strings.NewReader(body), func(h ObservationsHead) error {
			if h.Version != "test" || time.Since(h.Now) > time.Minute {
				t.Errorf("head %+v", h)
			}
			return nil
		}, func(o resource.Observation) { out = append(out, o.ID.String()) })
		if code != http.StatusOK || err != nil {
			t.Fatal(code, err)
		}
		return out
	}
	deadline := time.Now().Add(10 * time.Second) // written, and read back a second later
	for len(ids("")) == 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if got := ids("?account=ali"); !slices.Equal(got, []string{"ali/MultiStream/live.example.com"}) {
		t.Errorf("of ali %v", got)
	}
	if got := ids("?account=volc"); len(got) > 0 {
		t.Errorf("of volc %v", got)
	}
}
