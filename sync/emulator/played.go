package emulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// played is a live stream at Volcengine.
type played struct {
	id     int64
	domain string
	source string // relay or push
	since  time.Time
}

// setPlayed lets a stream at Volcengine begin or end.
func (h *held) setPlayed(s Stream, m moment) {
	key := streamKey{s.App, s.Stream}
	table := h.played.in(s.Vhost)
	if s.Deleted || !s.Online {
		table.drop(key, m.at)
		return
	}
	p := played{int64(table.size() + 1), cmp.Or(s.Domain, s.Vhost), cmp.Or(s.Source, "relay"), s.PublishTime}
	if before, live := table.get(key, m.at); live && p.since.IsZero() {
		p.id, p.since = before.id, before.since
	}
	if p.since.IsZero() {
		p.since = m.wall
	}
	table.put(key, p, m.at)
}

// liveStream is an entry as DescribeLiveStreamInfoByPage prints it.
type liveStream struct {
	ID               int64
	Vhost            string
	Domain           string
	App              string
	Stream           string
	SessionStartTime string
	SourceType       string
}

// The bounds of a page of the live streams, and the size of one where the caller
// names none, which page 1126841 does not say.
const (
	defaultPlayedPage = 10
	maxPlayedPage     = 1000
)

// describeLiveStreams lists the live streams of a vhost, or of all, by page.
// RoughCount is that of all pages: page 1126841 calls it the number of streams
// in the result.
func describeLiveStreams(h *held, c *apiCall) (any, *failure) {
	num, okNum := number(c.param("PageNum"), 1)
	size, okSize := number(c.param("PageSize"), defaultPlayedPage)
	if !okNum || num < 1 || !okSize || size < 1 || size > maxPlayedPage {
		return nil, volcengineFailure("InvalidParam", "PageNum is a number from 1, PageSize 1 to "+strconv.Itoa(maxPlayedPage))
	}
	if vhost := c.param("Vhost"); vhost != "" {
		if f := h.vhostOf(vhost, c.account); f != nil {
			return nil, f
		}
	}
	all := h.playedStreams(c)
	from := min((num-1)*size, len(all))
	result, err := json.Marshal(struct {
		StreamInfoList []liveStream
		RoughCount     int
	}{all[from:min(from+size, len(all))], len(all)})
	if err != nil {
		return nil, volcengineFailure("InternalError", err.Error())
	}
	return json.RawMessage(result), nil
}

// playedStreams returns the live streams that match a call's filters, sorted.
// No stream here is a transcoded one.
func (h *held) playedStreams(c *apiCall) []liveStream {
	all := []liveStream{}
	for vhost, table := range h.played {
		wanted := filter(c, "Vhost", vhost) && c.param("StreamType") != "trans" && h.vhostOf(vhost, c.account) == nil
		for key, p := range table.each(c.view) {
			if !wanted || !filter(c, "Domain", p.domain) || !filter(c, "App", key.app) ||
				!filter(c, "Stream", key.stream) || !filter(c, "SourceType", p.source) {
				continue
			}
			all = append(all, liveStream{
				ID: p.id, Vhost: vhost, Domain: p.domain, App: key.app, Stream: key.stream,
				SessionStartTime: p.since.UTC().Format("2006-01-02T15:04:05.000Z"), SourceType: p.source,
			})
		}
	}
	slices.SortFunc(all, func(a, b liveStream) int {
		return cmp.Or(strings.Compare(a.Vhost, b.Vhost), strings.Compare(a.App, b.App), strings.Compare(a.Stream, b.Stream))
	})
	return all
}

// filter says whether a value is the one that a parameter asks for, if it does.
func filter(c *apiCall, param, value string) bool {
	want := c.param(param)
	return want == "" || want == value
}
