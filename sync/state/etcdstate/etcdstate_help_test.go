package etcdstate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"weir/sync/resource"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// recordOf is a record of account a whose revision tells when it was saved.
func recordOf(key string, generation int) resource.Applied {
	return resource.Applied{
		ID:   resource.ID{Account: "a", Kind: "RelaySource", Key: key},
		Spec: resource.Spec(fmt.Sprintf(`{"n":%d}`, generation)), Revision: fmt.Sprint(generation), At: time.Unix(3, 0).UTC(),
	}
}

func recordsOf(name string, n, generation int) (records []resource.Applied) {
	for i := range n {
		records = append(records, recordOf(fmt.Sprintf("%s/%06d", name, i), generation))
	}
	return records
}

func applied(t testing.TB, s *Store) []resource.Applied {
	t.Helper()
	got, err := s.Applied(t.Context())
	must(t, err)
	return got
}
