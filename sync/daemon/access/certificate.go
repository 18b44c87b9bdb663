package access

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"
)

// certificateAge is how long a certificate is served before its files are looked
// at again: a renewal counts that soon.
const certificateAge = time.Second

// certificate is the daemon's own, renewed as its files are. Where they cannot be
// used the one before stays: a renewal writes two files, one after the other.
type certificate struct {
	load func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	log  *slog.Logger

	mu     sync.Mutex // guards what follows
	at     time.Time
	last   *tls.Certificate
	broken bool
}

func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && time.Since(c.at) < certificateAge {
		return c.last, nil
	}
	fresh, err := c.load(hello)
	c.at = time.Now()
	switch {
	case err != nil && c.last == nil:
		return nil, err
	case err != nil && !c.broken:
		c.log.Error("the certificate cannot be renewed; the one before stays", "error", err)
	case err == nil && c.broken:
		c.log.Info("the certificate is renewed")
	}
	if c.broken = err != nil; !c.broken {
		c.last = fresh
	}
	return c.last, nil
}
