package reconcile

import (
	"weir/sync/plan"
	"weir/sync/resource"
)

// Fight is a resource that somebody changes back each time weir has put it
// back, so that weir has stopped.
type Fight struct {
	Subject
	Fields []resource.Field // from what is found to what is declared
	Over   bool             // it is as declared, or declared otherwise
	plan.Fight
}

// FightStatus is a Fight as a Status shows it.
type FightStatus struct {
	ID string `json:"id"`
	plan.Fight
}

// tellFights logs each fight when it begins and when it is over, and hands it
// to whoever is to be told.
func (r *Reconciler) tellFights(p, former *plan.Plan) {
	for c := range p.News(former) {
		told, known := r.fights[c.ID]
		switch {
		case c.Fight != nil && (!known || !told.PutBack.Equal(c.Fight.PutBack)):
			r.fights[c.ID] = *c.Fight
			r.tellFight(c)
		case c.Fight == nil && known && c.State != plan.Unknown:
			delete(r.fights, c.ID)
			r.opts.Logger.Info("fight is over", "resource", c.ID.String(), "state", string(c.State))
			r.handFight(Fight{Subject: subjectOf(c), Over: true})
		}
	}
	for id := range r.fights {
		if _, found := p.Find(id); !found {
			delete(r.fights, id)
			r.handFight(Fight{Subject: Subject{ID: id}, Over: true})
		}
	}
}

func (r *Reconciler) handFight(f Fight) {
	if r.opts.Fight != nil && !r.opts.DryRun {
		r.opts.Fight(f)
	}
}

func (r *Reconciler) tellFight(c plan.Change) {
	r.opts.Logger.Error("fight: somebody changes it back each time; weir has stopped putting it back",
		"resource", c.ID.String(), "origin", c.Origin.String(), "fields", paths(c.Fields), "times", c.Fight.Times,
		"put_back", c.Fight.PutBack.UTC(), "found_again", c.Fight.Found.UTC(), "remedy", "weir settle "+c.ID.String()+" again")
	r.handFight(Fight{Subject: subjectOf(c), Fields: c.Fields, Fight: *c.Fight})
}

// fightList lists the first fights of p.
func fightList(p *plan.Plan) []FightStatus {
	out := []FightStatus{}
	for _, c := range p.Changes {
		if c.Fight != nil && len(out) < failuresShown {
			out = append(out, FightStatus{c.ID.String(), *c.Fight})
		}
	}
	return out
}

// ownUp takes over what p found as declared, and a former plan did not.
func (r *Reconciler) ownUp(p, former *plan.Plan) {
	for c := range p.News(former) {
		if c.State == plan.InSync && r.own.of[c.ID] != c.After {
			r.own.put(c.ID, c.After)
		}
	}
}
