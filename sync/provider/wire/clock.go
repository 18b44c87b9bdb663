package wire

import (
	"net/http"
	"time"
)

// NotableSkew is the difference between our clock and the cloud's from which
// on it should be shown: signatures stop being accepted at 15 minutes.
const NotableSkew = 2 * time.Minute

// Skew returns by how much the cloud's clock was ahead of ours at the last
// answer that had a Date, to about a second; 0 before the first.
func (c *Client) Skew() time.Duration { return time.Duration(c.skew.Load()) }

// CorrectClock makes later calls sign with the cloud's time. Call it after an
// answer that refuses our time. It reports whether that changes anything: a
// second refusal with nothing to correct means that the time is not the cause.
func (c *Client) CorrectClock() bool {
	seen := c.skew.Load()
	old := c.correction.Swap(seen)
	return time.Duration(seen-old).Abs() > time.Second
}

// watchClock compares our clock with the answer's Date, which is cut to whole
// seconds, so that half a second is the best guess for the rest.
func (c *Client) watchClock(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	skew := time.Until(date.Add(time.Second / 2))
	if skew.Abs() <= time.Second {
		skew = 0
	}
	c.skew.Store(int64(skew))
}
