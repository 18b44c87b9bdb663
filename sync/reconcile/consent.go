package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/sync/apply"
	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// A consent is used once, by the member of a cluster that sees it first; and the plan
// is let through in every account, by whoever leads that. What each makes of it makes
// the plan of now another one, so that what is let through is told by what was held
// under the hash that somebody has consented to: each of its changes, as it was held,
// until it is made.

// The bounds of what is kept of held plans.
const (
	heldKept = 8              // plans that were held of late
	letMost  = 24 * time.Hour // for which what was let through may be made
)

// letting is a plan that somebody has let through, and that is not made whole yet.
type letting struct {
	hash    string
	parts   map[string]string           // digests of what was held, by account
	changes map[resource.ID]plan.Change // as they were held, of the accounts that are known
	known   map[string]bool             // accounts of which they are
	made    map[resource.ID]bool
	spent   map[string]bool // accounts of which all are, as the store knows it
	since   time.Time
}

// heldPlans are the changes of plans that were held here, by hash, the latest last.
type heldPlans struct {
	hashes []string
	of     map[string]map[resource.ID]plan.Change
}

// keep remembers what p holds.
func (h *heldPlans) keep(p *plan.Plan) {
	if _, known := h.of[p.Hash]; known {
		return
	}
	if h.of == nil {
		h.of = map[string]map[resource.ID]plan.Change{}
	}
	if len(h.hashes) == heldKept {
		delete(h.of, h.hashes[0])
		h.hashes = h.hashes[1:]
	}
	h.hashes, h.of[p.Hash] = append(h.hashes, p.Hash), map[resource.ID]plan.Change{}
	for c := range p.Due() {
		if heldWith(c) {
			h.of[p.Hash][c.ID] = c
		}
	}
}

// heldWith reports whether a due change is among those that a plan is held with, as its
// hash has it.
func heldWith(c plan.Change) bool { return c.Reason != plan.Expired && !c.UnderWay }

// partsOf returns a digest of what is held of each account.
func partsOf(p *plan.Plan) map[string]string {
	lines := map[string]*strings.Builder{}
	for c := range p.Due() {
		if !heldWith(c) {
			continue
		}
		of := lines[c.ID.Account]
		if of == nil {
			of = &strings.Builder{}
			lines[c.ID.Account] = of
		}
		line, _ := json.Marshal([]any{c.ID, c.Action, c.Reason, c.Before, c.After, c.Acts, c.OnAir != ""})
		of.Write(append(line, '\n'))
	}
	out := map[string]string{}
	for account, text := range lines {
		sum := sha256.Sum256([]byte(text.String()))
		out[account] = hex.EncodeToString(sum[:16])
	}
	return out
}

// lets reports whether c is what was held, and is not made yet. It must not interrupt
// what was not on air then.
func (l *letting) lets(c plan.Change) bool {
	was, ok := l.changes[c.ID]
	return ok && c.Due() && !l.made[c.ID] && !l.spent[c.ID.Account] && (c.OnAir == "" || was.OnAir != "") &&
		was.Action == c.Action && was.Reason == c.Reason && was.Before == c.Before && was.After == c.After &&
		!slices.ContainsFunc(c.Acts, func(a plan.Act) bool { return !slices.Contains(was.Acts, a) })
}

// letBy returns the hash of the plan with which somebody has let c through, "" where
// nobody has.
func (r *Reconciler) letBy(c plan.Change) string {
	for _, l := range r.lettings {
		if l.lets(c) {
			return l.hash
		}
	}
	return ""
}

// partsSource names the mark of a plan that a member lets through.
func partsSource(hash, by string) string { return state.ConsentSource + hash + " by " + by }

// spentSource names the mark of an account in which nothing of such a plan is left.
func spentSource(hash, account string) string { return state.ConsentSource + hash + " in " + account }

// useConsent lets p through by the consent that somebody gave to it, for all members.
func (r *Reconciler) useConsent(ctx context.Context, p *plan.Plan) error {
	if !r.shared() {
		return r.Release(ctx, p)
	}
	hash, parts := p.Hash, partsOf(p)
	text, err := json.Marshal(parts)
	if err != nil {
		return err
	}
	mark := state.Mark{
		Source: partsSource(hash, r.ofMine(apply.Process())), Role: state.Parts, Revision: string(text), At: time.Now(),
	}
	if err := r.setMark(ctx, mark); err != nil {
		return err
	}
	if err := r.Release(ctx, p); err != nil {
		mark.Revision = ""
		_ = r.setMark(ctx, mark) // another has used it, and has a mark of its own
		return err
	}
	r.beginLetting(hash, parts)
	return nil
}

func (r *Reconciler) beginLetting(hash string, parts map[string]string) {
	l := &letting{
		hash: hash, parts: parts, changes: map[resource.ID]plan.Change{}, known: map[string]bool{},
		made: map[resource.ID]bool{}, spent: map[string]bool{}, since: time.Now(),
	}
	if of, ok := r.heldHere.of[hash]; ok {
		l.changes = maps.Clone(of)
		for account := range parts {
			l.known[account] = true
		}
	}
	r.lettings = append(r.lettings, l)
}

// recallLettings takes over which plans are let through, from the marks of the members
// that have used a consent, and what has become of them in p.
func (r *Reconciler) recallLettings(p *plan.Plan, m memory) {
	if !r.shared() {
		return
	}
	open := map[string]bool{}
	for _, c := range m.consents {
		if c.Used.IsZero() {
			continue
		}
		text := r.marks.of(partsSource(c.Plan, c.UsedBy))[state.Parts].Revision
		parts := map[string]string{}
		if text == "" || json.Unmarshal([]byte(text), &parts) != nil {
			continue
		}
		open[c.Plan] = true
		if !slices.ContainsFunc(r.lettings, func(l *letting) bool { return l.hash == c.Plan }) {
			r.beginLetting(c.Plan, parts)
			r.consentedTo()
		}
	}
	r.lettings = slices.DeleteFunc(r.lettings, func(l *letting) bool {
		return !open[l.hash] && time.Since(l.since) > markTime // the mark of one that was used just now may not be read yet
	})
	for _, l := range r.lettings {
		l.follow(p, r.marks)
	}
}

// follow takes over what p and the store say of what is let through.
func (l *letting) follow(p *plan.Plan, known marks) {
	for account := range l.parts {
		if known.of(spentSource(l.hash, account))[state.Spent].Revision != "" {
			l.spent[account] = true
		}
	}
	if slices.ContainsFunc(sortedKeys(l.parts), func(account string) bool { return !l.known[account] && !l.spent[account] }) {
		l.meet(p)
	}
	for id := range l.changes {
		c, ok := p.Find(id)
		if !ok || c.State == plan.InSync && c.Action == plan.None {
			l.made[id] = true
		}
	}
}

// meet takes over from p what was held of an account where it is that still.
func (l *letting) meet(p *plan.Plan) {
	now := partsOf(p)
	for account, digest := range l.parts {
		if l.known[account] || now[account] != digest {
			continue
		}
		l.known[account] = true
		for c := range p.Due() {
			if c.ID.Account == account && heldWith(c) {
				l.changes[c.ID] = c
			}
		}
	}
}

// done reports whether everything that was let through of an account is made.
func (l *letting) done(account string) bool {
	if !l.known[account] {
		return false
	}
	for id := range l.changes {
		if id.Account == account && !l.made[id] {
			return false
		}
	}
	return true
}

// madeOf notes that a change is made: the same coming again needs another consent.
func (r *Reconciler) madeOf(id resource.ID) {
	for _, l := range r.lettings {
		if _, ok := l.changes[id]; ok {
			l.made[id] = true
		}
	}
}

// settleLettings writes which accounts are done with what was let through, so that who
// takes them over begins nothing of it again, and forgets what all are done with.
func (r *Reconciler) settleLettings(ctx context.Context) {
	for _, l := range r.lettings {
		ended := time.Since(l.since) > letMost
		for account := range l.parts {
			if !l.spent[account] && r.leads(account) && l.done(account) {
				m := state.Mark{Source: spentSource(l.hash, account), Role: state.Spent, Revision: l.hash, At: time.Now()}
				l.spent[account] = r.noteLetting(ctx, m)
			}
		}
		all := !slices.ContainsFunc(sortedKeys(l.parts), func(account string) bool { return !l.spent[account] })
		if (all || ended) && r.leads(cluster.Sources) {
			r.forgetLetting(ctx, l)
		}
	}
}

// forgetLetting removes the marks of a plan that was let through: first the one that
// makes it so.
func (r *Reconciler) forgetLetting(ctx context.Context, l *letting) {
	var rest []state.Mark
	for _, m := range r.marks {
		of, is := strings.CutPrefix(m.Source, state.ConsentSource+l.hash)
		switch {
		case !is:
		case strings.HasPrefix(of, " by "):
			r.noteLetting(ctx, state.Mark{Source: m.Source, Role: m.Role, At: time.Now()})
		default:
			rest = append(rest, state.Mark{Source: m.Source, Role: m.Role, At: time.Now()})
		}
	}
	for _, m := range rest {
		r.noteLetting(ctx, m)
	}
}

func (r *Reconciler) noteLetting(ctx context.Context, m state.Mark) bool {
	err := r.setMark(ctx, m)
	if err != nil {
		r.opts.Logger.Warn("cannot write what has become of a plan that was let through", "mark", m.Source, "error", err)
	}
	return err == nil
}
