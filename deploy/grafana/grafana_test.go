package grafana

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboard anew")

const file = "provisioning/dashboards/weir.json"

// TestFileIsCurrent: the file is what the code says.
func TestFileIsCurrent(t *testing.T) {
	want, err := Write(Overview())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s is not what the code says (%v); -update writes it anew", file, err)
	}
}

// place is where a panel is on the grid.
type place struct{ X, Y, W, H int }

// TestShape holds what Grafana takes for granted: panels have numbers of their own and
// lie beside each other on the grid, queries of one panel have names of their own, and
// all go to the Prometheus that was chosen.
func TestShape(t *testing.T) {
	var d struct {
		SchemaVersion int
		Panels        []struct {
			ID         int
			Type       string
			Title      string
			GridPos    place
			Datasource struct{ UID string }
			Targets    []struct {
				RefID      string
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	text, err := Write(Overview())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.SchemaVersion != schemaVersion || len(d.Panels) < 50 {
		t.Fatalf("version %d, %d panels", d.SchemaVersion, len(d.Panels))
	}
	ids, taken := map[int]string{}, map[string]string{}
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice || p.ID == 0 {
			t.Errorf("%q and %q have the number %d", p.Title, other, p.ID)
		}
		ids[p.ID] = p.Title
		cover(t, taken, p.Title, p.GridPos)
		names := map[string]bool{}
		for _, q := range p.Targets {
			if names[q.RefID] || q.RefID == "" || q.Expr == "" || q.Datasource.UID != "${datasource}" {
				t.Errorf("%q: query %+v", p.Title, q)
			}
			names[q.RefID] = true
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("%q asks nothing, or somebody else: %+v", p.Title, p)
		}
	}
}

// cover takes the fields of the grid that a panel covers.
func cover(t *testing.T, taken map[string]string, title string, at place) {
	t.Helper()
	if at.X < 0 || at.Y < 0 || at.W < 1 || at.H < 1 || at.X+at.W > gridWidth {
		t.Errorf("%q is off the grid: %+v", title, at)
	}
	for x := at.X; x < at.X+at.W; x++ {
		for y := at.Y; y < at.Y+at.H; y++ {
			field := fmt.Sprint(x, ",", y)
			if other, covered := taken[field]; covered {
				t.Errorf("%q lies on %q at %s", title, other, field)
				return
			}
			taken[field] = title
		}
	}
}

// TestPanelsAreDescribed: each says what it shows, in which unit.
func TestPanelsAreDescribed(t *testing.T) {
	for _, r := range Overview() {
		names := map[string]bool{}
		for _, p := range r.Panels {
			if names[p.Title] || p.Title == "" || p.Description == "" || p.Unit == "" || p.Width < 1 || p.Width > gridWidth {
				t.Errorf("%s: %q: description %q, unit %q, width %d", r.Title, p.Title, p.Description, p.Unit, p.Width)
			}
			names[p.Title] = true
		}
	}
}
