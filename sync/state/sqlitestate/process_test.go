package sqlitestate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// The environment of a child process: what it has to do, and with which store.
const (
	childRole = "WEIR_STATE_TEST_ROLE"
	childPath = "WEIR_STATE_TEST_PATH"
)

// children are the things a child process can do. It says on say what is
// durable, a line a fact, and waits for its parent by await.
func children() map[string]func(s *Store, say func(string, ...any), await func()) error {
	return map[string]func(*Store, func(string, ...any), func()) error{
		"write": writeWithoutEnd,
		"race":  raceForActs,
		"steps": stepByStep,
		"open":  func(s *Store, say func(string, ...any), _ func()) error { return openOnly(s, say) },
	}
}

// child is the main of a child process.
func child(role, path string) int {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	in := bufio.NewReader(os.Stdin)
	await := func() {
		if _, err := in.ReadString('\n'); err != nil {
			os.Exit(3)
		}
	}
	say("ready")
	await()
	s, err := Open(context.Background(), path, Options{})
	if err == nil {
		err = errors.Join(children()[role](s, say, await), s.Shut())
	}
	if err != nil {
		say("error %v", err)
		return 1
	}
	return 0
}

// process is a child that runs this test binary.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a child, which waits for the first next.
func start(t *testing.T, role, path string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err, cmd.Start())
	p := &process{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	p.expect("ready")
	return p
}

// next lets the child take its next step.
func (p *process) next() {
	p.t.Helper()
	_, err := io.WriteString(p.in, "\n")
	must(p.t, err)
}

// line returns the next line the child says, "" at its end.
func (p *process) line() string {
	if p.out.Scan() {
		return p.out.Text()
	}
	return ""
}

func (p *process) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("child says %q, want %q", got, want)
	}
}

// rest returns what the child still says and waits for its end.
func (p *process) rest() (lines []string) {
	for l := p.line(); l != ""; l = p.line() {
		lines = append(lines, l)
	}
	_ = p.cmd.Wait() // a child that was killed says so here
	return lines
}

// kill ends the child as kill -9 does and returns what it still said.
func (p *process) kill() []string {
	p.t.Helper()
	must(p.t, p.cmd.Process.Kill())
	return p.rest()
}

// writeWithoutEnd has goroutines write as fast as they can and say what is
// done; only a kill ends it.
func writeWithoutEnd(s *Store, say func(string, ...any), _ func()) error {
	errs := make(chan error)
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				if err := writeRound(s, say, fmt.Sprintf("g%d-%05d", g, i)); err != nil {
					errs <- err
				}
			}
		}()
	}
	return <-errs
}

// writeRound makes one of every write about the resource key.
func writeRound(s *Store, say func(string, ...any), key string) error {
	ctx := context.Background()
	n, err := s.Open(ctx, state.Entry{Opened: time.Now(), Operation: key})
	if err != nil {
		return err
	}
	say("opened %s", key)
	a := resource.Act{ID: keyed(key).ID, Name: "start", Token: "1", Begun: time.Now()}
	if err := s.Begin(ctx, a); err != nil {
		return err
	}
	say("begun %s", key)
	a.Done = time.Now()
	if err := s.Settle(ctx, a); err != nil {
		return err
	}
	say("settled %s", key)
	if err := s.Save(ctx, keyed(key+"/a"), keyed(key+"/b"), keyed(key+"/c")); err != nil {
		return err
	}
	say("saved %s", key)
	if err := s.Close(ctx, n, state.Outcome{Closed: time.Now(), Code: "ok"}); err != nil {
		return err
	}
	say("closed %s", key)
	return nil
}

// keyed is a record large enough that three of them take several pages.
func keyed(key string) resource.Applied {
	r := benchRecord(1)
	r.ID.Key = key
	r.Spec += resource.Spec(make([]byte, 3000))
	return r
}

// raceForActs begins the acts that others begin too and says which it won.
func raceForActs(s *Store, say func(string, ...any), await func()) error {
	say("opened")
	await()
	for i := range 200 {
		a := resource.Act{ID: benchRecord(1).ID, Name: fmt.Sprintf("act %03d", i), Token: "1", Begun: time.Now()}
		switch err := s.Begin(context.Background(), a); {
		case err == nil:
			say("won %s", a.Name)
		case !errors.Is(err, state.ErrInDoubt):
			return err
		}
	}
	return nil
}

// stepByStep writes an act's intent, its call's entry, and their ends, and
// stops before each.
func stepByStep(s *Store, say func(string, ...any), await func()) error {
	ctx := context.Background()
	a := newWorld().acts[0]
	say("opened")
	await()
	if err := s.Begin(ctx, a); err != nil {
		return err
	}
	n, err := s.Open(ctx, benchEntry())
	if err != nil {
		return err
	}
	say("begun")
	await()
	a.Done = time.Unix(0, 99).UTC()
	err = errors.Join(s.Settle(ctx, a), s.Close(ctx, n, state.Outcome{Closed: a.Done, Code: "ok"}))
	if err != nil {
		return err
	}
	say("settled")
	await()
	return nil
}

func openOnly(s *Store, say func(string, ...any)) error {
	if err := s.Save(context.Background(), keyed(fmt.Sprintf("pid%d", os.Getpid()))); err != nil {
		return err
	}
	say("saved")
	return nil
}
