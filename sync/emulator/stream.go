package emulator

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/sync/emulator/signature"
)

// push is what an encoder does.
type push struct {
	online bool
	since  time.Time // by the cloud's clock
	ingest string    // the domain that it is pushed to
}

// setStream lets an encoder begin or end to push. A stream that is online
// already goes on, unless another publishTime says that it was pushed again.
// An encoder whose stream is blocked keeps trying: its stream is live when the
// block ends.
func (h *held) setStream(s Stream, m moment) {
	main := h.main(s.Domain)
	key := streamKey{s.App, s.Stream}
	before, _ := h.streams.in(main).get(key, m.at)
	after := push{online: s.Online && !s.Deleted, since: before.since, ingest: s.Domain}
	if !h.is(s.Domain, typeIngest) || s.Domain == main {
		after.ingest = h.ingest(main)
	}
	switch {
	case !s.PublishTime.IsZero():
		after.since = s.PublishTime
	case after.online && !before.online:
		after.since = m.wall
	}
	if !after.online || before.online && !after.since.Equal(before.since) {
		h.interrupt(streamRef{main, key}, m.wall)
	}
	if s.Deleted {
		h.streams.in(main).drop(key, m.at)
		return
	}
	h.streams.in(main).put(key, after, m.at)
}

// live says whether a stream is on air.
func (h *held) live(main string, key streamKey, m moment) (push, bool) {
	p, known := h.streams[main].get(key, m.at)
	return p, known && p.online && !h.blocked(main, key, m)
}

type stateReply struct {
	reply
	Type        string
	StreamState string
}

func describeStreamState(h *held, c *apiCall) (any, *failure) {
	if f := lacks("InvalidParam", c, "DomainName", "AppName", "StreamName"); f != nil {
		return nil, f
	}
	main, f := h.find(c, "DomainName", typeMain, typeIngest, typePlay)
	if f != nil {
		return nil, f
	}
	r := &stateReply{Type: "push", StreamState: "offline"}
	if _, live := h.live(main, streamKey{c.param("AppName"), c.param("StreamName")}, c.seen()); live {
		r.StreamState = "online"
	}
	return r, nil
}

// online is a live stream as DescribeLiveStreamsOnlineList prints it.
type online struct {
	AppName       string
	StreamName    string
	DomainName    string
	PublishDomain string
	PublishTime   string
	PublishType   string
	PublishURL    string `json:"PublishUrl" xml:"PublishUrl"`
	Transcoded    string
}

type onlineReply struct {
	reply
	page
	OnlineInfo struct {
		LiveStreamOnlineInfo []online
	}
}

func describeOnlineList(h *held, c *apiCall) (any, *failure) {
	main, p, f := h.listed(c)
	if f != nil {
		return nil, f
	}
	all := h.onlineStreams(c, main)
	r := &onlineReply{}
	from, to := p.cut(len(all))
	r.page, r.OnlineInfo.LiveStreamOnlineInfo = p, all[from:to]
	return r, nil
}

// onlineStreams returns the live streams that match a call's filters, sorted
// by app and stream. No stream here is a transcoded one.
func (h *held) onlineStreams(c *apiCall, main string) []online {
	all := []online{}
	if c.param("StreamType") == "trans" {
		return all
	}
	for key := range h.streams[main].each(c.view) {
		p, live := h.live(main, key, c.seen())
		if !live || !matches(c, "AppName", key.app) || !matches(c, "StreamName", key.stream) {
			continue
		}
		all = append(all, online{
			AppName: key.app, StreamName: key.stream, DomainName: main, PublishDomain: p.ingest,
			PublishTime: p.since.UTC().Format(signature.AliyunTime), PublishType: "edge", Transcoded: "no",
			PublishURL: "rtmp://" + p.ingest + "/" + key.app + "/" + key.stream,
		})
	}
	slices.SortFunc(all, func(a, b online) int {
		return cmp.Or(strings.Compare(a.AppName, b.AppName), strings.Compare(a.StreamName, b.StreamName))
	})
	return all
}

// matches says whether a name passes a filter: part of the name, or all of it
// with QueryType=strict.
func matches(c *apiCall, param, name string) bool {
	want := c.param(param)
	if c.param("QueryType") == "strict" {
		return want == "" || want == name
	}
	return strings.Contains(name, want)
}

// The bounds of a page of the block list and of the online list.
const (
	defaultPageSize = 2000
	maxPageSize     = 3000
)

// page is the paging of an answer.
type page struct {
	PageNum   int
	PageSize  int
	TotalNum  int
	TotalPage int
}

// readPage reads PageNum and PageSize.
func readPage(c *apiCall) (page, *failure) {
	num, okNum := number(c.param("PageNum"), 1)
	size, okSize := number(c.param("PageSize"), defaultPageSize)
	switch {
	case !okNum || num < 1:
		return page{}, aliyunFailure("InvalidPageNum", "PageNum is a number from 1")
	case !okSize || size < 1 || size > maxPageSize:
		return page{}, aliyunFailure("InvalidPageSize", "PageSize is 1 to 3000")
	}
	return page{PageNum: num, PageSize: size}, nil
}

func number(text string, otherwise int) (int, bool) {
	if text == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// cut sets the totals and returns the bounds of the page among total entries.
func (p *page) cut(total int) (from, to int) {
	p.TotalNum, p.TotalPage = total, (total+p.PageSize-1)/p.PageSize
	if p.PageNum > p.TotalPage {
		return total, total
	}
	from = (p.PageNum - 1) * p.PageSize
	return from, min(from+p.PageSize, total)
}

// listed reads what the paged lists of a main streaming domain have in common:
// the domain, and which page is wanted.
func (h *held) listed(c *apiCall) (string, page, *failure) {
	if f := missing(c, "DomainName"); f != nil {
		return "", page{}, f
	}
	main, f := h.find(c, "DomainName", typeMain)
	if f != nil {
		return "", page{}, f
	}
	p, f := readPage(c)
	return main, p, f
}
