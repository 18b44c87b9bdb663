package aliyunlive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/call"
)

// pageSize is the largest page of the block list and of the list of live
// streams, maxPages the number of pages at which a list is given up.
const (
	pageSize = 3000
	maxPages = 100
)

// errChanged says that a list changed while its pages were read, or that pages
// came twice.
var errChanged = errors.New("the list changed while its pages were read")

// number is a count that may come as a number or as a text.
type number int

// UnmarshalJSON reads 10 and "10".
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil || v < 0 {
		return fmt.Errorf("%.20s is not a count", b)
	}
	*n = number(v)
	return nil
}

// sheet is one page of a list.
type sheet[E comparable] struct {
	total   *number // of all pages
	entries []E
}

// readList reads every page of a list, and reads it once more where it changed
// meanwhile: a snapshot with a hole would hide what stands there.
func readList[E comparable](page func(n int) (sheet[E], error)) ([]E, error) {
	list, err := readPages(page)
	if errors.Is(err, errChanged) {
		list, err = readPages(page)
	}
	return list, err
}

func readPages[E comparable](page func(n int) (sheet[E], error)) ([]E, error) {
	var all []E
	met := map[E]bool{}
	var total number
	for n := 1; n <= maxPages; n++ {
		p, err := page(n)
		switch {
		case err != nil:
			return nil, err
		case p.total == nil:
			return nil, errors.New("answer has no TotalNum")
		case n > 1 && (*p.total != total || len(p.entries) == 0 || repeats(met, p.entries)):
			return nil, errChanged
		}
		total = *p.total
		for _, e := range p.entries {
			met[e] = true
		}
		all = append(all, p.entries...)
		if len(all) == int(total) {
			return all, nil
		}
		if len(all) > int(total) || len(p.entries) == 0 {
			return nil, errChanged
		}
	}
	return nil, fmt.Errorf("the list has more than %d pages", maxPages)
}

// repeats reports whether a page holds nothing that was not met before.
func repeats[E comparable](met map[E]bool, entries []E) bool {
	for _, e := range entries {
		if !met[e] {
			return false
		}
	}
	return true
}

func pageParams(domain string, n int) map[string]any {
	return map[string]any{"DomainName": domain, "PageNum": strconv.Itoa(n), "PageSize": strconv.Itoa(pageSize)}
}

// streamKey names a stream below a main streaming domain.
type streamKey struct{ app, stream string }

// readBlocks reads the block list of a main streaming domain once for all
// wanted streams of its ingest domains.
//
// The list does not say at which ingest domain a stream is blocked: its entries
// are in the documented sample of the streaming domain. Where two ingest
// domains share one streaming domain, a block on one is seen on both.
func (s *pass) readBlocks(ctx context.Context, g group) {
	s.asked(g)
	list, err := readList(func(n int) (sheet[streamKey], error) { return blockPage(ctx, s.caller, g, n) })
	if err != nil {
		s.fail(g, describe(opBlockList, err))
		return
	}
	set := map[streamKey]bool{}
	for _, b := range list {
		set[b] = true
		set[streamKey{"*", b.stream}] = true // "every app" holds only where no app's stream is blocked
	}
	for _, i := range g.places {
		seen := decoded[ingest](s.want[i].Spec)
		out := set[streamKey{seen.App, seen.Stream}]
		seen.Allowed, seen.Until = !out, ""
		s.hold(i, seen, out)
	}
}

func blockPage(ctx context.Context, c call.Caller, g group, n int) (sheet[streamKey], error) {
	var answer struct {
		TotalNum   *number
		StreamUrls struct {
			URLs []string `json:"StreamUrl"`
		}
	}
	if err := read(ctx, c, g.account, opBlockList, pageParams(g.domain, n), &answer); err != nil {
		return sheet[streamKey]{}, err
	}
	out := sheet[streamKey]{total: answer.TotalNum}
	for _, url := range answer.StreamUrls.URLs {
		b, err := parseStreamURL(url)
		if err != nil {
			return out, err
		}
		out.entries = append(out.entries, b)
	}
	return out, nil
}

// parseStreamURL reads "domain/app/stream". The last two segments count: it is
// not documented which domain stands in front.
func parseStreamURL(url string) (streamKey, error) {
	path, _, _ := strings.Cut(url, "?")
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[len(parts)-1] == "" || parts[len(parts)-2] == "" {
		return streamKey{}, fmt.Errorf("StreamUrl %.300q is not domain/app/stream", url)
	}
	return streamKey{app: parts[len(parts)-2], stream: parts[len(parts)-1]}, nil
}

// online is one entry of the list of live streams.
type online struct{ AppName, StreamName, PublishTime string }

// readOnline reads the live streams of a main streaming domain once.
func (s *pass) readOnline(ctx context.Context, g group) {
	s.asked(g)
	list, err := readList(func(n int) (sheet[online], error) { return onlinePage(ctx, s.caller, g, n) })
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

func onlinePage(ctx context.Context, c call.Caller, g group, n int) (sheet[online], error) {
	var answer struct {
		TotalNum   *number
		OnlineInfo struct{ LiveStreamOnlineInfo []online }
	}
	params := pageParams(g.domain, n)
	params["StreamType"] = "raw" // transcoded copies are not ingests
	err := read(ctx, c, g.account, opOnlineList, params, &answer)
	return sheet[online]{total: answer.TotalNum, entries: answer.OnlineInfo.LiveStreamOnlineInfo}, err
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

var _ json.Unmarshaler = (*number)(nil)
