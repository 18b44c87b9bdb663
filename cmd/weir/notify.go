package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/schema"
	"weir/sync/notify"
	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// sampleTimeout bounds one sample.
const sampleTimeout = 30 * time.Second

func (a *app) notifyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Try the receivers of notifications"}
	cmd.AddCommand(a.notifyTestCmd())
	return cmd
}

func (a *app) notifyTestCmd() *cobra.Command {
	var events []string
	var dry bool
	cmd := &cobra.Command{
		Use:   "test [RECEIVER...]",
		Short: "Send a sample of each event to the receivers, or print what would be sent",
		Long: "Sends each receiver of the configuration, or those named, a sample of each event that it is told of.\n" +
			"With --print nothing is sent: what would be is printed as the receiver gets it.",
		Example: "  weir notify test ops --event held\n  weir notify test --print",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.format(); err != nil {
				return err
			}
			return a.notifyTest(cmd.Context(), args, events, dry)
		},
	}
	cmd.Flags().StringSliceVar(&events, "event", nil, "only samples of this `event`; may be given more than once")
	cmd.Flags().BoolVar(&dry, "print", false, "send nothing, print what would be sent")
	return cmd
}

// sampled is what became of a sample.
type sampled struct {
	Receiver string       `json:"receiver"`
	Event    message.Name `json:"event"`
	Title    string       `json:"title,omitempty"`
	Body     string       `json:"body,omitempty"`
	HTML     string       `json:"html,omitempty"`
	Error    string       `json:"error,omitempty"`
}

func (a *app) notifyTest(ctx context.Context, names, events []string, dry bool) error {
	cfg, err := a.readConfig()
	if err != nil {
		return err
	}
	if cfg.Notify == nil {
		return fmt.Errorf("%s names no receiver; see `weir explain receiver-choice`", a.config)
	}
	receivers, err := receiversOf(cfg)
	if err != nil {
		return err
	}
	defer func() {
		for _, r := range receivers {
			r.Channel.Close()
		}
	}()
	chosen, err := choose(receivers, names)
	if err != nil {
		return err
	}
	samples, err := samplesOf(events)
	if err != nil {
		return err
	}
	results := []sampled{}
	for _, r := range chosen {
		for _, d := range samples {
			if len(r.Filter.Names) > 0 && !slices.Contains(r.Filter.Names, d.Name) {
				continue
			}
			d.At, d.URL = time.Now(), cfg.URL
			results = append(results, sample(ctx, r, d, dry))
		}
	}
	return a.tellSamples(results, dry)
}

// choose returns the receivers of these names, all for none.
func choose(all []notify.Receiver, names []string) ([]notify.Receiver, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, r := range all {
		known = append(known, r.Name)
	}
	var out []notify.Receiver
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("there is no receiver %q; there are %s", name, strings.Join(known, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// samplesOf returns a sample of each event, all for none. None says that something
// is over: that is of the same receivers and the same form.
func samplesOf(events []string) ([]message.Data, error) {
	var out []message.Data
	known := []string{}
	for _, name := range message.Names() {
		known = append(known, string(name))
		if len(events) == 0 || slices.Contains(events, string(name)) {
			out = append(out, message.Sample(name, false))
		}
	}
	for _, name := range events {
		if slices.Contains(known, name) {
			continue
		}
		err := fmt.Errorf("there is no event %q; there are %s", name, strings.Join(known, ", "))
		if near := schema.Nearest(name, known); near != "" {
			err = fmt.Errorf("there is no event %q; did you mean %s?", name, near)
		}
		return nil, err
	}
	return out, nil
}

// sample sends one sample, or only writes it.
func sample(ctx context.Context, r notify.Receiver, d message.Data, dry bool) sampled {
	out := sampled{Receiver: r.Name, Event: d.Name}
	letter, err := r.Channel.Compose(d, "sample-"+string(d.Name)+"-"+fmt.Sprint(d.At.UnixNano()))
	switch {
	case err != nil:
		out.Error = err.Error()
	case dry:
		out.Title, out.Body, out.HTML = letter.Title, string(letter.Body), string(letter.HTML)
	default:
		ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
		defer cancel()
		if err := r.Channel.Send(ctx, letter); err != nil {
			out.Error = channel.FaultOf(err).Error()
		}
	}
	return out
}

// tellSamples prints what became of the samples. That one could not be sent is an
// error.
func (a *app) tellSamples(results []sampled, dry bool) error {
	failed := 0
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
	}
	var err error
	if a.output == "json" {
		err = a.printJSON(results)
	} else {
		err = a.print(func(w io.Writer) { writeSamples(w, results, dry) })
	}
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %s could not be sent", failed, plural(len(results), "sample")))
	}
	return err
}

func writeSamples(w io.Writer, results []sampled, dry bool) {
	for _, r := range results {
		switch {
		case r.Error != "":
			fmt.Fprintf(w, "%s: %s: %s\n", r.Receiver, r.Event, r.Error)
		case !dry:
			fmt.Fprintf(w, "%s: %s: sent\n", r.Receiver, r.Event)
		default:
			fmt.Fprintf(w, "%s: %s: %s\n", r.Receiver, r.Event, r.Title)
			for line := range strings.Lines(r.Body + "\n" + r.HTML) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
			fmt.Fprintln(w)
		}
	}
}
