package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"weir/sync/cluster"
	"weir/sync/config"
	"weir/sync/daemon/view"
	"weir/sync/news"
	"weir/sync/notify"
	"weir/sync/notify/channel"
	"weir/sync/notify/message"
	"weir/sync/reconcile"
)

// tellers tell people of what they should look at. The zero value tells nobody.
type tellers struct {
	desk *news.Desk // nil for nobody
	made bool       // only what was applied: a daemon tells the rest
}

// teller returns what tells people: of everything in a process that has metrics for
// it, the daemon; of what it has applied in a command that a person calls. Without a
// receiver nobody is told.
func (b *builder) teller(cfg *config.Config) (tell tellers, end func() error, err error) {
	nothing := func() error { return nil }
	if cfg.Notify == nil || b.dryRun {
		return tell, nothing, nil
	}
	receivers, err := receiversOf(cfg)
	if err != nil {
		return tell, nothing, err
	}
	voice := b.speaker()
	n, err := notify.New(notify.Options{
		Receivers: receivers, Weir: hostname(), URL: cfg.URL, Metrics: b.events, Logger: b.log,
		Speaks: func(e notify.Event) bool { return voice.Speaks(ledAs(e)) },
	})
	if err != nil {
		return tell, nothing, err
	}
	tell.desk = news.NewDesk(news.Options{
		Tell: func(e notify.Event) { voice.Say(ledAs(e), func() { n.Tell(e) }, func() { n.Know(e) }) },
		Lead: cfg.Notify.LeaseLead, After: cfg.Notify.UnavailableAfter, Consent: view.Consent, Faulty: faulty,
	})
	tell.made = b.events == nil
	within := lastReports / 2 // half the time that the git hosts have
	if tell.made {
		within = toldWithin
	}
	before := b.notifier
	b.notifier = n
	return tell, func() error {
		if err := b.silence(n, before, within); err != nil {
			b.log.Warn("not everybody was told all", "error", err)
		}
		return nil
	}, nil
}

// ledAs returns the account whose leader tells an event.
func ledAs(e notify.Event) string { return cmp.Or(e.Account, cluster.Sources) }

// silence ends n, and lets it tell what waits. Where a reload has put another in its
// place that one takes over.
func (b *builder) silence(n, before *notify.Notifier, within time.Duration) error {
	if b.notifier != n {
		return n.HandOver(b.notifier)
	}
	b.notifier = before // a configuration that was not taken has one too
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return n.Close(ctx)
}

// into has the loop tell.
func (t tellers) into(opts *reconcile.Options) {
	if t.desk == nil {
		return
	}
	if t.made {
		opts.News.Made = t.desk.News().Made
		return
	}
	verdict := opts.Verdict
	opts.Held, opts.Fight, opts.News = t.desk.Held, t.desk.Fight, t.desk.News()
	opts.Verdict = func(v reconcile.Verdict) {
		if verdict != nil {
			verdict(v)
		}
		t.desk.Verdict(v)
	}
}

// watch is what is beside the loop, nil for nothing.
func (t tellers) watch() func(context.Context, func() reconcile.Status) {
	if t.desk == nil || t.made {
		return nil
	}
	return t.desk.Watch
}

// receiversOf opens the receivers of the configuration.
func receiversOf(cfg *config.Config) ([]notify.Receiver, error) {
	var out []notify.Receiver
	for _, r := range cfg.Notify.Receivers {
		c, err := channelOf(r)
		if err != nil {
			for _, open := range out {
				open.Channel.Close()
			}
			return nil, fmt.Errorf("notify: receiver %s: %w", r.Name, err)
		}
		out = append(out, notify.Receiver{
			Name: r.Name, Channel: c, GroupWait: r.GroupWait, GroupInterval: r.GroupInterval, Repeat: r.Repeat, Rate: r.Rate,
			Began: !r.Over,
			Filter: notify.Filter{
				Names: eventsOf(r), Sources: r.Sources, Accounts: r.Accounts, Kinds: r.Kinds, Labels: r.Labels,
			},
		})
	}
	return out, nil
}

// eventsOf returns what a receiver is told of, nothing for all. An alert is what
// stands, unless somebody asks for more.
func eventsOf(r config.Receiver) []message.Name {
	var out []message.Name
	for _, name := range r.Events {
		out = append(out, message.Name(name))
	}
	if r.Alertmanager != nil && len(out) == 0 {
		out = slices.DeleteFunc(message.Names(), func(n message.Name) bool { return !n.Stands() })
	}
	return out
}

// channelOf opens the channel of a receiver.
func channelOf(r config.Receiver) (channel.Channel, error) {
	robot := func(c *config.Robot) channel.RobotOptions {
		return channel.RobotOptions{
			Address: channel.Address{Secret: c.Address}, Texts: r.Texts, Mention: r.Mention, CAFile: c.CAFile,
		}
	}
	switch {
	case r.Webhook != nil:
		return channel.NewWebhook(channel.WebhookOptions{
			Address: channel.Address{URL: r.Webhook.URL, Secret: r.Webhook.Address}, Secret: r.Webhook.Secret,
			Source: eventSource(), CAFile: r.Webhook.CAFile,
		})
	case r.Slack != nil:
		return channel.NewSlack(robot(r.Slack))
	case r.DingTalk != nil:
		return channel.NewDingTalk(robot(r.DingTalk), r.DingTalk.Secret)
	case r.Feishu != nil:
		return channel.NewFeishu(robot(r.Feishu), r.Feishu.Secret)
	case r.WeCom != nil:
		return channel.NewWeCom(robot(r.WeCom))
	case r.Mail != nil:
		return channel.NewMail(channel.MailOptions{
			Server: r.Mail.Server, Encryption: channel.Encryption(r.Mail.Encryption), Username: r.Mail.Username,
			Password: r.Mail.Password, From: r.Mail.From, To: r.Mail.To, Texts: r.Texts, CAFile: r.Mail.CAFile,
		})
	case r.Alertmanager != nil:
		return channel.NewAlertmanager(channel.AlertmanagerOptions{
			Address: channel.Address{URL: r.Alertmanager.URL}, Texts: r.Texts, Token: r.Alertmanager.Token,
			Labels: r.Alertmanager.Labels, CAFile: r.Alertmanager.CAFile,
		})
	}
	return nil, errors.New("there is no channel")
}

// toldWithin is how long a command waits until people know what it has applied.
const toldWithin = 5 * time.Second

// hostname names this weir in messages.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// eventSource names this weir in its events.
func eventSource() string {
	if host := hostname(); host != "" {
		return "/weir/" + url.PathEscape(host)
	}
	return "/weir"
}
