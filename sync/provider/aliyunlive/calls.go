package aliyunlive

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// publisher is the only LiveStreamType there is.
const publisher = "publisher"

// write returns a request with an effect.
func write(c plan.Change, operation string, repeatable bool, params map[string]any) *call.Request {
	return &call.Request{
		Account: c.ID.Account, Operation: operation, Params: params, Write: true, Repeatable: repeatable,
	}
}

// multiStreamCalls returns the turn of the switch. A removal turns off what was
// seen on and leaves the rest.
func multiStreamCalls(c plan.Change) ([]*call.Request, error) {
	target := c.After
	if c.Action == plan.Delete {
		target = c.Before
	}
	if target == "" {
		return nil, nil
	}
	var s multiStream
	if err := target.Decode(&s); err != nil {
		return nil, err
	}
	position := "off"
	if s.Enabled && c.Action != plan.Delete {
		position = "on"
	}
	// Setting the position that it has is not documented to fail.
	return []*call.Request{write(c, opSetMultiStream, true, map[string]any{
		"Domain": s.Domain, "Switch": position,
	})}, nil
}

// ingestCalls returns the block or its end. A removal ends the block that was
// seen and leaves the rest.
func ingestCalls(c plan.Change) ([]*call.Request, error) {
	target := c.After
	if c.Action == plan.Delete {
		target = c.Before
	}
	if target == "" {
		return nil, nil
	}
	var s ingest
	if err := target.Decode(&s); err != nil {
		return nil, err
	}
	params := map[string]any{
		"DomainName": s.Domain, "AppName": s.App, "StreamName": s.Stream, "LiveStreamType": publisher,
	}
	if s.Allowed || c.Action == plan.Delete {
		return []*call.Request{write(c, opResume, true, params)}, nil
	}
	// Oneshot is left out: its default cuts the stream and keeps it out.
	if s.Until != "" {
		params["ResumeTime"] = s.Until
	}
	forbid := write(c, opForbid, true, params)
	forbid.Priority = call.Urgent
	return []*call.Request{forbid}, nil
}

// The commands of RealTimeRecordCommand; they are also the names of the acts.
const (
	commandStart       = "start"
	commandStop        = "stop"
	commandCancelDelay = "cancel_delay"
	commandRestart     = "restart"
)

// recordingCalls returns one command for each act. What ends a recording is
// urgent.
func recordingCalls(c plan.Change) ([]*call.Request, error) {
	if len(c.Acts) == 0 {
		return nil, nil
	}
	var s recording
	if err := either(c).Decode(&s); err != nil {
		return nil, err
	}
	reqs := make([]*call.Request, 0, len(c.Acts))
	for _, act := range c.Acts {
		req := actCall(c, opRecord, act, map[string]any{
			"Command": act.Name, "DomainName": s.Domain, "AppName": s.App, "StreamName": s.Stream,
		})
		if act.Name == commandStop || act.Name == commandCancelDelay {
			req.Priority = call.Urgent
		}
		reqs = append(reqs, req)
	}
	return reqs, nil
}

// prefetchCalls returns one call for each act, that is for each region.
func prefetchCalls(c plan.Change) ([]*call.Request, error) {
	if len(c.Acts) == 0 {
		return nil, nil
	}
	var s prefetch
	if err := c.After.Decode(&s); err != nil {
		return nil, err
	}
	reqs := make([]*call.Request, 0, len(c.Acts))
	for _, act := range c.Acts {
		region, ok := strings.CutPrefix(act.Name, regionAct)
		if !ok {
			return nil, fmt.Errorf("act %q names no region", act.Name)
		}
		reqs = append(reqs, actCall(c, opPrefetch, act, prefetchParams(s, region)))
	}
	return reqs, nil
}

func prefetchParams(s prefetch, region string) map[string]any {
	params := map[string]any{
		"DomainName": s.Domain, "AppName": s.App, "StreamName": s.Stream, "RegionCode": region,
		"AudioMsid": s.AudioMsid, "VideoMsid": s.VideoMsid,
		"ConnectionTimeout": milliseconds(duration(s.ConnectionTimeout)),
	}
	if media := duration(s.MediaTimeout); media > 0 {
		params["MediaTimeout"] = milliseconds(media)
	}
	return params
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// actCall returns the request of an act.
func actCall(c plan.Change, operation string, act plan.Act, params map[string]any) *call.Request {
	req := write(c, operation, act.Repeatable, params)
	req.Act = call.Act{Name: act.Name, Token: act.Token, Lasts: act.Lasts, Repeatable: act.Repeatable}
	return req
}

// either returns the wanted spec, or that which goes.
func either(c plan.Change) resource.Spec {
	if c.After != "" {
		return c.After
	}
	return c.Before
}
