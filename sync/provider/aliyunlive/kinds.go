package aliyunlive

import (
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
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
			Interrupts: turnsOff,
			Readable:   true,
		},
		kindIngest: {
			APIVersion: apiName,
			Normal:     normalIngest,
			Judge:      judgeIngest,
			Calls:      ifDue(ingestCalls),
			Verify:     noReads,
			Wide:       everyApp,
			Readable:   true,
		},
		kindRecording: {
			APIVersion: apiName,
			Normal:     normalRecording,
			Judge:      judgeRecording,
			Calls:      ifDue(recordingCalls),
			Verify:     noReads,
			Interrupts: endsRecording,
		},
		kindPrefetch: {
			APIVersion:  apiName,
			Normal:      normalPrefetch,
			Judge:       judgePrefetch,
			Calls:       ifDue(prefetchCalls),
			Verify:      noReads,
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
