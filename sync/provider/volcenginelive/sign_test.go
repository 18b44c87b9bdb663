package volcenginelive

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/sync/secret"
)

// The vectors were made with the vendor's own SDK (volc-sdk-golang v1.0.230).
func TestSignEqualsVendorSDK(t *testing.T) {
	const (
		relay  = "Action=DescribeRelaySourceV3&Version=2023-01-01"
		forbid = "Action=DescribeForbiddenStreamInfoByPage&PageNum=1&PageSize=1000&Stream=a%20b~c%2Bd&Version=2023-01-01"
		sum    = "35480c27ea590899986b1d70859eb06b9f03c394a63020a934d236d51c761018"
		base   = "content-type;host;x-content-sha256;x-date"
	)
	cases := []struct{ name, query, token, signed, signature string }{
		{"relay", relay, "", base, "d40a3c2771c8f75e6059310139b4d12839cd6385c450500e5945793254bcd894"},
		{"odd query", forbid, "", base, "096ec8d66693be49f97b05d06744d78e7e4473d020d9322bd1bc83acd2a8862b"},
		{
			"relay STS", relay, "STSexampletoken", base + ";x-security-token",
			"1a6dbfde0f2b0270eb2eea6505dcfb63f95ff4fe71bb22d64bba5f3115efee9f",
		},
		{
			"odd query STS", forbid, "STSexampletoken", base + ";x-security-token",
			"01e1d2ce7d9c1004fcec16e2442cf70313ef0d34810a12787100cca1478a10d8",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			body := []byte(`{"Vhost":"push.example.com","App":"live"}`)
			req, err := http.NewRequest(http.MethodPost, DefaultEndpoint+"/?"+tc.query, strings.NewReader(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			key := secret.Key{ID: "AKLTexample", Secret: secret.New("SKexample=="), Token: secret.New(tc.token)}
			sign(req, body, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DefaultRegion, key)
			want := "HMAC-SHA256 Credential=AKLTexample/20260102/cn-north-1/live/request, SignedHeaders=" +
				tc.signed + ", Signature=" + tc.signature
			if got := req.Header.Get("Authorization"); got != want {
				t.Errorf("Authorization\n got %s\nwant %s", got, want)
			}
			if got := req.Header.Get("X-Content-Sha256"); got != sum {
				t.Errorf("X-Content-Sha256 %s", got)
			}
			if req.Header.Get("X-Date") != "20260102T030405Z" || req.Header.Get("X-Security-Token") != tc.token {
				t.Errorf("headers %v", req.Header)
			}
		})
	}
}

func TestSignedHost(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.example.com:443/": "a.example.com", "http://a.example.com:80/": "a.example.com",
		"http://127.0.0.1:8181/": "127.0.0.1:8181", "https://a:4443/": "a:4443",
	} {
		req, err := http.NewRequest(http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := signedHost(req); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	body := []byte(`{"Vhost":"push.example.com","App":"live"}`)
	key := secret.Key{ID: "AKLTexample", Secret: secret.New("SKexample==")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for b.Loop() {
		req, _ := http.NewRequest(http.MethodPost, DefaultEndpoint+"/?Action=X&Version=2023-01-01", nil)
		req.Header.Set("Content-Type", "application/json")
		sign(req, body, at, DefaultRegion, key)
	}
}
