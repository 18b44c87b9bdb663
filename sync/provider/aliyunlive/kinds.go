package aliyunlive

import (
	"cmp"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// apiName is the apiVersion of this cloud's manifests.
const apiName = "aliyun/v1"

// The kinds.
const (
	kindMultiStream = "MultiStream"
	kindIngest      = "StreamIngest"
	kindRecording   = "Recording"
	kindPrefetch    = "RtcPrefetch"
)

// multiStream is the dual-stream switch of a main streaming domain.
type multiStream struct {
	Domain  string `json:"domain"`
	Enabled bool   `json:"enabled"`
}

// ingest says whether a stream may be pushed to an ingest domain.
type ingest struct {
	Domain  string `json:"domain"`
	App     string `json:"app"` // "*" for every app
	Stream  string `json:"stream"`
	Allowed bool   `json:"allowed"`
	Until   string `json:"until,omitempty"` // RFC 3339 in UTC and whole seconds, "" for no end
}

// The states of a recording, and how one is finished.
const (
	stateRecording  = "recording"
	stateStopped    = "stopped"
	finishDelayed   = "delayed"
	finishImmediate = "immediate"
)

// recording is the manual recording of a stream.
type recording struct {
	Domain  string `json:"domain"`
	App     string `json:"app"`
	Stream  string `json:"stream"`
	State   string `json:"state"`
	Finish  string `json:"finish,omitempty"` // only of one that is stopped
	Restart string `json:"restart,omitempty"`
}

// prefetch is the prefetch of a stream into regions. The timeouts are durations
// in canonical form; "0s" for ConnectionTimeout is the cloud's "kept for ever",
// for MediaTimeout it leaves the cloud's own, undocumented default.
type prefetch struct {
	Domain            string   `json:"domain"`
	App               string   `json:"app"`
	Stream            string   `json:"stream"`
	Regions           []string `json:"regions"`
	AudioMsid         string   `json:"audioMsid"`
	VideoMsid         string   `json:"videoMsid"`
	ConnectionTimeout string   `json:"connectionTimeout"`
	MediaTimeout      string   `json:"mediaTimeout"`
	Renew             bool     `json:"renew"`
}

// kinds is the table of kinds.
func kinds() map[string]provider.Kind {
	return map[string]provider.Kind{
		kindMultiStream: {
			APIVersion: apiName,
			Normal:     normalMultiStream,
			Judge:      judgeMultiStream,
			Calls:      ifDue(multiStreamCalls),
			Verify:     noReads,
			Reads:      switchReads,
			Interrupts: turnsOff,
			Airing:     airingReads,
			Readable:   true,
		},
		kindIngest: {
			APIVersion: apiName,
			Normal:     normalIngest,
			Judge:      judgeIngest,
			Calls:      ifDue(ingestCalls),
			Verify:     noReads,
			Reads:      ingestReads,
			Wide:       everyApp,
			Readable:   true,
		},
		kindRecording: {
			APIVersion: apiName,
			Normal:     normalRecording,
			Judge:      judgeRecording,
			Calls:      ifDue(recordingCalls),
			Verify:     noReads,
			Reads:      onlineReads,
			Interrupts: endsRecording,
			Airing:     airingReads,
		},
		kindPrefetch: {
			APIVersion:  apiName,
			Normal:      normalPrefetch,
			Judge:       judgePrefetch,
			Calls:       ifDue(prefetchCalls),
			Verify:      noReads,
			Reads:       noObserving,
			Independent: true, // a region that is refused says nothing of the next
		},
	}
}

// ifDue makes calls return none for a change with nothing to do.
func ifDue(calls func(plan.Change) ([]*call.Request, error)) func(plan.Change) ([]*call.Request, error) {
	return func(c plan.Change) ([]*call.Request, error) {
		if c.Action == plan.None {
			return nil, nil
		}
		return calls(c)
	}
}

// noReads is the Verify of all four kinds: what can be read shows itself to the
// next pass, in bulk reads that cost less of the quotas.
func noReads(plan.Change) []*call.Request { return nil }

// reading is a read as Observe makes it.
func reading(account, operation string, params map[string]any) *call.Request {
	return &call.Request{Account: account, Operation: operation, Params: params, Repeatable: true}
}

func switchReads(r resource.Resource) []*call.Request {
	return []*call.Request{reading(r.ID.Account, opReadMultiStream, map[string]any{"Domain": domainOf(r.Spec)})}
}

// ingestReads names the ingest domain in the place of the streaming domain that
// the mapping will name.
func ingestReads(r resource.Resource) []*call.Request {
	domain := domainOf(r.Spec)
	return []*call.Request{
		reading(r.ID.Account, opMapping, map[string]any{"DomainName": domain}),
		reading(r.ID.Account, opBlockList, pageParams(domain, 1)),
	}
}

func onlineReads(r resource.Resource) []*call.Request {
	return []*call.Request{reading(r.ID.Account, opOnlineList, onlineParams(domainOf(r.Spec), 1))}
}

func airingReads(c plan.Change) []*call.Request {
	domain := domainOf(cmp.Or(c.Before, c.After))
	return []*call.Request{reading(c.ID.Account, opOnlineList, onlineParams(domain, 1))}
}

// noObserving is of a kind that no read shows anything of.
func noObserving(resource.Resource) []*call.Request { return nil }
