// Package webhook lets a git host say that a repository has news. A delivery
// is believed only when it proves that its sender knows the source's secret,
// and all it can bring about is that the source looks at its repository soon.
//
// What is read of a delivery, by the kind of its host:
//
//	kind     proof of the secret                              delivery id                    event
//	github   X-Hub-Signature-256: sha256=HEX                  X-GitHub-Delivery              X-GitHub-Event: push, create
//	gitea    X-Gitea-Signature: HEX or X-Hub-Signature-256    X-Gitea-Delivery               X-Gitea-Event: push, create
//	gitlab   webhook-signature: v1,BASE64 or X-Gitlab-Token   webhook-id, Idempotency-Key,   X-Gitlab-Event: Push Hook,
//	                                                          X-Gitlab-Event-UUID            Tag Push Hook
//	gitee    X-Gitee-Token: BASE64 or the password            X-Gitee-Timestamp              X-Gitee-Event: as gitlab
//	generic  X-Signature-256 or X-Hub-Signature-256           X-Delivery-Id                  none, every delivery counts
//
// HEX is HMAC-SHA256 of the body's raw bytes with the secret as the key; the
// older X-Hub-Signature with SHA-1 proves nothing here. A GitLab secret that
// begins with "whsec_" is a signing token (GitLab 19): the signature is over
// "id.timestamp.body" as Standard Webhooks has it, at most five minutes old,
// and a plain token is then refused. Gitee signs only its timestamp, in
// milliseconds, at most an hour off as its document says; whether what is sent
// is URL-escaped its documents and its users disagree about, both are read.
//
// Of the payload, JSON or JSON in the form field "payload", two fields are
// read and only after the proof: "ref", and the addresses in "repository"
// (clone_url, ssh_url, git_url, git_http_url, git_ssh_url, html_url, url). They
// only narrow: a delivery about another repository or ref is answered like any
// other that has proved the secret, and ignored. A generic payload may lack
// either or be empty.
//
// A delivery that comes again is answered and forgotten. Delivery ids are
// headers that most signatures do not cover, so it is the id with the body
// that is remembered, for a day; a body without an id may rightly come again,
// so it is remembered for a minute.
package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"weir/sync/daemon/gate"
	"weir/sync/secret"
)

// MaxBody is the largest delivery that is read, in bytes.
const MaxBody = 256 << 10

// writeTimeout is how long a sender may take to read its answer.
const writeTimeout = 5 * time.Second

// defaultRates bound what comes before any proof. A host sends one delivery a
// push.
var defaultRates = gate.Rates{
	All: 200, AllBurst: 400, Address: 50, AddressBurst: 100,
	InFlight: 32, OfAddress: 16, Addresses: 1024,
}

// Kind is the kind of host that sends.
type Kind string

// The kinds of hosts.
const (
	GitHub  Kind = "github"
	GitLab  Kind = "gitlab"
	Gitea   Kind = "gitea"
	Gitee   Kind = "gitee"
	Generic Kind = "generic"
)

// Hook is what one source accepts. URL may be missing where the kind is
// Generic; the other fields but Ref are required.
type Hook struct {
	Source string // name of the source, the last part of the route
	Kind   Kind
	Secret secret.Ref // read anew for each delivery
	URL    string     // of the repository, as configured
	Ref    string     // branch or tag that is followed, "" for any
	// Poke asks the source to look soon. It must return at once; it is called
	// at most once a second, and not after Close.
	Poke func()
}

// Options say what a Handler accepts.
type Options struct {
	Hooks   []Hook // none: every delivery is answered with 404
	Logger  *slog.Logger
	Metrics *Metrics
}

// Handler answers POST requests to the route /webhook/{source}. It is used
// through an http.ServeMux, whose path value "source" it reads.
type Handler struct {
	hooks   map[string]*hook
	decoy   string // the secret of sources that are not there
	log     *slog.Logger
	metrics *Metrics
	gate    *gate.Gate
	seen    *memory
}

// hook is a Hook with what it remembers.
type hook struct {
	Hook
	repository string // URL in the form that is compared
	poker      poker
	refusals   gate.Seldom // of deliveries that prove nothing
	faults     gate.Seldom // of a secret that cannot be used
}

// New checks the hooks and returns what serves them.
func New(opts Options) (*Handler, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		hooks: map[string]*hook{}, decoy: rand.Text(), log: opts.Logger, metrics: opts.Metrics,
		gate: gate.New(defaultRates), seen: newMemory(),
	}
	for _, o := range opts.Hooks {
		if _, twice := h.hooks[o.Source]; twice {
			return nil, fmt.Errorf("webhook %s: the source is there twice", o.Source)
		}
		repository, err := o.check()
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", o.Source, err)
		}
		h.hooks[o.Source] = &hook{Hook: o, repository: repository, poker: poker{poke: o.Poke}}
		opts.Metrics.preset(o.Source)
	}
	return h, nil
}

// check returns the repository in the form that is compared.
func (o Hook) check() (string, error) {
	if _, known := events[o.Kind]; !known {
		return "", fmt.Errorf("kind %q is not known", o.Kind)
	}
	repository, ok := Address(o.URL)
	switch {
	case o.Source == "" || strings.ContainsAny(o.Source, "/%?#"):
		return "", errors.New("no Source, or one that is no part of a path")
	case o.Secret == secret.Ref{}:
		return "", errors.New("no Secret: without one anybody could send")
	case o.Poke == nil:
		return "", errors.New("no Poke")
	case !ok && (o.Kind != Generic || o.URL != ""):
		return "", fmt.Errorf("URL %q names no host and path", redact(o.URL))
	}
	return repository, nil
}

// Close ends what is to be poked later; after it nothing is poked.
func (h *Handler) Close() {
	for _, k := range h.hooks {
		k.poker.close()
	}
}

// ServeHTTP answers one delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if len(h.hooks) == 0 {
		notFound.write(w)
		return
	}
	// Not every ResponseWriter has deadlines; the server's own is then in force.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	k := h.hooks[r.PathValue("source")]
	a := h.receive(w, r, k)
	if k != nil {
		h.metrics.count(k.Source, a.result)
	}
	a.write(w)
}

// receive decides about a delivery to k, nil for a source that is not there:
// one that costs the same, and proves nothing.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, k *hook) answer {
	leave, refusal := h.gate.Enter(r.RemoteAddr)
	switch refusal {
	case gate.TooOften:
		return tooOften
	case gate.TooMany:
		return tooMany
	}
	defer leave()
	if r.ContentLength > MaxBody {
		return tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooMuch := (*http.MaxBytesError)(nil); errors.As(err, &tooMuch) {
		return tooLarge
	}
	if err != nil {
		return malformed // it ended early, or came too slowly
	}
	if k == nil {
		verify(Generic, r.Header, body, h.decoy, time.Now())
		return notFound
	}
	key, err := k.key()
	if err != nil {
		if before, ok := k.faults.Due(); ok {
			h.log.ErrorContext(r.Context(), "webhook secret cannot be used: deliveries are refused",
				"source", k.Source, "error", err, "unlogged", before)
		}
		return unusable
	}
	if !verify(k.Kind, r.Header, body, key, time.Now()) {
		if before, ok := k.refusals.Due(); ok {
			h.log.WarnContext(r.Context(), "webhook delivery refused: it does not prove the secret",
				"source", k.Source, "remote", r.RemoteAddr, "unlogged", before)
		}
		return unauthorized
	}
	return h.accept(r.Context(), r.Header, body, k)
}

// key reads the secret, and refuses one that no delivery could prove or that
// every delivery would.
func (k *hook) key() (string, error) {
	s, err := k.Secret.Read()
	if err != nil {
		return "", err
	}
	return s.Reveal(), usable(k.Kind, s.Reveal())
}

// accept decides about a delivery that has proved the secret.
func (h *Handler) accept(ctx context.Context, header http.Header, body []byte, k *hook) answer {
	if !k.Kind.moves(header) {
		return ignored // a ping, an issue: nothing a fetch would show
	}
	p, err := parse(k.Kind, header, body)
	if err != nil {
		h.log.WarnContext(ctx, "webhook delivery is malformed", "source", k.Source, "error", clean(err.Error()))
		return malformed
	}
	id := k.Kind.delivery(header)
	log := h.log.With("source", k.Source, "ref", clean(p.Ref), "delivery", clean(id))
	if !p.concerns(k) {
		log.InfoContext(ctx, "webhook delivery is about another repository or ref", "repository", clean(p.name()))
		return ignored
	}
	if h.seen.again(k.Source, id, body) {
		return duplicate
	}
	log.InfoContext(ctx, "webhook delivery accepted")
	k.poker.ask()
	return accepted
}

// answer is what a sender hears, and how it is counted.
type answer struct {
	code   int
	result result
}

// The answers. None says why: who may know can read the log.
var (
	accepted     = answer{http.StatusAccepted, resultAccepted}
	duplicate    = answer{http.StatusAccepted, resultDuplicate}
	ignored      = answer{http.StatusAccepted, resultIgnored}
	unauthorized = answer{http.StatusUnauthorized, resultUnauthorized}
	malformed    = answer{http.StatusBadRequest, resultMalformed}
	tooLarge     = answer{http.StatusRequestEntityTooLarge, resultTooLarge}
	tooOften     = answer{http.StatusTooManyRequests, resultLimited}
	tooMany      = answer{http.StatusServiceUnavailable, resultLimited}
	unusable     = answer{http.StatusServiceUnavailable, resultError}
	notFound     = answer{http.StatusNotFound, ""}
)

func (a answer) write(w http.ResponseWriter) {
	text := strings.ToLower(http.StatusText(a.code))
	switch a.code {
	case http.StatusAccepted:
		text = string(a.result)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(a.code)
	_, _ = io.WriteString(w, text+"\n")
}
