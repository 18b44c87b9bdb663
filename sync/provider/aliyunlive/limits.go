package aliyunlive

import (
	"time"

	"weir/sync/call"
)

// The operations used.
const (
	opSetMultiStream  = "SetLiveDomainMultiStreamConfig"
	opReadMultiStream = "DescribeLiveDomainMultiStreamConfig"
	opForbid          = "ForbidLiveStream"
	opResume          = "ResumeLiveStream"
	opBlockList       = "DescribeLiveStreamsBlockList"
	opMapping         = "DescribeLiveDomainMapping"
	opRecord          = "RealTimeRecordCommand"
	opOnlineList      = "DescribeLiveStreamsOnlineList"
	opUserDomains     = "DescribeLiveUserDomains"
	opPrefetch        = "HotLiveRtcStream"
)

// limits returns the documented quotas, each for an account and all its RAM
// users together. ForbidLiveStream's own page says 20, the product's list of
// quotas 200: the lower one holds. None is documented for reading the
// dual-stream switch: the quota of its setter is assumed.
func limits() map[string][]call.Window {
	second := func(n int) []call.Window { return []call.Window{{Limit: n, Per: time.Second}} }
	minute := func(n int) []call.Window { return []call.Window{{Limit: n, Per: time.Minute}} }
	return map[string][]call.Window{
		opSetMultiStream:  second(10),
		opReadMultiStream: second(10),
		opForbid:          second(20),
		opResume:          second(30),
		opBlockList:       second(50),
		opMapping:         minute(500),
		opRecord:          second(50),
		opOnlineList:      minute(10_000),
		opUserDomains:     second(100),
		opPrefetch:        second(10),
	}
}
