package grafana

import "strings"

// chosen stands in queries for the labels that the reader chooses by: of weir's own
// metrics, of those that are of an account, of those that every process has, and of
// what is of an account whichever process tells it.
var chosen = strings.NewReplacer(
	"{P", `{instance=~"$instance"`,
	"{A", `{instance=~"$instance", account=~"$account"`,
	"{J", `{job="weir", instance=~"$instance"`,
	"{W", `{account=~"$account"`,
)

// led is what the leader of an account tells of it: several processes tell the same,
// and some of them have heard it a while ago.
func led(metric string) string {
	return "max without (instance) (" + metric + " and on (job, instance, account) weir_leader == 1)"
}

// The colours of what is well, to be looked at, and not well.
var (
	wellAtOne  = []Step{{0, "red"}, {1, "green"}}
	wellAtZero = []Step{{0, "green"}, {1, "red"}}
	oddAtOne   = []Step{{0, "green"}, {1, "orange"}}
)

// Overview is the dashboard: from what matters now to what explains it.
func Overview() []Row {
	return []Row{
		{"Now", now()},
		{"Objectives", objectives()},
		{"Resources", resources()},
		{"Cluster", cluster()},
		{"Sources", sources()},
		{"Passes and runs", passes()},
		{"Calls", calls()},
		{"Quota", quota()},
		{"Drift", drift()},
		{"Telling people, and who asks", telling()},
		{"Process", process()},
	}
}

// number is a single value.
func number(title, description, unit string, steps []Step, expr string) Panel {
	return Panel{
		Title: title, Description: description, Kind: Stat, Unit: unit, Width: 4, Steps: steps,
		Queries: []Query{{expr, title}},
	}
}

// chart is a third of a row.
func chart(title, description, unit string, queries ...Query) Panel {
	return Panel{Title: title, Description: description, Kind: Series, Unit: unit, Width: 8, Queries: queries}
}

func now() []Panel {
	ready := number("Ready", "Complete passes are made, sources and state can be used, accounts are led. /readyz says why not.",
		"none", wellAtOne, `min(weir_ready:good)`)
	ready.Words = []string{"not ready", "ready"}
	applies := number("Applies", "After many crashes weir only observes for ten minutes.", "none", wellAtZero,
		`max(weir_read_only{P})`)
	applies.Words = []string{"yes", "read-only"}
	held := number("Held by guards",
		"Guards that hold the plan: nothing of it is applied until somebody consents.", "none", oddAtOne,
		`sum(max by (guard) (weir_plan_held{P}))`)
	return []Panel{
		ready, applies, held,
		number("As declared", "Of the resources that can be read, the part that is as declared.", "percentunit",
			[]Step{{0, "red"}, {0.9, "orange"}, {1, "green"}}, `min(account:weir_resources_in_sync:ratio{W})`),
		number("Resources", "All that are declared or were applied.", "none", nil,
			`sum(account_kind_state:weir_resources:led{W})`),
		number("To do", "Changes that are due now.", "none", nil, `sum(weir_plan_changes{P})`),
		number("Failing", "Resources whose last change failed; it is tried again.", "none", wellAtZero,
			"sum("+led("weir_resources_failing{W}")+")"),
		number("For a person", "Fights, calls in doubt and resources that cannot be read.", "none", oddAtOne,
			"sum("+led("weir_fights{W}")+") + sum("+led("weir_resources_in_doubt{W}")+")"+
				" + sum("+led("weir_resources_unread{W}")+")"),
		number("Oldest edit waits",
			"How long the oldest revision waits whose changes are not all applied, of those that no guard holds.", "s",
			[]Step{{0, "green"}, {60, "orange"}, {900, "red"}}, `max(weir_source_unapplied_seconds{P})`),
		number("Time left",
			"Estimate of how much longer the changes under way take.", "s", nil, `max(weir_run_left_seconds{A})`),
		number("Throttled by weir, 1 day",
			"The most calls above a quota that weir itself has brought about in five minutes: none, ever.", "none", wellAtZero,
			`sum(max_over_time(account_operation:weir_throttled_own:increase5m{W}[1d]))`),
		number("Alerts", "Alerts of weir that fire.", "none", oddAtOne,
			`count(ALERTS{alertname=~"Weir.+", alertstate="firing"}) or vector(0)`),
	}
}

func objectives() []Panel {
	left := Panel{
		Title:       "Budget left of 30 days",
		Description: "1 is all of it; below 0 an objective is missed. No edit has used up nothing.",
		Kind:        Gauge, Unit: "percentunit", Width: 8, Max: 1, Steps: []Step{{0, "red"}, {0.25, "orange"}, {0.5, "green"}},
		Queries: []Query{
			{`min(weir_ready:budget_left:ratio30d)`, "readiness"},
			{`min(source:weir_edits:budget_left:ratio30d) or vector(1)`, "edits"},
			{`min(account:weir_observations:budget_left:ratio30d{W})`, "freshness"},
		},
	}
	return []Panel{
		left,
		chart("From a revision's arrival to its last change",
			"Of the edits of the hour before, without those that a guard held. The objective is a minute.", "s",
			Query{`histogram_quantile(0.5, sum by (le) (increase(weir_source_apply_duration_seconds_bucket{P}[1h])))`, "median"},
			Query{`histogram_quantile(0.99, sum by (le) (increase(weir_source_apply_duration_seconds_bucket{P}[1h])))`, "99 %"}),
		chart("Edits within an hour", "Those that were applied, and of them those within a minute.", "none",
			Query{`max by (source) (increase(weir_source_apply_duration_seconds_count{P}[1h]))`, "{{source}}"},
			Query{
				`max by (source) (increase(weir_source_apply_duration_seconds_bucket{P, le=~"60|60.0"}[1h]))`,
				"{{source}} within a minute",
			}),
	}
}

func resources() []Panel {
	states := chart("By state", "Unknown are also those that no read can show: recordings and prefetches.", "none",
		Query{`sum by (state) (account_kind_state:weir_resources:led{W})`, "{{state}}"})
	states.Stack = true
	return []Panel{
		states,
		chart("Not as declared", "By account and kind: pending, drifted or waiting.", "none",
			Query{
				`sum by (account, kind) (account_kind_state:weir_resources:led{W, state=~"pending|drifted|waiting"})`,
				"{{account}} {{kind}}",
			}),
		chart("In trouble", "Failing, not readable, in doubt, or somebody undoes each change.", "none",
			Query{"sum by (kind) (" + led("weir_resources_failing{W}") + ")", "{{kind}} failing"},
			Query{"sum by (kind) (" + led("weir_resources_unread{W}") + ")", "{{kind}} unread"},
			Query{"sum by (kind) (" + led("weir_resources_in_doubt{W}") + ")", "{{kind}} in doubt"},
			Query{"sum by (kind) (" + led("weir_fights{W}") + ")", "{{kind}} fights"}),
		chart("Plan", "Changes that are due, by action.", "none",
			Query{`sum by (action) (weir_plan_changes{P})`, "{{action}}"}),
		chart("Held", "1 while the guard holds the plan.", "none",
			Query{`max by (guard) (weir_plan_held{P})`, "{{guard}}"}),
		chart("Removals refused within an hour", "By a guard, or since the mode does not remove.", "none",
			Query{`sum(increase(weir_removals_refused_total{P}[1h]))`, "removals"}),
	}
}

func cluster() []Panel {
	return []Panel{
		chart("Members", "Of the cluster, as each process knows it; 0 where it works alone.", "none",
			Query{`max by (instance) (weir_cluster_members{P})`, "{{instance}}"}),
		chart("Leads", "How many accounts each process leads; the sources count as one.", "none",
			Query{`sum by (instance) (weir_leader{A})`, "{{instance}}"}),
		chart("Leaders", "How many processes lead each account: one, but for the moment of a handover.", "none",
			Query{`sum by (account) (weir_leader{W})`, "{{account}}"}),
		chart("Not heard of for", "How long nothing has shown that what is known of the cluster is still so.", "s",
			Query{`max by (instance) (weir_cluster_view_age_seconds{P})`, "{{instance}}"}),
		chart("etcd answers, 99 %", "Time until it answers a request; 0 where there is none.", "s",
			Query{
				`max by (instance, request) (request:weir_etcd_request_duration_seconds:p99_5m{P} >= 0) or vector(0)`,
				"{{instance}} {{request}}",
			}),
		chart("Trouble within 5 minutes",
			"Requests that etcd did not carry out, and calls that were not sent since another may lead the account.", "none",
			Query{`sum by (trouble) (increase(weir_etcd_request_errors_total{P}[5m]))`, "etcd {{trouble}}"},
			Query{`sum by (account) (increase(weir_calls_fenced_total{A}[5m]))`, "{{account}} not sent"}),
	}
}

func sources() []Panel {
	force := Panel{
		Title:       "In force",
		Description: "The revision of each source that is applied.", Kind: Table, Unit: "none", Width: 8,
		Queries: []Query{{`max by (source, revision) (weir_source_revision_info{P})`, ""}},
	}
	return []Panel{
		force,
		chart("Since it was read", "Since each source was last looked at with success, by whom that is longest ago.", "s",
			Query{`time() - min by (source) (weir_source_last_success_timestamp_seconds{P})`, "{{source}}"}),
		chart("Failures within 15 minutes", "Times a source could not be read.", "none",
			Query{`sum by (source) (increase(weir_source_sync_errors_total{P}[15m]))`, "{{source}}"}),
		chart("Documents", "In the newest revision, and what stands against them.", "none",
			Query{`max by (source) (weir_manifest_documents{P})`, "{{source}}"},
			Query{`max by (source) (weir_manifest_problems{P})`, "{{source}} problems"}),
		chart("Not in force", "1 while the newest revision has an error, or was rolled back.", "none",
			Query{`max by (source) (weir_source_refused{P})`, "{{source}} refused"},
			Query{`max by (source) (weir_source_pinned{P})`, "{{source}} pinned"}),
		chart("Webhooks and commit statuses within an hour",
			"What git hosts have told, and were told; nothing of directories.", "none",
			Query{`sum by (result) (increase(weir_webhook_deliveries_total{P}[1h])) or vector(0)`, "deliveries {{result}}"},
			Query{`sum by (result) (increase(weir_commit_status_reports_total{P}[1h])) or vector(0)`, "statuses {{result}}"}),
	}
}

func passes() []Panel {
	return []Panel{
		chart("How long passes take", "A pass decides; the calls are made beside it.", "s",
			Query{`histogram_quantile(0.5, sum by (le) (rate(weir_reconcile_duration_seconds_bucket{P}[5m])))`, "median"},
			Query{`histogram_quantile(0.99, sum by (le) (rate(weir_reconcile_duration_seconds_bucket{P}[5m])))`, "99 %"}),
		chart("Passes a second", "And those that the state kept from being made.", "none",
			Query{`sum(rate(weir_reconcile_duration_seconds_count{P}[$__rate_interval]))`, "passes"},
			Query{`sum(rate(weir_reconcile_errors_total{P}[$__rate_interval]))`, "failed"}),
		chart("Since the last pass", "Since one ended, and since one ended without a failure.", "s",
			Query{`time() - max by (instance) (weir_reconcile_last_attempt_timestamp_seconds{P})`, "{{instance}}"},
			Query{
				`time() - max by (instance) (weir_reconcile_last_success_timestamp_seconds{P})`,
				"{{instance}} without a failure",
			}),
		chart("Under way", "Changes that are being made, or wait for their turn.", "none",
			Query{`sum by (account) (weir_changes_under_way{A})`, "{{account}}"}),
		chart("Time left", "Estimate of how much longer the changes under way take.", "s",
			Query{`max by (account) (weir_run_left_seconds{A})`, "{{account}}"}),
		chart("Forecasts",
			"What plans of two seconds and more took as a part of what was foreseen; mean of a day, 1 where there was none.",
			"percentunit",
			Query{`avg(weir_apply_prediction_ratio:mean_1d{P}) or vector(1)`, "taken / foreseen"}),
	}
}

func calls() []Panel {
	return []Panel{
		chart("Calls a second by outcome", "Each try, and calls that were not sent.", "cps",
			Query{`sum by (code) (rate(weir_calls_total{A}[$__rate_interval])) > 0`, "{{code}}"}),
		chart("Calls a second by operation", "That went out.", "cps",
			Query{`sum by (operation) (rate(weir_call_duration_seconds_count{A}[$__rate_interval])) > 0`, "{{operation}}"}),
		chart("Failed", "The part of the calls that did not bring about what was asked.", "percentunit",
			Query{
				`max by (account, operation) (account_operation:weir_calls_failed:ratio_rate5m{W})`,
				"{{account}} {{operation}}",
			}),
		chart("Answers, 99 %", "Time from sending a call to the end of its answer.", "s",
			Query{`max by (operation) (account_operation:weir_call_duration_seconds:p99_5m{W}) >= 0`, "{{operation}}"}),
		chart("Answers, median", "Time from sending a call to the end of its answer.", "s",
			Query{`max by (operation) (account_operation:weir_call_duration_seconds:p50_5m{W}) >= 0`, "{{operation}}"}),
		chart("Tries again within 5 minutes", "Calls that were made once more.", "none",
			Query{`sum by (operation) (increase(weir_call_retries_total{A}[5m]))`, "{{operation}}"}),
	}
}

func quota() []Panel {
	used := chart("In use", "The part of what weir may call now, by operation.", "percentunit",
		Query{`max by (account, operation) (account_operation:weir_quota_used:ratio_rate5m{W}) > 0`, "{{account}} {{operation}}"})
	used.Max, used.Steps = 1, []Step{{0, "green"}, {0.9, "orange"}}
	return []Panel{
		used,
		chart("Waiting", "Calls that wait for quota, by priority.", "none",
			Query{`sum by (priority) (weir_quota_waiting{A})`, "{{priority}}"}),
		chart("Throttles within 5 minutes", "Brought about by weir, which must never be, and by others.", "none",
			Query{`sum(account_operation:weir_throttled_own:increase5m{W})`, "by weir"},
			Query{`sum by (operation) (increase(weir_throttled_foreign_total{A}[5m]))`, "{{operation}} by others"}),
		chart("Allowed now",
			"Calls a second: the quota times the share, less what throttles and outages took.", "cps",
			Query{`min by (account, operation) (weir_quota_limit_per_second{A})`, "{{account}} {{operation}}"}),
		chart("Below its ceiling",
			"The part of its ceiling that an operation has lost, while it comes back after an outage.", "percentunit",
			Query{
				`max by (account, operation) (1 - weir_quota_limit_per_second{A} / weir_quota_ceiling_per_second{A})`,
				"{{account}} {{operation}}",
			}),
		chart("Shared", "1 while the quota is shared with the other processes on this state.", "none",
			Query{`min by (account) (weir_quota_shared{A})`, "{{account}}"}),
	}
}

func drift() []Panel {
	return []Panel{
		chart("Found within an hour", "Resources that were changed behind weir's back.", "none",
			Query{`sum by (account, kind) (increase(weir_drift_detected_total{A}[1h]))`, "{{account}} {{kind}}"}),
		chart("Oldest observation", "How old what is known may be, and how long reading all once takes.", "s",
			Query{"max by (account) (" + led("weir_observation_age_seconds{W}") + ")", "{{account}}"},
			Query{"max by (account) (" + led("weir_scrub_cycle_seconds{W}") + ")", "{{account}} one round"}),
		chart("Scrub", "Reads a second that look for drift.", "cps",
			Query{`sum by (operation) (rate(weir_scrub_reads_total{A}[$__rate_interval]))`, "{{operation}}"}),
		chart("First lease ends in", "Of what nothing renews; 0 where there is none.", "s",
			Query{
				"clamp_min(max by (account, kind) (" + led("weir_lease_end_timestamp_seconds{W}") + ") - time(), 0)",
				"{{account}} {{kind}}",
			}),
		chart("Unfamiliar answers within a day", "Resources with what this weir does not know.", "none",
			Query{`sum by (account, kind) (increase(weir_answers_unfamiliar_total{A}[1d]))`, "{{account}} {{kind}}"}),
		chart("Clock", "By how much the cloud's clock is ahead of this machine's.", "s",
			Query{"max by (account) (" + led("weir_clock_skew_seconds{W}") + ")", "{{account}}"}),
	}
}

func telling() []Panel {
	panels := []Panel{
		chart("Messages within an hour", "Notifications by receiver: sent, and given up. 0 where nobody is to be told.", "none",
			Query{
				`sum by (receiver, result) (increase(weir_notification_messages_total{P}[1h])) or vector(0)`,
				"{{receiver}} {{result}}",
			}),
		chart("Events that wait to be told", "By receiver.", "none",
			Query{`sum by (receiver) (weir_notification_waiting_events{P}) or vector(0)`, "{{receiver}}"}),
		chart("Requests not let in within an hour", "To page, API and metrics, by reason.", "none",
			Query{`sum by (reason) (increase(weir_http_refused_total{P}[1h]))`, "{{reason}}"}),
		chart("Spans within an hour", "Of traces, by what became of them. 0 where none are made.", "none",
			Query{`sum by (result) (increase(weir_trace_spans_total{P}[1h])) or vector(0)`, "{{result}}"}),
	}
	for i := range panels {
		panels[i].Width = gridWidth / len(panels)
	}
	return panels
}

func process() []Panel {
	build := Panel{
		Title: "Builds", Description: "Which weir runs.", Kind: Table, Unit: "none", Width: 8,
		Queries: []Query{{`weir_build_info{P}`, ""}},
	}
	return []Panel{
		build,
		chart("CPU", "Cores in use.", "none",
			Query{`sum by (instance) (rate(process_cpu_seconds_total{J}[$__rate_interval]))`, "{{instance}}"}),
		chart("Memory", "Resident, and the heap in use.", "bytes",
			Query{`sum by (instance) (process_resident_memory_bytes{J})`, "{{instance}} resident"},
			Query{`sum by (instance) (go_memstats_heap_inuse_bytes{J})`, "{{instance}} heap"}),
		chart("State", "Size of the state on disk.", "bytes",
			Query{`sum by (instance) (weir_state_size_bytes{P})`, "{{instance}}"}),
		chart("Goroutines and files", "Running goroutines, and open files.", "none",
			Query{`sum by (instance) (go_goroutines{J})`, "{{instance}} goroutines"},
			Query{`sum by (instance) (process_open_fds{J})`, "{{instance}} files"}),
		chart("Since it started", "And since its configuration was read.", "s",
			Query{`time() - max by (instance) (process_start_time_seconds{J})`, "{{instance}}"},
			Query{
				`time() - max by (instance) (weir_config_last_reload_success_timestamp_seconds{P})`,
				"{{instance}} configuration",
			}),
	}
}
