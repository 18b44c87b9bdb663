package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"weir/sync/etcd/etcdtest"
	"weir/sync/state"
)

// TestFailure_P14_MemberKilled: while each of three members is killed in turn, no write
// fails, none is made twice, and none is lost.
func TestFailure_P14_MemberKilled(t *testing.T) {
	t.Parallel()
	three := etcdtest.Start(t, 3)
	s := openOn(t, three.Conn(t, ""), Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	made := make([]int, 4)
	for w := range made {
		wg.Go(func() {
			for ; ; made[w]++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d/%d", w, made[w])
				if err := oneCall(t.Context(), s, key); err != nil {
					t.Errorf("call %s: %v", key, err)
					return
				}
			}
		})
	}
	for _, m := range three.Members {
		m.Kill()
		must(t, s.SetMark(t.Context(), state.Mark{Source: m.Name, Role: state.Held, Revision: "1"})) // two others go on
		must(t, m.Start())
	}
	close(stop)
	wg.Wait()
	all := made[0] + made[1] + made[2] + made[3]
	p, err := s.Verify(t.Context())
	if err != nil || !p.Sound() || p.Entries != int64(all) || p.Heads.Writes.Seq != 2*int64(all) {
		t.Errorf("%d calls: %+v, %v", all, p, err)
	}
	acts, err := s.Acts(t.Context())
	if err != nil || len(acts) != all || len(applied(t, s)) != all {
		t.Errorf("%d acts and %d records of %d, %v", len(acts), len(applied(t, s)), all, err)
	}
}

// oneCall writes all that is written about a call.
func oneCall(ctx context.Context, s *Store, key string) error {
	n, err := s.Open(ctx, state.Entry{Account: "a", Operation: key, Write: true})
	if err != nil {
		return err
	}
	a := actOfTest(key, "1")
	if err := s.Begin(ctx, a); err != nil {
		return err
	}
	a.Done = time.Unix(9, 0).UTC()
	return errors.Join(s.Settle(ctx, a), s.Save(ctx, recordOf(key, 1)),
		s.Close(ctx, n, state.Outcome{Closed: time.Now(), Code: "ok"}))
}
