package aliyunlive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/provider/wire"
)

// pageSize is the largest page of the block list and of the list of live
// streams.
const pageSize = 3000

func pageParams(domain string, n int) map[string]any {
	return map[string]any{"DomainName": domain, "PageNum": strconv.Itoa(n), "PageSize": strconv.Itoa(pageSize)}
}

// streamKey names a stream below a main streaming domain.
type streamKey struct{ app, stream string }

// blocked is an entry of the block list. Which domain stands in front is not
// documented: the streaming or the ingest domain.
type blocked struct {
	streamKey
	domain string
}

// readBlocks reads the block list of a main streaming domain once for all
// wanted streams of its ingest domains.
//
// The list does not say at which ingest domain a stream is blocked: its entries
// are in the documented sample of the streaming domain. Where two ingest
// domains share one streaming domain, a block on one is seen on both.
func (s *pass) readBlocks(ctx context.Context, g group) {
	s.asked(g)
	list, err := wire.ReadList(func(n int) (wire.Page[blocked], error) { return blockPage(ctx, s.caller, g, n) })
	if err != nil {
		s.fail(g, describe(opBlockList, err))
		return
	}
	set := map[streamKey]bool{}
	for _, b := range list {
		set[b.streamKey] = true
		set[streamKey{"*", b.stream}] = true // "every app" holds only where no app's stream is blocked
	}
	for _, i := range g.places {
		seen := decoded[ingest](s.want[i].Spec)
		out := set[streamKey{seen.App, seen.Stream}]
		seen.Allowed, seen.Until = !out, ""
		s.hold(i, seen, out)
	}
}

func blockPage(ctx context.Context, c call.Caller, g group, n int) (wire.Page[blocked], error) {
	var answer struct {
		TotalNum   *wire.Count
		StreamUrls struct {
			URLs []string `json:"StreamUrl"`
		}
	}
	if err := read(ctx, c, g.account, opBlockList, pageParams(g.domain, n), &answer); err != nil {
		return wire.Page[blocked]{}, err
	}
	out := wire.Page[blocked]{Total: answer.TotalNum}
	for _, url := range answer.StreamUrls.URLs {
		b, err := parseStreamURL(url)
		if err != nil {
			return out, err
		}
		out.Entries = append(out.Entries, b)
	}
	return out, nil
}

// parseStreamURL reads "domain/app/stream", with a scheme or without.
func parseStreamURL(url string) (blocked, error) {
	path, _, _ := strings.Cut(url, "?")
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[len(parts)-1] == "" || parts[len(parts)-2] == "" {
		return blocked{}, fmt.Errorf("StreamUrl %.300q is not domain/app/stream", url)
	}
	last := parts[len(parts)-3:]
	return blocked{streamKey{app: last[1], stream: last[2]}, strings.ToLower(last[0])}, nil
}

// online is one entry of the list of live streams.
type online struct{ AppName, StreamName, PublishTime string }

// readOnline reads the live streams of a main streaming domain once.
func (s *pass) readOnline(ctx context.Context, g group) {
	s.asked(g)
	list, err := wire.ReadList(func(n int) (wire.Page[online], error) { return onlinePage(ctx, s.caller, g, n) })
	if err != nil {
		s.fail(g, describe(opOnlineList, err))
		return
	}
	// With dual-stream ingest a stream may stand in the list twice; the ingest
	// that began first is the one that a recording can have begun in.
	since := map[streamKey]online{}
	for _, o := range list {
		k := streamKey{o.AppName, o.StreamName}
		if first, twice := since[k]; !twice || cmp.Less(epoch(o.PublishTime), epoch(first.PublishTime)) {
			since[k] = o
		}
	}
	for _, i := range g.places {
		w := decoded[recording](s.want[i].Spec)
		o, live := since[streamKey{w.App, w.Stream}]
		s.seen[i].Live, s.seen[i].Epoch = live, epoch(o.PublishTime)
		if live && o.PublishTime == "" {
			s.seen[i].Unreadable = opOnlineList + ": the stream is on air, but since when is not said"
		}
	}
}

func onlinePage(ctx context.Context, c call.Caller, g group, n int) (wire.Page[online], error) {
	var answer struct {
		TotalNum   *wire.Count
		OnlineInfo struct{ LiveStreamOnlineInfo []online }
	}
	err := read(ctx, c, g.account, opOnlineList, onlineParams(g.domain, n), &answer)
	return wire.Page[online]{Total: answer.TotalNum, Entries: answer.OnlineInfo.LiveStreamOnlineInfo}, err
}

func onlineParams(domain string, n int) map[string]any {
	params := pageParams(domain, n)
	params["StreamType"] = "raw" // transcoded copies are not ingests
	return params
}

// epoch writes a PublishTime in UTC; a form that is not documented stays as it
// is, since it still tells one ingest from the next.
func epoch(published string) string {
	if t, err := time.Parse(time.RFC3339, published); err == nil {
		return t.UTC().Format(time.RFC3339)
	}
	return published
}

// describe names the operation where the error does not.
func describe(operation string, err error) error {
	var failure *call.Error
	if errors.As(err, &failure) || strings.HasPrefix(err.Error(), operation) {
		return err
	}
	return fmt.Errorf("%s: %w", operation, err)
}
