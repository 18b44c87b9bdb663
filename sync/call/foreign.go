package call

import (
	"slices"
	"time"
)

// A throttle is foreign where the calls that are known of, those of all processes
// that share the budget, were within the documented quota: then somebody else uses
// the account, or the quota is not what is documented. The windows in force cannot
// tell, since the config may set them above what is documented.

// documented returns the documented windows of an operation, before the share.
func (o LimiterOptions) documented(operation string) []Window {
	if windows := o.Limits[operation]; len(windows) > 0 {
		return windows
	}
	return []Window{defaultWindow()}
}

// document replaces the documented windows. Those that the windows in force keep
// anyway need no counting, which is all of them where the config sets no limits.
// Calls that count against the old ones are forgotten: for a moment a throttle may
// be taken for foreign that is not.
func (o *operation) document(windows []Window) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.documented = nil
	for _, d := range windows {
		kept := slices.ContainsFunc(o.windows, func(w *window) bool { return w.Per >= d.Per && w.Limit <= d.Limit })
		if !kept {
			o.documented = append(o.documented, &window{Window: d, ceiling: d.Limit})
		}
	}
}

// within reports whether the calls of this process are within the documented quota,
// the one included whose slots were just taken.
func (o *operation) within(now time.Time) bool {
	if len(o.documented) == 0 {
		return true
	}
	credit := o.trips.credit(now)
	for _, w := range o.documented {
		if o.flying+w.expire(now.Add(o.early()), credit) > w.Limit {
			return false
		}
	}
	return true
}
