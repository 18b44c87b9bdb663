package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"weir/sync/resource"
)

// ObservationsFormat is the format of what /api/v1/observations answers.
const ObservationsFormat = "weir.observations/v1"

// ObservationsHead is what an answer of /api/v1/observations says of itself; the
// observations follow as a list of resource.Observation, ordered by ID.
type ObservationsHead struct {
	Format  string    `json:"format"`
	Version string    `json:"version"` // of the daemon
	Now     time.Time `json:"now"`     // by the clock that the observations have their time from
	Identity
}

// observations streams what was last seen of each resource, of those of one
// account with ?account=.
func (d *Daemon) observations(w http.ResponseWriter, _ *http.Request, q *query) {
	l := d.loop()
	w.Header().Set("Content-Type", "application/json")
	head := ObservationsHead{ObservationsFormat, d.opts.Version, time.Now(), l.identity}
	_ = writeObservations(w, head, l.Observations(q.text("account"))) // one who is gone
}

func writeObservations(w io.Writer, head ObservationsHead, all iter.Seq[resource.Observation]) error {
	out := bufio.NewWriter(w)
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s,\"observations\":[", text[:len(text)-1])
	sep := "\n"
	for o := range all {
		if text, err = json.Marshal(o); err != nil {
			return err
		}
		if _, err = fmt.Fprintf(out, "%s%s", sep, text); err != nil {
			return err
		}
		sep = ",\n"
	}
	fmt.Fprint(out, "\n]}\n")
	return out.Flush()
}

// ReadObservations reads what /api/v1/observations answers: each observation is
// given to keep as it comes. One that does not end is an error.
func ReadObservations(r io.Reader, accept func(ObservationsHead) error, keep func(resource.Observation)) error {
	var head ObservationsHead
	dec := json.NewDecoder(r)
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	fields := map[string]any{
		"format": &head.Format, "version": &head.Version, "now": &head.Now, "state": &head.State, "accounts": &head.Accounts,
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string)
		switch into, known := fields[key]; {
		case key == "observations":
			err = readList(dec, head, accept, keep)
		case known:
			err = dec.Decode(into)
		default:
			err = dec.Decode(new(any))
		}
		if err != nil {
			return err
		}
	}
	return expect(dec, json.Delim('}'))
}

func readList(
	dec *json.Decoder, head ObservationsHead, accept func(ObservationsHead) error, keep func(resource.Observation),
) error {
	if head.Format != ObservationsFormat {
		return fmt.Errorf("format %q: want %q", head.Format, ObservationsFormat)
	}
	if err := errors.Join(accept(head), expect(dec, json.Delim('['))); err != nil {
		return err
	}
	for dec.More() {
		var o resource.Observation
		if err := dec.Decode(&o); err != nil {
			return err
		}
		keep(o)
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v where %v was expected", got, want)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
