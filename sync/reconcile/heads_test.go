package reconcile

import (
	"strings"
	"testing"
	"time"
)

// TestHeadsAreNoted: the log has the heads of the journal from the start and of
// each hour, and each is in the chain afterwards.
func TestHeadsAreNoted(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(3*time.Hour + time.Minute)
		heads := h.rec.Status().Journal
		now, err := h.store.Heads(t.Context())
		if err != nil || heads.Writes != now.Writes || heads.Writes.Seq != 2 || heads.Reads.Seq == 0 || heads.Reads.Seq > now.Reads.Seq {
			t.Errorf("status says %+v, the store %+v, %v", heads, now, err)
		}
		lines := 0
		for line := range strings.SplitSeq(h.log.String(), "\n") {
			if !strings.Contains(line, `msg="journal head"`) {
				continue
			}
			lines++
			if lines > 1 && !strings.Contains(line, "writes="+heads.Writes.Hash.String()) {
				t.Errorf("line %q does not have the head of writes", line)
			}
		}
		if lines != 4 {
			t.Errorf("the heads were logged %d times in three hours, want 4", lines)
		}
		p, err := h.store.Verify(t.Context(), heads.Writes.Hash, heads.Reads.Hash)
		if err != nil || !p.Sound() {
			t.Errorf("proof %+v, %v", p, err)
		}
	})
}
