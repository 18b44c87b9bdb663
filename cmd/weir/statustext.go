package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"weir/sync/apply"
	"weir/sync/daemon/view"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// The bounds of what a status shows.
const (
	troublesShown = 10 // of a sort on a terminal; a pipe gets all
	passesShown   = 5
	busy          = 0.05 // part of a quota from which on it is worth a line
)

// statusText writes one status.
type statusText struct {
	style
	w   io.Writer
	o   view.Overview
	now time.Time
}

// printStatus writes how a daemon is at a time: what matters most first.
func printStatus(w io.Writer, o view.Overview, now time.Time, s style) {
	t := &statusText{s, w, o, now}
	v := verdict(o)
	t.line(w, 2, cell{v.text, bold + ";" + v.color})
	t.process()
	t.members()
	t.held()
	t.sources()
	t.counts()
	t.failures()
	t.fights()
	t.unread()
	t.quota()
	t.passes()
}

func (t *statusText) ago(at time.Time) string { return ago(t.now, at) }

// process says which process it is, and that it lives.
func (t *statusText) process() {
	st := t.o.Status
	ready := "ready"
	switch {
	case !st.Ready:
		ready = "not ready"
	case len(st.Unread) > 0:
		ready += ", but knows nothing of " + plural(len(st.Unread), "resource")
	}
	mode := string(st.Mode)
	if st.DryRun {
		mode += " (dry run)"
	}
	t.line(t.w, 2, cell{fmt.Sprintf("weir %s is %s; mode %s, %d passes, last %s",
		t.o.Version, ready, mode, st.Passes, t.ago(st.LastPass.Started)), dim})
	for _, why := range []string{st.ReadOnly, st.Error} {
		if why != "" {
			t.line(t.w, 2, cell{legible(why), red})
		}
	}
	if t.o.Run != nil {
		t.line(t.w, 2, cell{runText(t.o) + " " + barText(float64(t.o.Run.Done)/float64(max(t.o.Run.Total, 1)), 20), cyan})
	}
}

// barText draws a part of a whole.
func barText(part float64, width int) string {
	full := int(math.Round(min(max(part, 0), 1) * float64(width)))
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", width-full) + "]"
}

func (t *statusText) held() {
	if held := t.o.Status.Plan.Held; len(held) > 0 {
		fmt.Fprintln(t.w)
		printHeld(t.w, held, t.o.Consent(), t.style)
	}
}

func (t *statusText) sources() {
	if len(t.o.Sources) > 0 {
		t.heading(t.w, "Sources")
	}
	for _, src := range t.o.Sources {
		t.line(t.w, 4, cell{"  ", ""}, cell{src.Name, bold}, cell{"  " + t.revisionText(src) + "  ", ""},
			cell{t.commitText(src.InForceCommit), ""},
			cell{plural(src.Documents, "document") + ", last success " + t.ago(src.LastSuccess), dim})
		for _, what := range []cell{{src.Error, red}, {src.Waits, yellow}, {src.Degraded, yellow}} {
			if what.text != "" {
				t.line(t.w, 6, cell{"    ", ""}, cell{legible(what.text), what.color})
			}
		}
		if src.Pinned != nil {
			t.line(t.w, 6, cell{"    rolled back ", yellow}, cell{legible(src.Pinned.Text), ""})
		}
		t.problems(src)
	}
}

// commitText says who made a revision, and when.
func (t *statusText) commitText(c *view.Commit) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%q by %s, %s  ", visible(c.Subject, authorShown, ""), authorOf(c.Author), t.ago(c.When))
}

// revisionText says which revision is in force.
func (t *statusText) revisionText(src view.Source) string {
	if src.InForce == "" {
		return "nothing in force"
	}
	return t.revision(src.InForce) + " in force"
}

// revision is a revision, on a terminal as short as tells it from others.
func (s style) revision(of string) string {
	rev := legible(of)
	if s.width == 0 {
		return rev
	}
	kind, hash, found := strings.Cut(rev, ":")
	if !found {
		return rev[:min(len(rev), planShown)]
	}
	return kind + ":" + hash[:min(len(hash), planShown)]
}

// problems says what stands against the newest revision of a source.
func (t *statusText) problems(src view.Source) {
	listed(t, "", src.SourceStatus.Problems, func(p manifest.Problem) {
		t.line(t.w, 6, cell{"    ", ""}, cell{string(p.Severity), severityColor(p)}, cell{" " + legible(p.String()), ""})
	})
}

// listed writes all of a list below its title, if it has one, and of one that is too
// long for a terminal the first.
func listed[T any](t *statusText, title string, all []T, write func(T)) {
	if title != "" && len(all) > 0 {
		t.heading(t.w, title)
	}
	for i, one := range all {
		if t.width > 0 && i == troublesShown {
			t.line(t.w, 4, cell{fmt.Sprintf("  … %d more", len(all)-i), dim})
			return
		}
		write(one)
	}
}

// counts writes how many resources of each account and kind are in which state.
func (t *statusText) counts() {
	states := slices.DeleteFunc(view.States(), func(s view.State) bool { return t.o.States[s] == 0 })
	if len(states) == 0 || len(t.o.Kinds) == 0 { // a daemon of another version tells no kinds
		return
	}
	t.heading(t.w, "Resources")
	tab := table{indent: 2, head: []string{"OF"}}
	for _, s := range states {
		tab.head = append(tab.head, strings.ToUpper(string(s)))
	}
	for _, k := range t.o.Kinds {
		row := []cell{{k.Account + "/" + k.Kind, ""}}
		for _, s := range states {
			if n := k.States[s]; n > 0 {
				row = append(row, cell{fmt.Sprint(n), stateColors[s]})
			} else {
				row = append(row, cell{"-", dim})
			}
		}
		tab.row(row...)
	}
	tab.write(t.w, t.style)
}

var stateColors = map[view.State]string{
	view.State(plan.InSync): green, view.State(plan.Pending): cyan, view.State(plan.Differs): yellow,
	view.State(plan.Waiting): cyan, view.State(plan.Unknown): yellow, view.Failed: red,
}

// trouble writes one thing that a person may have to look at.
func (t *statusText) trouble(word, color, id, text string) {
	t.line(t.w, 6, cell{"  ", ""}, cell{word, color}, cell{" " + legible(id+": "+text), ""})
}

func (t *statusText) failures() {
	listed(t, "Failed", t.o.Status.Failures, func(f reconcile.Failure) {
		again := ""
		if !f.Retries.IsZero() {
			again = "; tried again " + in(t.now, f.Retries)
		}
		t.trouble("failed", red, f.ID, f.Error+again)
	})
}

func (t *statusText) fights() {
	listed(t, "Fights", t.o.Status.Fights, func(f reconcile.FightStatus) {
		t.trouble("stopped", red, f.ID, fightText(f.ID, f.Fight))
	})
}

// fightText says what somebody does to what weir puts back, and what ends that.
func fightText(id string, f plan.Fight) string {
	return f.String() + "; edit the declaration, or: weir settle " + id + " again"
}

func (t *statusText) unread() {
	listed(t, "Unknown", t.o.Status.Unread, func(u reconcile.Unread) {
		word := "unreadable"
		if u.InDoubt {
			word = "in doubt"
		}
		t.trouble(word, yellow, u.ID, u.Why)
	})
}

// quota says which operations are busy, and how the search for drift goes.
func (t *statusText) quota() {
	tab := table{indent: 2}
	for _, g := range t.o.Quota {
		if g.Used < busy && g.Waiting == 0 && g.Throttled == 0 {
			continue
		}
		color := green
		if g.Waiting > 0 || g.Throttled > 0 {
			color = yellow
		}
		var more []string
		if g.Waiting > 0 {
			more = append(more, plural(g.Waiting, "call")+" waiting")
		}
		if g.Throttled > 0 {
			more = append(more, fmt.Sprintf("%d throttled", g.Throttled))
		}
		tab.row(cell{g.Account, ""}, cell{g.Operation, ""}, cell{barText(g.Used, 10), color},
			cell{fmt.Sprintf("%.0f %% of %.3g a second", 100*g.Used, g.PerSecond), ""}, cell{strings.Join(more, ", "), dim})
	}
	if len(tab.rows)+len(t.o.Status.Scrub) > 0 {
		t.heading(t.w, "Quota")
	}
	tab.write(t.w, t.style)
	for _, s := range t.o.Status.Scrub {
		cycle := time.Duration(s.Cycle * float64(time.Second)).Round(time.Second)
		t.line(t.w, 4, cell{"  " + s.Account, ""}, cell{fmt.Sprintf(": oldest observation %s; looking for drift took %.1f%%"+
			" of a read quota (%g%% at most), all once in %s", t.ago(s.Oldest), 100*s.Used, 100*s.Share, cycle), dim})
	}
}

// passes writes what was done last, and what the journal ends with.
func (t *statusText) passes() {
	if len(t.o.Passes) > 0 || t.o.Status.LastApply != nil || t.o.Status.Journal.Writes.Seq > 0 {
		t.heading(t.w, "Done last")
	}
	tab := table{indent: 2}
	for _, p := range t.o.Passes {
		if p.Kind == reconcile.KindQuiet && p.Error == "" {
			continue
		}
		if len(tab.rows) == passesShown {
			break
		}
		tab.row(cell{t.ago(p.Started), ""}, cell{strings.TrimSpace(p.Kind + " " + p.Account), ""},
			cell{tookText(time.Duration(p.Seconds * float64(time.Second))), ""}, passResult(p))
	}
	tab.write(t.w, t.style)
	if last := t.o.Status.LastApply; last != nil {
		t.lastApply(*last)
	}
	if head := t.o.Status.Journal.Writes; head.Seq > 0 {
		t.line(t.w, 4, cell{fmt.Sprintf("  journal: head of writes %s (link %d)", head.Hash, head.Seq), dim})
	}
}

// passResult says what came of a pass or a run.
func passResult(p view.Pass) cell {
	switch {
	case p.Error != "":
		return cell{legible(p.Error), red}
	case p.Held:
		return cell{"held", loud}
	case p.Results != nil:
		var parts []string
		for _, o := range []apply.Outcome{apply.Done, apply.Failed, apply.Refused, apply.Waiting, apply.Withheld} {
			if n := p.Results[o]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, o))
			}
		}
		return cell{strings.Join(parts, ", "), ""}
	case p.Summary != nil:
		return cell{summaryText(*p.Summary), ""}
	}
	return cell{}
}

// lastApply says how long the daemon's last long plan took, and was foreseen to
// take.
func (t *statusText) lastApply(last reconcile.ApplyStatus) {
	text := fmt.Sprintf("  last long plan %s: %s in %s", t.ago(last.Ended), plural(last.Changes, "change"), about(last.Seconds))
	if p := last.Predicted; p != nil {
		text += ", " + about(p.Seconds) + " were foreseen"
		if p.Ratio > 0 {
			text += fmt.Sprintf(" (%+.0f %%)", 100*(p.Ratio-1))
		}
	}
	t.line(t.w, 4, cell{text, ""})
}
