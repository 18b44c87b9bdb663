package apply

import (
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/state/statetest"
)

func TestPastTellsWhatOthersCalled(t *testing.T) {
	store := statetest.NewMemory()
	other := NewRecorder(store)
	n, err := other.Open(t.Context(), &call.Request{Account: "acc", Operation: "Done"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(t.Context(), n, &call.Response{Status: 200}, nil); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"acc", "else"} {
		if _, err := other.Open(t.Context(), &call.Request{Account: account, Operation: "Open", Write: true}); err != nil {
			t.Fatal(err)
		}
	}
	past, err := NewRecorder(store).Past(t.Context(), "acc", time.Now().Add(-time.Minute))
	if err != nil || len(past) != 2 {
		t.Fatalf("%+v, %v; want two of the account", past, err)
	}
	open, done := past[0], past[1]
	if open.Operation != "Open" || !open.Closed.IsZero() || done.Operation != "Done" || done.Closed.Before(done.Opened) {
		t.Errorf("%+v", past)
	}
	if past, err := other.Past(t.Context(), "acc", time.Now().Add(time.Minute)); err != nil || len(past) != 0 {
		t.Errorf("later: %+v, %v", past, err)
	}
}
