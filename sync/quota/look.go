package quota

import (
	"context"
	"time"

	"weir/sync/call"
)

var _ call.Looker = (*shared)(nil)

// Look asks the book.
func (s *shared) Look(ctx context.Context, want call.Want) (view call.View, err error) {
	err = s.desk.Update(ctx, want.Operation, func(b *Book, now Instant) {
		view = call.View{Busy: b.Busy(now, want)}
		for _, seat := range b.equals(now, s.process, want.Priority) {
			view.Equal = append(view.Equal, int(seat.Ahead))
		}
		view.Lower = b.Rivals(now, s.process, call.Scrub) - len(view.Equal)
	})
	return view, err
}

// Busy returns, for each window, after which times the slots become free that are
// taken now, the first one first. Of calls under way it says nothing: theirs are
// free soon, or else when they have surely ended.
func (b *Book) Busy(now Instant, want call.Want) [][]time.Duration {
	busy := make([][]time.Duration, len(want.Windows))
	for i, w := range want.Windows {
		for _, s := range b.Slots {
			if until := s.until(w.Hold(), want.Credit); s.Done != 0 && until > now {
				busy[i] = append(busy[i], now.Until(until))
			}
		}
	}
	return busy
}
