package sqlitestate

import (
	"database/sql"
	"strings"

	"weir/sync/state"
)

// linkColumns are, for each of an entry's two links, its place, its digest, its
// hash and the hash before it, which for the first is the anchor's.
func linkColumns() string {
	const of = `, PLACE,
	(SELECT digest FROM links l WHERE l.is_write = journal.is_write AND l.seq = PLACE),
	(SELECT hash FROM links l WHERE l.is_write = journal.is_write AND l.seq = PLACE),
	coalesce((SELECT hash FROM links l WHERE l.is_write = journal.is_write AND l.seq = PLACE - 1),
		(SELECT hash FROM anchors a WHERE a.is_write = journal.is_write AND a.seq = PLACE - 1))`
	return strings.ReplaceAll(of, "PLACE", "intent_link") + strings.ReplaceAll(of, "PLACE", "outcome_link")
}

// rawLink is a link as linkColumns give it; its hashes are nil where it was
// pruned.
type rawLink struct {
	seq                int64
	digest, hash, prev []byte
}

func (r *rawLink) into() []any { return []any{&r.seq, &r.digest, &r.hash, &r.prev} }

// scanLinked reads an entry with its links.
func scanLinked(rows *sql.Rows) (state.Entry, error) {
	var intent, outcome rawLink
	e, params, err := scanColumns(rows, append(intent.into(), outcome.into()...)...)
	if err != nil {
		return e, err
	}
	for _, raw := range []struct {
		rawLink
		part state.Part
	}{{intent, state.Intent}, {outcome, state.Ending}} {
		if raw.seq == 0 || raw.hash == nil || raw.prev == nil {
			continue
		}
		l, err := raw.link(e, raw.part)
		if err != nil {
			return e, err
		}
		e.Links = append(e.Links, l)
	}
	e.Params, err = state.DecodeParams(params)
	return e, scanned(err)
}

func (r *rawLink) link(e state.Entry, part state.Part) (l state.Link, err error) {
	l = state.Link{Chain: state.ChainOf(e.Write), Seq: r.seq, Number: e.Number, Part: part}
	for _, h := range []struct {
		to   *state.Hash
		from []byte
	}{{&l.Digest, r.digest}, {&l.Hash, r.hash}, {&l.Prev, r.prev}} {
		if *h.to, err = hashed(h.from); err != nil {
			return l, err
		}
	}
	return l, nil
}
