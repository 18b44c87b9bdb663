package channel

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/sync/notify/message"
)

// alerts are those that an Alertmanager shows.
type alerts []struct {
	Labels      map[string]string
	Annotations map[string]string
	EndsAt      time.Time `json:"endsAt"`
	Status      struct{ State string }
}

// startAlertmanager starts the real one, where it is installed.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if path, err = exec.LookPath("alertmanager"); err != nil {
			t.Skip("no Alertmanager is installed (Debian's prometheus-alertmanager)")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	})
	url := "http://" + address
	for range 200 {
		if resp, err := http.Get(url + "/-/ready"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return url
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("Alertmanager does not get ready")
	return ""
}

func shown(t *testing.T, url string) alerts {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out alerts
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAlertmanager: what stands is an alert of a real Alertmanager, told again it is
// the same, and it is gone when it is over.
func TestAlertmanager(t *testing.T) {
	url := startAlertmanager(t)
	texts, err := message.NewTemplates(message.English, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAlertmanager(AlertmanagerOptions{Address: Address{URL: url}, Texts: texts, Labels: map[string]string{"site": "sh"}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	all := message.Data{Weir: "here", URL: "https://weir.example.com", At: time.Now()}
	for _, d := range message.Samples() {
		if !d.Over && d.Name.Stands() {
			e := d.First()
			e.At = time.Now()
			all.Events = append(all.Events, e)
		}
	}
	all.Total = len(all.Events)
	for range 2 {
		if err := try(t, a, all); err != nil {
			t.Fatal(err)
		}
	}
	got := shown(t, url)
	if len(got) != len(all.Events) {
		t.Fatalf("%d alerts, want %d", len(got), len(all.Events))
	}
	for _, one := range got {
		if one.Labels["site"] != "sh" || one.Labels["weir"] != "here" || one.Annotations["summary"] == "" || time.Until(one.EndsAt) > alertLasts {
			t.Errorf("%+v", one)
		}
		if one.Labels["alertname"] == "WeirPlanHeld" && (!strings.Contains(one.Annotations["summary"], "plan 0123456789ab by removals") ||
			!strings.Contains(one.Annotations["description"], one.Annotations["command"]) || one.Labels["plan"] != "") {
			t.Errorf("%+v", one)
		}
	}
	for i := range all.Events[1:] {
		all.Events[i+1].Over = true
	}
	if err := try(t, a, all); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got = shown(t, url); len(got) == 1 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(got) != 1 || got[0].Labels["alertname"] != all.Events[0].Name.Alert() {
		t.Errorf("%d alerts are left: %+v", len(got), got)
	}
	if err := a.Send(t.Context(), Letter{Body: []byte(`[{"labels":{}}]`)}); !FaultOf(err).Final {
		t.Errorf("an alert without a name: %v", err)
	}
}

// TestAlertsAreOnesOfTheirs: an alert that is over names what began, by the same
// labels.
func TestAlertsAreOnesOfTheirs(t *testing.T) {
	texts, err := message.NewTemplates(message.English, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAlertmanager(AlertmanagerOptions{Address: Address{URL: "http://127.0.0.1:1"}, Texts: texts})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range message.Names() {
		began, over := message.Sample(name, false), message.Sample(name, true)
		x, _ := json.Marshal(a.label(began, began.First()))
		y, _ := json.Marshal(a.label(over, over.First()))
		if string(x) != string(y) || name.Alert() == "" {
			t.Errorf("%s: %s, %s", name, x, y)
		}
	}
}
