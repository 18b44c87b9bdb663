package emulator

import (
	"encoding/json"
	"net/url"
	"time"
)

// journalCap is how many calls the journal keeps: the last ones.
const journalCap = 1_000_000

// Call is an entry of the journal: a call that arrived, whatever became of it.
type Call struct {
	Time        time.Time      `json:"time"` // arrival, UTC
	Cloud       string         `json:"cloud"`
	AccessKeyID string         `json:"accessKeyId"`
	Account     string         `json:"account"` // owner of the key, "" for an unknown key
	Operation   string         `json:"operation"`
	Params      map[string]any `json:"params"`
	Status      int            `json:"status"` // 0: closed without an answer
	Code        string         `json:"code"`   // "" for success
	RequestID   string         `json:"requestId"`
	Fault       string         `json:"fault,omitempty"` // the kinds of the faults injected, joined by commas
}

// entry is a Call as it is kept: the parameters are taken apart when somebody
// asks.
type entry struct {
	Call
	query url.Values // ApsaraVideo
	body  []byte     // Volcengine
}

// call returns the entry with its parameters.
func (e entry) call() Call {
	c := e.Call
	c.Params = map[string]any{}
	for name := range e.query {
		if !commonParam(name) {
			c.Params[name] = e.query.Get(name)
		}
	}
	if len(e.body) > 0 {
		var params map[string]any
		if json.Unmarshal(e.body, &params) == nil && params != nil {
			c.Params = params
		}
	}
	return c
}

// commonParam says whether an RPC parameter belongs to the protocol, not to
// the operation.
func commonParam(name string) bool {
	switch name {
	case "Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Timestamp",
		"Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "SignatureType":
		return true
	}
	return false
}

// journal is a ring of the last calls, at most so many.
type journal struct {
	most int
	ring []entry
	next int // the oldest, once the ring is full
}

func (j *journal) add(e entry) {
	if len(j.ring) < j.most {
		j.ring = append(j.ring, e)
		return
	}
	j.ring[j.next] = e
	j.next = (j.next + 1) % j.most
}

// entries returns the calls kept, the oldest first.
func (j *journal) entries() []entry {
	all := make([]entry, 0, len(j.ring))
	all = append(all, j.ring[j.next:]...)
	return append(all, j.ring[:j.next]...)
}
