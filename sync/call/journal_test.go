package call_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

func TestJournal_OutcomeOfACancelledCallIsWritten(t *testing.T) {
	book := &ledger{}
	ctx, cancel := context.WithCancel(t.Context())
	client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		cancel()
		return nil, &call.Error{Code: call.Unknown}
	})
	call.Journal(client, book, slog.New(slog.DiscardHandler)).Call(ctx, request())
	if got := strings.Join(book.closed, " "); got != "unknown" {
		t.Errorf("closed with %q, want unknown", got)
	}
}

func TestJournal_IntentIsWrittenBeforeTheCall(t *testing.T) {
	book := &ledger{}
	client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		if len(book.opened) != 1 || len(book.closed) != 0 {
			t.Errorf("while it is sent: %d opened and %d closed, want 1 and 0", len(book.opened), len(book.closed))
		}
		return &call.Response{}, nil
	})
	call.Journal(client, book, slog.New(slog.DiscardHandler)).Call(t.Context(), request())
	if len(book.closed) != 1 {
		t.Errorf("%d closed, want 1", len(book.closed))
	}
}

func TestJournal_FailedCloseIsLoggedAndChangesNothing(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	c := call.Journal(&script{}, &ledger{closeErr: errors.New("disk full")}, logger)
	resp, err := c.Call(t.Context(), request())
	if err != nil || resp.RequestID != "R" {
		t.Errorf("outcome %+v, %v; want the call's own", resp, err)
	}
	want := `level=ERROR msg="cannot write the outcome of a call" ` +
		`entry=1 account=a operation=Op code=ok error="disk full"` + "\n"
	if log.String() != want {
		t.Errorf("log %q, want %q", log.String(), want)
	}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// stuck is a Recorder whose Close waits for its context.
type stuck struct{ ledger }

func (s *stuck) Close(ctx context.Context, _ int64, _ *call.Response, _ error) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestJournal_CloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		call.Journal(&script{}, &stuck{}, slog.New(slog.DiscardHandler)).Call(t.Context(), request())
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("it took %v, want 5s", got)
		}
	})
}

func TestJournal_CancelledBeforeTheIntent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := &script{}
	_, err := call.Journal(client, &ledger{openErr: ctx.Err()}, slog.New(slog.DiscardHandler)).Call(ctx, request())
	if got, want := fmt.Sprint(err), "Op: canceled: gave up before it was sent"; got != want || client.tries() != 0 {
		t.Errorf("error %q with %d sent, want %q with none", got, client.tries(), want)
	}
}

// TestFailure_S33_JournalOnAFullDiskSendsNothing also holds that calls which
// were not sent cost no quota.
func TestFailure_S33_JournalOnAFullDiskSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, book := &script{}, &ledger{openErr: errors.New("disk full")}
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(1), "a"), Recorder: book})
		start := time.Now()
		for range 10 {
			if _, err := c.Call(t.Context(), request()); call.CodeOf(err) != call.Internal || attempts(nil, err) != 0 {
				t.Fatalf("outcome %v after %d tries, want internal after none", err, attempts(nil, err))
			}
		}
		book.openErr = nil
		if _, err := c.Call(t.Context(), request()); err != nil {
			t.Errorf("after the disk had room: %v", err)
		}
		if time.Since(start) != 0 || client.tries() != 1 {
			t.Errorf("took %v with %d sent, want 0s and 1", time.Since(start), client.tries())
		}
	})
}

func TestWithhold_OnlyListedReadsPass(t *testing.T) {
	tests := []struct {
		name      string
		operation string
		write     bool
		want      call.Code
	}{
		{"listed read", "Describe", false, call.OK},
		{"listed, but it says that it writes", "Describe", true, call.Withheld},
		{"not listed, says that it reads", "ResumeLiveStream", false, call.Withheld},
		{"not listed", "ResumeLiveStream", true, call.Withheld},
		{"another spelling", "describe", false, call.Withheld},
		{"no operation", "", false, call.Withheld},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := &script{}
			c := call.Withhold(client, []string{"Describe"})
			_, err := c.Call(t.Context(), &call.Request{Account: "a", Operation: tt.operation, Write: tt.write})
			if got := call.CodeOf(err); got != tt.want || (client.tries() == 1) != (tt.want == call.OK) {
				t.Errorf("code %q with %d sent, want %q", got, client.tries(), tt.want)
			}
		})
	}
}
