package emulator

import (
	"errors"
	"time"

	"weir/sync/emulator/signature"
)

// clockTolerance is how far a request's time may be from the cloud's: 15
// minutes (api/aliyun-live.md 4.5, api/volcengine-live.md 2.1).
const clockTolerance = 15 * time.Minute

// keyRef is the key of a credential.
type keyRef struct {
	cloud, id string
}

// authenticate checks that a known key signed the call.
func (e *Emulator) authenticate(c *cloud, call *apiCall) *failure {
	e.mu.Lock()
	key, known := e.held.keys[keyRef{c.name, call.keyID}]
	e.mu.Unlock()
	// A key of STS without its token is not a key.
	if !known || key.SecurityToken != "" && call.signed.Token == "" {
		return c.fail(c.unknownKey, "no such access key")
	}
	if call.signed.Token != key.SecurityToken {
		return c.fail(c.wrongToken, "the security token is not the one of this access key")
	}
	if !call.signed.Valid(key.AccessKeySecret) {
		return c.fail(c.wrongSignature, "the signature is not the one of this request and key")
	}
	call.account = key.Account
	if call.account == "" {
		call.account = key.AccessKeyID
	}
	return nil
}

// fresh refuses requests that were signed too long ago or in the future, and
// those that arrived before.
func (e *Emulator) fresh(c *cloud, call *apiCall) *failure {
	age := call.wall(call.at).Sub(call.signed.Time)
	if age > clockTolerance || age < -clockTolerance {
		return c.fail(c.expired, "the request's time is "+age.Round(time.Second).String()+" behind the cloud's clock")
	}
	if call.signed.Nonce == "" {
		return nil
	}
	if !e.nonces.use(call.keyID+" "+call.signed.Nonce, call.at) {
		return c.fail("SignatureNonceUsed", "a request with this nonce was here before")
	}
	return nil
}

// problemOf makes a failure of a signature that cannot be read.
func problemOf(c *cloud, err error) *failure {
	var p *signature.Problem
	if !errors.As(err, &p) {
		return c.fail(c.wrongSignature, err.Error())
	}
	return c.fail(c.refusal(p), p.Error())
}

// nonces remembers the nonces used for as long as a request with one could be
// taken, in two generations so that forgetting costs nothing.
type nonces struct {
	young, old map[string]struct{}
	since      time.Time
}

// maxNonces bounds a generation.
const maxNonces = 1_000_000

// use says whether a nonce is new, and remembers it.
func (n *nonces) use(nonce string, now time.Time) bool {
	const taken = 2 * clockTolerance
	if age := now.Sub(n.since); n.young == nil || age > taken || len(n.young) >= maxNonces {
		n.young, n.old, n.since = map[string]struct{}{}, n.young, now
		if age > 2*taken {
			n.old = nil
		}
	}
	_, young := n.young[nonce]
	_, old := n.old[nonce]
	if young || old {
		return false
	}
	n.young[nonce] = struct{}{}
	return true
}
