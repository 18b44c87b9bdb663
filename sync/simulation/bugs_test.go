package simulation

// bugs is the table of planted bugs.
func bugs() []bug {
	return []bug{
		{"a slot of the quota is free too early", []edit{{
			"sync/call/slots.go",
			"\tcase unmeasured:\n\t\treturn w.Hold()\n", "\tcase unmeasured:\n\t\treturn w.Per / 4\n",
		}, {
			"sync/call/slots.go", "return w.Hold() - credit", "return w.Per/4 - credit",
		}}},
		{"calls of the process before are not recalled", []edit{{
			"sync/call/recall.go", "\t\tl.operation(c.Operation).recall(c)\n", "\t\t_ = l.operation(c.Operation)\n",
		}}},
		{"a call goes out though its intent cannot be written", []edit{{
			"sync/call/journal.go", "\t\t\treturn nil, unrecorded(ctx, req, err)\n\t\t}\n\t\tresp", "\t\t\t_ = unrecorded(ctx, req, err)\n\t\t}\n\t\tresp",
		}}},
		{"an act is begun after its call", []edit{{
			"sync/call/begin.go", "\t\tif req.Begin != nil {\n", "\t\tif req.Begin != nil {\n\t\t\tdefer func() { _ = req.Begin(ctx) }()\n\t\t\treturn next.Call(ctx, req)\n",
		}}},
		{"what is unknown is taken for done", []edit{{
			"sync/apply/act.go", "\tcase code == call.Unknown, code == call.Internal", "\tcase code == call.Internal",
		}, {
			"sync/apply/act.go", "\tcase code == call.OK:\n", "\tcase code == call.OK, code == call.Unknown:\n",
		}}},
		{"a call that must not happen twice is tried again", []edit{{
			"sync/call/retry.go", "fullJitter(t.sent, jitter), !t.req.Write && t.sent < maxTries", "fullJitter(t.sent, jitter), t.sent < maxTries",
		}}},
		{"a prefetch in doubt is made again", []edit{{
			"sync/provider/aliyunlive/prefetch.go", "\t\tw.doubts = append(w.doubts, name)\n", "\t\tw.due(name, round+1)\n",
		}}},
		{"a restart is made at every look", []edit{{
			"sync/provider/aliyunlive/recording.go",
			"return s.want.Restart != s.last.Restart && s.want.Restart != \"\"", "return s.want.Restart != \"\"",
		}}},
		{"what was read is not decided about again", []edit{{
			"sync/reconcile/noted.go", "n.of[id], n.touched[id] = v, true", "n.of[id] = v",
		}}},
		{"what was never applied is removed", []edit{{
			"sync/plan/ledger.go", "for id := range in.Last {", "for id := range in.Seen {",
		}, {
			"sync/plan/diff.go", "c.Want == nil && (c.Last == nil ||", "c.Want == nil && (c.Seen == nil ||",
		}}},
		{"a relay source is removed without its app", []edit{{
			"sync/provider/volcenginelive/calls.go",
			`opDelete, map[string]any{"Vhost": r.Vhost, "App": r.App})}, nil`, `opDelete, map[string]any{"Vhost": r.Vhost})}, nil`,
		}}},
		{"removals are not counted in percent", []edit{{
			"sync/plan/guard/rules.go", "*100 <= f.Policy.MaxRemovedPercent*", "*100 <= 100*",
		}}},
		{"one removal too many is let through", []edit{{
			"sync/plan/guard/rules.go", "n+t.recent <= f.Policy.MaxRemoved {", "n+t.recent <= f.Policy.MaxRemoved+1 {",
		}}},
		{"what is on air is not asked", []edit{{
			"sync/reconcile/air.go", "\tif !c.Due() || c.UnderWay || !r.leads(c.ID.Account) {\n\t\treturn false\n\t}\n\tof :=", "\tif c.ID.Key != \"\" {\n\t\treturn false\n\t}\n\tof :=",
		}, {
			"sync/apply/air.go", "\tif !req.Write || ", "\tif req.Write || ",
		}}},
		{"a consent counts for any plan", []edit{{
			"sync/reconcile/hold.go", "\t\tif c.Plan != p.Hash || !c.Holds(time.Now()) {\n", "\t\tif !c.Holds(time.Now()) {\n",
		}, {
			"sync/reconcile/hold.go", "r.opts.Store.UseConsent(ctx, p.Hash,", "r.opts.Store.UseConsent(ctx, anyConsent(ctx, r.opts.Store),",
		}, {
			"sync/reconcile/hold.go", "// Release lets a held", "func anyConsent(ctx context.Context, s state.Store) string {\n\tall, _ := s.Consents(ctx)\n" +
				"\tfor _, c := range all {\n\t\tif c.Holds(time.Now()) {\n\t\t\treturn c.Plan\n\t\t}\n\t}\n\treturn \"\"\n}\n\n// Release lets a held",
		}}},
		{"removals come first", []edit{{
			"sync/apply/apply.go", "\tr.wave(ctx, first, r.opts.Parallel)\n", "",
		}, {
			"sync/apply/apply.go", "\t\tr.wave(ctx, r.keepOld(ctx, changes, last), removalParallel)\n\t}\n",
			"\t\tr.wave(ctx, r.keepOld(ctx, changes, last), removalParallel)\n\t}\n\tr.wave(ctx, first, r.opts.Parallel)\n",
		}}},
		{"a refused revision is loaded as far as it goes", []edit{{
			"sync/reconcile/desired.go", "\tif manifest.Failed(res.Problems) {\n\t\treturn false\n\t}\n\tf.accepted", "\tf.accepted",
		}}},
		{"what cannot be read is said to be in sync", []edit{{
			"sync/plan/compare.go", "v := Verdict{Action: None, State: Unknown, After: after}", "v := Verdict{Action: None, State: InSync, After: after}",
		}}},
		{"writes rest on whatever was read once", []edit{{
			"sync/apply/look.go", "time.Since(c.Read) <= a.opts.Fresh {", "!c.Read.IsZero() {",
		}, {
			"sync/reconcile/pass.go", "return c.Read.After(now.Add(-fresh)) && !c.Read.Before(r.wrote[c.ID])", "return !c.Read.IsZero() || now.IsZero()",
		}}},
		{"a dry run applies", []edit{{
			"sync/reconcile/lane.go", "\tcase r.opts.DryRun:\n\t\treturn nil\n\tcase len(p.Held)", "\tcase len(p.Held)",
		}, {
			"sync/call/withhold.go", "!allowed[req.Operation] || req.Write", "!allowed[req.Operation] && !req.Write",
		}}},
		{"what was applied is written down before it is", []edit{{
			"sync/apply/change.go", "\tif err := o.callAll(reqs); err != nil {\n", "\t_ = o.write(false)\n\tif err := o.callAll(reqs); err != nil {\n",
		}}},
		{"what was removed is not forgotten", []edit{{
			"sync/apply/change.go", "o.opts.Store.Forget(ctx, o.c.ID)", "o.opts.Store.Forget(ctx)",
		}}},
		{"what was just written is taken for gone", []edit{{
			"sync/plan/compare.go", "\tcase c.Last != nil && c.Now.Before(c.Last.At.Add(Lag)):\n", "\tcase c.Last == nil:\n",
		}}},
		{"what the scrub finds is told to nobody", []edit{{
			"sync/reconcile/scrub.go", "\ts.r.leave(same)\n\tif len(other) > 0 {\n\t\ts.r.deliver(other)\n\t}\n", "\ts.r.leave(same)\n",
		}}},
		{"a lease is never renewed", []edit{{
			"sync/provider/aliyunlive/prefetch.go", "\tcase w.want.Renew && !w.Now.Before(renewal):\n", "\tcase w.want.Renew && w.Now.Before(act.Begun):\n",
		}}},
	}
}
