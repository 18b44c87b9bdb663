package call

import (
	"math"
	"time"
)

// The parts of credit.
const (
	rttSpan    = 10 * time.Minute // how long a measurement counts
	rttBuckets = 10
	rttSamples = 16 // measurements before there is any credit

	// The part of the shortest round trip that is not believed, by the number of
	// measurements, and the least of it.
	rttDoubt      = 1.6
	rttDoubtLeast = 0.015
	// How many times the mean excess over the shortest is taken off, by the root of
	// that number, and the least of it.
	rttExcess      = 16
	rttExcessLeast = 0.75
)

// roundTrips remembers the round trips of one operation for ten minutes, in
// buckets of one minute. The zero value is ready.
type roundTrips struct {
	buckets [rttBuckets]rttBucket
}

// rttBucket is what one minute has shown.
type rttBucket struct {
	minute   int64 // since 1970, tells an old bucket from a current one
	count    int64
	sum      time.Duration
	shortest time.Duration
}

// minuteOf numbers the bucket's minutes.
func minuteOf(t time.Time) int64 { return t.Unix() / int64(rttSpan/rttBuckets/time.Second) }

// add notes a round trip that ended at now.
func (r *roundTrips) add(now time.Time, rtt time.Duration) {
	minute := minuteOf(now)
	b := &r.buckets[minute%rttBuckets]
	if b.minute != minute {
		*b = rttBucket{minute: minute, shortest: rtt}
	}
	b.count++
	b.sum += rtt
	b.shortest = min(b.shortest, rtt)
}

// credit returns the time that is believed to pass between a call's arrival at the
// server and the end of its answer, plus that between sending the next call and its
// arrival. The shortest round trip measured would be that if delays never changed.
// Where they jitter, the shortest of n round trips is longer than the shortest
// possible one: with two ways that jitter evenly, by about the mean excess over the
// root of n, and hardly ever by five times that. So there is no credit on few
// measurements, and the mean's excess over the shortest counts against it: four times
// on sixteen measurements, once on 256, and never less than three quarters, for lines
// that seldom come near their shortest. A part of the shortest itself is not believed
// either, a tenth on sixteen measurements and 1.5 % on a hundred.
//
// What remains assumed is that no call gets forth sooner than those measured show, by
// more than that. Where the way forth becomes shorter all of a sudden than anything
// seen in ten minutes, be it for one call in a hundred, there can be calls too many
// until that is measured; and where one route is long forth and short back and another
// one the opposite, nothing that is measured shows it. An answer that is quick alone,
// as a refusal may be, does no harm: it is measured before its slot is free.
//
// TestCredit_NeverAboveTheQuota counts on lines of many kinds what comes of it.
func (r *roundTrips) credit(now time.Time) time.Duration { return r.all(now).credit() }

// all returns what the last ten minutes have shown.
func (r *roundTrips) all(now time.Time) rttBucket {
	var all rttBucket
	minute := minuteOf(now)
	for _, b := range r.buckets {
		if b.count == 0 || minute-b.minute >= rttBuckets {
			continue
		}
		if all.count == 0 || b.shortest < all.shortest {
			all.shortest = b.shortest
		}
		all.count += b.count
		all.sum += b.sum
	}
	return all
}

// mean returns the mean round trip, 0 where none was measured.
func (b rttBucket) mean() time.Duration {
	if b.count == 0 {
		return 0
	}
	return b.sum / time.Duration(b.count)
}

// credit returns what is believed on these measurements.
func (b rttBucket) credit() time.Duration {
	if b.count < rttSamples {
		return 0
	}
	n := float64(b.count)
	believed := 1 - max(rttDoubtLeast, rttDoubt/n)
	doubtful := max(rttExcessLeast, rttExcess/math.Sqrt(n))
	excess := b.mean() - b.shortest
	return max(0, time.Duration(believed*float64(b.shortest)-doubtful*float64(excess)))
}
