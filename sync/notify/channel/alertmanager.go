package channel

import (
	"context"
	"maps"
	"net/http"
	"time"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

// An alert that is not posted again ends by itself after alertLasts; it is posted
// each alertAgain while it stands, so that one lost post ends none.
const (
	alertAgain = time.Minute
	alertLasts = 4 * alertAgain
)

// maxDescription bounds the text of an alert.
const maxDescription = 4 << 10

// Alertmanager is an Alertmanager, or what speaks its API v2. What stands is an alert
// until it is over.
type Alertmanager struct {
	poster
	texts  *message.Templates
	token  secret.Ref
	labels map[string]string
}

// AlertmanagerOptions says where an Alertmanager is. One of Address is required.
type AlertmanagerOptions struct {
	Address   Address
	Texts     *message.Templates
	Token     secret.Ref        // a bearer token; none by default
	Labels    map[string]string // of all alerts
	CAFile    string
	Transport http.RoundTripper
}

var _ Channel = (*Alertmanager)(nil)

// NewAlertmanager returns an Alertmanager.
func NewAlertmanager(opt AlertmanagerOptions) (*Alertmanager, error) {
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &Alertmanager{poster: p, texts: opt.Texts, token: opt.Token, labels: opt.Labels}, err
}

// Traits says that everything that stands is told each minute.
func (*Alertmanager) Traits() Traits {
	return Traits{All: true, Most: 1000, Rate: 60, Again: alertAgain, Repeats: true}
}

// alert is one alert of API v2.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Compose writes an alert for each event.
func (a *Alertmanager) Compose(d message.Data, id string) (Letter, error) {
	alerts := make([]alert, 0, len(d.Events))
	for _, e := range d.Events {
		one, err := a.alert(d, e)
		if err != nil {
			return Letter{}, err
		}
		alerts = append(alerts, one)
	}
	body, err := encode(alerts)
	return Letter{ID: id, Body: body}, err
}

func (a *Alertmanager) alert(d message.Data, e message.Event) (alert, error) {
	of := d
	of.Name, of.Over, of.Events, of.Total = e.Name, e.Over, []message.Event{e}, 1
	of.Source, of.Revision, of.Missed = e.Source, e.Revision, 0
	of.Actions, of.Calls, of.Authors = map[string]int{string(e.Action): 1}, e.Calls, nil
	text, err := a.texts.Render(of, message.Plain(), fits(maxDescription))
	if err != nil {
		return alert{}, err
	}
	out := alert{
		Labels: a.label(d, e), StartsAt: e.At.UTC(), EndsAt: d.At.Add(alertLasts).UTC(), GeneratorURL: d.URL,
		Annotations: map[string]string{"summary": text.Title, "description": text.Body},
	}
	if e.Over {
		out.StartsAt, out.EndsAt = time.Time{}, d.At.UTC() // of an alert that is known
	}
	for name, value := range map[string]string{
		"command": e.Command(), "place": e.Origin.String(), "commit": e.Origin.Commit, "author": e.Origin.Author,
		"revision": e.Revision,
	} {
		if value != "" {
			out.Annotations[name] = value
		}
	}
	return out, nil
}

// label names an alert: what has the same labels is the same alert. A plan's hash is
// none of them, as another plan that is held is no other alert.
func (a *Alertmanager) label(d message.Data, e message.Event) map[string]string {
	out := maps.Clone(a.labels)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range map[string]string{
		"alertname": e.Name.Alert(), "severity": string(e.Name.Severity()), "weir": d.Weir,
		"account": e.Account, "kind": e.Kind, "resource": e.Resource,
	} {
		if value != "" {
			out[name] = value
		}
	}
	if e.Source != "" && e.Resource == "" {
		out["source"] = e.Source
	}
	return out
}

// Send posts the alerts.
func (a *Alertmanager) Send(ctx context.Context, l Letter) error {
	token, err := a.token.Read()
	if err != nil {
		return err
	}
	r := request{body: l.Body, path: "api/v2/alerts", hide: []secret.Secret{token}}
	if !token.Empty() {
		r.head = map[string]string{"Authorization": "Bearer " + token.Reveal()}
	}
	_, err = a.post(ctx, r)
	return err
}
