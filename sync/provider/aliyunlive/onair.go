package aliyunlive

import (
	"cmp"
	"context"
	"fmt"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider/wire"
	"weir/sync/resource"
)

// turnsOff reports whether a change turns the dual-stream switch off. What that
// does to streams that are pushed is not documented: it is taken to end the
// second one.
func turnsOff(c plan.Change) bool {
	return c.Action != plan.None && c.Before != "" &&
		decoded[multiStream](c.Before).Enabled && !decoded[multiStream](c.After).Enabled
}

// endsRecording reports whether a removal stops a recording. One that is
// declared as stopped is stopped because somebody said so.
func endsRecording(c plan.Change) bool { return c.Action == plan.Delete && len(c.Acts) > 0 }

// everyApp says of a stream that is let in again in every app which that is.
func everyApp(c plan.Change) string {
	s := decoded[ingest](c.After)
	if c.Action == plan.None || c.Action == plan.Delete || s.App != "*" {
		return ""
	}
	return fmt.Sprintf("lets stream %s in again in every app of %s", s.Stream, s.Domain)
}

// OnAir reads the live streams of each domain once.
func (p *Provider) OnAir(ctx context.Context, c call.Caller, changes []plan.Change) []string {
	out := make([]string, len(changes))
	var domains groups
	for i, ch := range changes {
		domains.add(ch.ID.Account, domainOf(cmp.Or(ch.Before, ch.After)), i)
	}
	each(domains.list, func(g group) {
		list, err := wire.ReadList(func(n int) (wire.Page[online], error) { return onlinePage(ctx, c, g, n) })
		for _, i := range g.places {
			if err != nil {
				out[i] = "whether it is on air cannot be read: " + describe(opOnlineList, err).Error()
				continue
			}
			out[i] = playing(changes[i].ID, changes[i].Before, list)
		}
	})
	return out
}

// playing says what of a resource is in the list of its domain's live streams.
func playing(id resource.ID, before resource.Spec, list []online) string {
	s := decoded[recording](before)
	streams := 0
	for _, o := range list {
		if id.Kind == kindRecording && (o.AppName != s.App || o.StreamName != s.Stream) {
			continue
		}
		streams++
	}
	switch {
	case streams == 0:
		return ""
	case id.Kind == kindRecording:
		return "the stream is on air"
	case streams == 1:
		return "a stream of the domain is on air"
	}
	return "streams of the domain are on air"
}
