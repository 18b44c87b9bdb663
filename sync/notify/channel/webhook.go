package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

// maxEvent bounds the body of an event.
const maxEvent = 256 << 10

// envelope is a CloudEvent 1.0.
type envelope struct {
	SpecVersion string        `json:"specversion"`
	ID          string        `json:"id"`
	Source      string        `json:"source"`
	Type        string        `json:"type"`
	Time        time.Time     `json:"time"`
	Subject     string        `json:"subject,omitempty"`
	ContentType string        `json:"datacontenttype"`
	Data        message.Event `json:"data"`
}

// Webhook is a server that takes CloudEvents 1.0 in structured mode, one a request.
// The header X-Signature-256 is "sha256=" and the hexadecimal HMAC-SHA256 of the
// body. A second copy has the same id.
type Webhook struct {
	poster
	secret secret.Ref
	source string
}

// WebhookOptions says where a Webhook is. Secret and one of Address are required.
type WebhookOptions struct {
	Address   Address
	Secret    secret.Ref // that events are signed with
	Source    string     // of the events, a URI reference
	CAFile    string     // certificates that are trusted instead of the system's
	Transport http.RoundTripper
}

var _ Channel = (*Webhook)(nil)

// NewWebhook returns a Webhook.
func NewWebhook(opt WebhookOptions) (*Webhook, error) {
	if opt.Secret == (secret.Ref{}) {
		return nil, fmt.Errorf("secret is missing")
	}
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &Webhook{p, opt.Secret, opt.Source}, err
}

// Traits says that each event is a message.
func (*Webhook) Traits() Traits { return Traits{Single: true, Most: 1, Rate: 600} }

// Compose writes the event.
func (w *Webhook) Compose(d message.Data, id string) (Letter, error) {
	e := d.First()
	body, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: id, Source: w.source, Type: e.Type(), Time: e.At.UTC(),
		Subject: e.Subject(), ContentType: "application/json", Data: e,
	})
	if err == nil && len(body) > maxEvent {
		err = fmt.Errorf("the event has %d bytes, at most %d are sent", len(body), maxEvent)
	}
	return Letter{ID: id, Body: body}, err
}

// Send signs the event and posts it.
func (w *Webhook) Send(ctx context.Context, l Letter) error {
	key, err := w.secret.Read()
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(l.Body)
	_, err = w.post(ctx, request{body: l.Body, hide: []secret.Secret{key}, head: map[string]string{
		"Content-Type":    "application/cloudevents+json; charset=utf-8",
		"X-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	}})
	return err
}
