package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"weir/sync/state"
)

// verifyHistory holds the journal, or an exported file, against its chain.
func (a *app) verifyHistory(ctx context.Context, f historyFlags, args []string) error {
	noted, err := f.noted()
	if err != nil {
		return err
	}
	if given := f; !given.unfiltered() {
		return fmt.Errorf("--verify takes no filter: it looks at all there is")
	}
	name, proof, err := a.prove(ctx, args, noted)
	if err != nil {
		return err
	}
	if a.output == "json" {
		err = a.printJSON(proof)
	} else {
		err = a.print(func(w io.Writer) { printProof(w, name, proof, a.style()) })
	}
	if err == nil && !proof.Sound() {
		return exitError(exitFailed)
	}
	return err
}

// noted returns the hashes that must be in the chain.
func (f historyFlags) noted() ([]state.Hash, error) {
	if f.head == "" {
		return nil, nil
	}
	h, err := state.ParseHash(f.head)
	if err != nil {
		return nil, fmt.Errorf("--head: %w, as the daemon logs it", err)
	}
	return []state.Hash{h}, nil
}

func (f historyFlags) unfiltered() bool {
	return f.query == state.Query{} && f.since+f.until+f.outcome == "" && f.limit == 0 && !f.reads && !f.fields
}

// prove verifies the file that is named, - for standard input, or the store.
func (a *app) prove(ctx context.Context, args []string, noted []state.Hash) (name string, p state.Proof, err error) {
	if len(args) == 0 {
		store, err := a.openJournal(ctx)
		if err != nil {
			return "", p, err
		}
		defer func() { _ = store.Shut() }()
		p, err = store.Verify(ctx, noted...)
		return store.Path(), p, err
	}
	in := a.in
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return "", p, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	if p, err = state.VerifyLines(in, noted...); err != nil {
		err = fmt.Errorf("read %s: %w", args[0], err)
	}
	return args[0], p, err
}

// printProof says what was verified and what is wrong.
func printProof(w io.Writer, name string, p state.Proof, s style) {
	for _, f := range p.Flaws {
		fmt.Fprintf(w, "%s %s\n", s.paint(red, "wrong:"), visible(f.String(), historyID, ""))
	}
	if p.More > 0 {
		fmt.Fprintf(w, "%s and %s more\n", s.paint(red, "wrong:"), plural(int(p.More), "thing"))
	}
	for _, n := range p.Noted {
		printNoted(w, n, s)
	}
	how := s.paint(green, "as they were written")
	if len(p.Flaws) > 0 {
		how = s.paint(red, "in a chain that does not hold")
	}
	fmt.Fprintf(w, "%s: %s %s", visible(name, historyID, ""), entriesText(p.Entries), how)
	if p.Entries > 0 {
		fmt.Fprintf(w, ", numbers %d to %d, since %s", p.First, p.Last, moment(p.Since))
	}
	fmt.Fprintln(w)
	if p.Unchained > 0 {
		fmt.Fprintf(w, "%s cannot be proved: older than the chain, or left open where all around was pruned\n",
			entriesText(p.Unchained))
	}
	if p.Gaps > 0 {
		fmt.Fprintf(w, "%s between them not in the file: a filter left them out, or an outcome was written again\n",
			plural(int(p.Gaps), "link"))
	}
	fmt.Fprintf(w, "head of writes %s (link %d)\nhead of reads  %s (link %d)\n",
		p.Heads.Writes.Hash, p.Heads.Writes.Seq, p.Heads.Reads.Hash, p.Heads.Reads.Seq)
	if len(p.Noted) == 0 {
		fmt.Fprintln(w, "That nothing was cut off at the end, or all of it written anew, only a head shows\n"+
			"that was noted elsewhere: look for \"journal head\" in the daemon's log and ask with --head HASH.")
	}
}

func printNoted(w io.Writer, n state.Noted, s style) {
	if n.Chain == "" {
		fmt.Fprintf(w, "%s %s is in neither chain: what was written until it was noted was cut off or written anew, "+
			"unless it was pruned since\n", s.paint(red, "wrong:"), n.Hash)
		return
	}
	fmt.Fprintf(w, "%s is link %d of the %s: what was written until then is still there as it was, or pruned\n",
		n.Hash, n.Seq, n.Chain)
}

func entriesText(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
