package emulator

import (
	"slices"
	"time"

	"weir/sync/emulator/signature"
)

const (
	// defaultBlockMonths is how long a block without ResumeTime lasts.
	defaultBlockMonths = 6
	// maxBlocked is how many streams may be blocked at once.
	maxBlocked = 10_000
)

// block is an entry of the block list.
type block struct {
	ingest string    // the domain on which it was forbidden
	until  time.Time // by the cloud's clock
}

// blocked says whether a stream may not be pushed.
func (h *held) blocked(main string, key streamKey, m moment) bool {
	b, held := h.blocks[main].get(key, m.at)
	return held && m.wall.Before(b.until)
}

// forbid blocks a stream, anew if it was, and cuts it off.
func (h *held) forbid(main string, key streamKey, b block, m moment) {
	h.blocks.in(main).put(key, b, m.at)
	h.cutOff(main, key, m)
}

// cutOff ends the push that is going on; the encoder has to push again.
func (h *held) cutOff(main string, key streamKey, m moment) {
	if p, known := h.streams[main].get(key, m.at); known && p.online {
		p.online = false
		h.interrupt(streamRef{main, key}, m.wall)
		h.streams.in(main).put(key, p, m.at)
	}
}

// full says whether the block list has no place left.
func (h *held) full(m moment) bool {
	rows, active := 0, 0
	for _, table := range h.blocks {
		rows += table.size()
	}
	if rows < maxBlocked {
		return false
	}
	for main, table := range h.blocks {
		for key := range table.each(m.at) {
			if h.blocked(main, key, m) {
				active++
			}
		}
	}
	return active >= maxBlocked
}

// ingestCall reads what ForbidLiveStream and ResumeLiveStream have in common.
func ingestCall(h *held, c *apiCall) (main string, f *failure) {
	if f := missing(c, "DomainName", "LiveStreamType", "AppName", "StreamName"); f != nil {
		return "", f
	}
	if c.param("LiveStreamType") != "publisher" {
		return "", aliyunFailure("InvalidLiveStreamType", "LiveStreamType is publisher")
	}
	return h.find(c, "DomainName", typeIngest)
}

// forbidStream is ForbidLiveStream. Its own codes are on no page of Live's;
// those used are its sister's, ForbidVsStream. A ResumeTime that has passed is
// taken: the push is cut, the block has ended.
func forbidStream(h *held, c *apiCall) (any, *failure) {
	main, f := ingestCall(h, c)
	if f != nil {
		return nil, f
	}
	if c.param("AppName") == "*" {
		return nil, aliyunFailure("InvalidAppName", "only ResumeLiveStream takes every AppName")
	}
	key := streamKey{c.param("AppName"), c.param("StreamName")}
	switch c.param("Oneshot") {
	case "yes":
		h.cutOff(main, key, c.now())
		return &reply{}, nil
	case "", "no":
	default:
		return nil, aliyunFailure("InvalidOneshot", "Oneshot is yes or no")
	}
	until, f := resumeTime(c)
	if f != nil {
		return nil, f
	}
	if !h.blocked(main, key, c.now()) && h.full(c.now()) {
		return nil, aliyunFailure("QuotaExceeded.Blacklist", "the block list is full")
	}
	h.forbid(main, key, block{c.param("DomainName"), until}, c.now())
	return &reply{}, nil
}

// resumeTime returns when a block ends.
func resumeTime(c *apiCall) (time.Time, *failure) {
	text := c.param("ResumeTime")
	if text == "" {
		return c.now().wall.AddDate(0, defaultBlockMonths, 0), nil
	}
	until, err := time.Parse(signature.AliyunTime, text)
	if err != nil {
		return time.Time{}, aliyunFailure("InvalidResumeTime.Malformed", "ResumeTime is yyyy-MM-ddTHH:mm:ssZ")
	}
	return until, nil
}

// resumeStream is ResumeLiveStream. AppName * lifts the blocks of the stream's
// name in every app. What is not blocked is resumed without a word.
func resumeStream(h *held, c *apiCall) (any, *failure) {
	main, f := ingestCall(h, c)
	if f != nil {
		return nil, f
	}
	app, stream, table := c.param("AppName"), c.param("StreamName"), h.blocks.in(main)
	if app != "*" {
		table.drop(streamKey{app, stream}, c.at)
		return &reply{}, nil
	}
	for key := range table.each(c.at) {
		if key.stream == stream {
			table.drop(key, c.at)
		}
	}
	return &reply{}, nil
}

type blockListReply struct {
	reply
	DomainName string
	page
	StreamURLs struct {
		StreamURL []string `json:"StreamUrl" xml:"StreamUrl"`
	} `json:"StreamUrls" xml:"StreamUrls"`
}

func describeBlockList(h *held, c *apiCall) (any, *failure) {
	main, p, f := h.listed(c)
	if f != nil {
		return nil, f
	}
	all := h.blockList(main, c.seen())
	r := &blockListReply{DomainName: main}
	from, to := p.cut(len(all))
	r.page, r.StreamURLs.StreamURL = p, all[from:to]
	return r, nil
}

// blockList returns "<domain>/<app>/<stream>" of the blocked streams, sorted.
// Which domain stands there is not documented, see Settings.
func (h *held) blockList(main string, m moment) []string {
	all := []string{}
	for key, b := range h.blocks[main].each(m.at) {
		if !m.wall.Before(b.until) {
			continue
		}
		domain := main
		if h.settings.BlockListDomain == "ingest" {
			domain = b.ingest
		}
		all = append(all, domain+"/"+key.app+"/"+key.stream)
	}
	slices.Sort(all)
	return all
}
