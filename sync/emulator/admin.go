package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// adminPath begins the paths of the emulator's own endpoints.
const adminPath = "/_emulator/"

// admin answers the emulator's own endpoints, which need no signature.
func (e *Emulator) admin(m *message) *answer {
	switch m.Method + " " + strings.TrimPrefix(m.URL.Path, adminPath) {
	case "GET world":
		return shown(e.World())
	case "PATCH world":
		return done(e.patchJSON(m.body))
	case "PUT streams":
		return done(e.streamsJSON(m.body))
	case "GET calls":
		return shown(e.calls(m.query.Get("account"), m.query.Get("operation")))
	case "DELETE calls":
		e.ClearJournal()
		return done(nil)
	case "GET faults":
		return shown(e.faultsNow())
	case "PUT faults":
		return done(e.faultsJSON(m.body))
	}
	return plain(http.StatusNotFound, "no such endpoint, or not with "+m.Method)
}

func shown(v any) *answer {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return plain(http.StatusInternalServerError, err.Error())
	}
	return &answer{
		status: http.StatusOK, body: append(body, '\n'),
		header: map[string]string{"Content-Type": "application/json"},
	}
}

func done(err error) *answer {
	if err != nil {
		return plain(http.StatusBadRequest, err.Error())
	}
	return shown(struct{}{})
}

// strict decodes one JSON value, known fields only.
func strict(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if dec.More() {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

// Journal returns the calls that arrived, the oldest first.
func (e *Emulator) Journal() []Call { return e.calls("", "") }

// calls returns the calls of an account and an operation; "" is every one.
func (e *Emulator) calls(account, operation string) []Call {
	e.mu.Lock()
	entries := e.journal.entries()
	e.mu.Unlock()
	calls := []Call{}
	for _, one := range entries {
		if (account == "" || account == one.Account) && (operation == "" || operation == one.Operation) {
			calls = append(calls, one.call())
		}
	}
	return calls
}

// ClearJournal forgets the calls that arrived.
func (e *Emulator) ClearJournal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.journal = journal{most: journalCap}
}

// SetStreams lets encoders begin or end to push the streams given; others go
// on as they are.
func (e *Emulator) SetStreams(streams ...Stream) error {
	return e.Patch(World{Streams: streams})
}

func (e *Emulator) streamsJSON(body []byte) error {
	var streams []Stream
	if err := strict(body, &streams); err != nil {
		return err
	}
	return e.SetStreams(streams...)
}

// Patch changes the world as PATCH /_emulator/world does, behind the back of
// the APIs' callers: each entry replaces the one with its key, or removes it
// when it says deleted. Settings and quotas stay as they are.
func (e *Emulator) Patch(w World) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Settings, w.Quotas = e.held.settings, e.held.quotas
	return e.patch(w)
}

// patch enters all of w, settings and quotas too, or nothing.
func (e *Emulator) patch(w World) error {
	before := e.held.settings
	if err := w.Check(); err != nil {
		return err
	}
	e.held.settings = w.Settings
	if err := e.held.refers(&w); err != nil {
		e.held.settings = before
		return err
	}
	now := time.Now()
	e.held.merge(w, now, now)
	e.held.quotas = w.Quotas
	return nil
}

// SetSettings changes the settings.
func (e *Emulator) SetSettings(s Settings) error {
	if err := (&World{Settings: s}).Check(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held.settings = s
	return nil
}

// SetQuotas puts limits in place of the documented ones of the same
// operations; all counting begins anew.
func (e *Emulator) SetQuotas(quotas ...Quota) error {
	if err := (&World{Quotas: quotas}).Check(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held.quotas = quotas
	e.quotas = newQuotas(e.ops, quotas)
	return nil
}

// patchJSON is PATCH /_emulator/world. Of the settings only those given
// change; quotas are replaced as a whole.
func (e *Emulator) patchJSON(body []byte) error {
	var w struct {
		World
		Settings json.RawMessage `json:"settings"`
	}
	if err := strict(body, &w); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w.World.Settings = e.held.settings
	if len(w.Settings) > 0 {
		if err := strict(w.Settings, &w.World.Settings); err != nil {
			return err
		}
	}
	anew := w.Quotas != nil
	if !anew {
		w.Quotas = e.held.quotas
	}
	if err := e.patch(w.World); err != nil {
		return err
	}
	if anew {
		e.quotas = newQuotas(e.ops, w.Quotas)
	}
	return nil
}

// SetFaults puts faults in place of those in force. Runs with equal seeds,
// faults and calls of an operation are disturbed alike.
func (e *Emulator) SetFaults(seed uint64, list ...Fault) error {
	var problems []error
	for i, f := range list {
		if err := f.Check(); err != nil {
			problems = append(problems, fmt.Errorf("faults[%d].%w", i, err))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = newFaults(seed, list)
	return nil
}

// faultPlan is the body of PUT /_emulator/faults; an array alone has seed 0.
type faultPlan struct {
	Seed   uint64  `json:"seed"`
	Faults []Fault `json:"faults"`
}

func (e *Emulator) faultsJSON(body []byte) error {
	var plan faultPlan
	into := any(&plan)
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		into = &plan.Faults
	}
	if err := strict(body, into); err != nil {
		return err
	}
	return e.SetFaults(plan.Seed, plan.Faults...)
}

// faultsNow returns the faults in force, with the strikes they have left.
func (e *Emulator) faultsNow() faultPlan {
	e.mu.Lock()
	defer e.mu.Unlock()
	plan := faultPlan{Seed: e.faults.seed, Faults: []Fault{}}
	for i, f := range e.faults.list {
		if left := e.faults.left[i]; left != 0 {
			f.Count = max(left, 0)
			plan.Faults = append(plan.Faults, f)
		}
	}
	return plan
}
