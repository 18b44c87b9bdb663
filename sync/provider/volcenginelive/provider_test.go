package volcenginelive_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider"
	"weir/sync/provider/providertest"
	"weir/sync/provider/volcenginelive"
	"weir/sync/resource"
	"weir/sync/secret"
)

// The suite runs against every reading of the documents that the emulator can
// play, since nobody knows which is the cloud's.
func TestProvider(t *testing.T) {
	for _, update := range []string{"replace", "merge"} {
		for _, empty := range []string{"list", "omitted", "notFound"} {
			t.Run(update+"_"+empty, func(t *testing.T) { providertest.Run(t, suite(update, empty)) })
		}
	}
}

// A cloud that answers reads with an older state leads to the same end, if not
// at once: A14.
func TestFailure_A14_ReadAfterWriteLag(t *testing.T) {
	for _, update := range []string{"replace", "merge"} {
		s := suite(update, "list")
		s.Lag = 4 * time.Second
		s.Cloud = func() http.RoundTripper { return cloud(s.Key, update, "list", s.Lag) }
		t.Run(update, func(t *testing.T) { providertest.RunLifecycle(t, s) })
	}
}

func cloud(key secret.Key, update, empty string, lag time.Duration) http.RoundTripper {
	w := emulator.DefaultWorld()
	w.Credentials = append(w.Credentials, emulator.Credential{
		Cloud: emulator.Volcengine, AccessKeyID: key.ID, AccessKeySecret: key.Secret.Reveal(),
		SecurityToken: key.Token.Reveal(),
	})
	w.Settings.RelayUpdate, w.Settings.RelayEmpty, w.Settings.Lag = update, empty, emulator.Duration(lag)
	return emulator.New(w).Transport()
}

func suite(update, empty string) providertest.Suite {
	key := secret.Key{ID: "AKLTsuite", Secret: secret.New("SKsuite/Zx81=="), Token: secret.New("STSsuite+Zx82")}
	return providertest.Suite{
		New: func() provider.Provider { return volcenginelive.New() },
		Client: func(rt http.RoundTripper, keys func() (secret.Key, error)) (call.Caller, error) {
			return volcenginelive.NewClient(volcenginelive.ClientOptions{Account: "volc-main", Keys: keys, Transport: rt})
		},
		Cloud:    func() http.RoundTripper { return cloud(key, update, empty, 0) },
		Account:  "volc-main",
		Key:      key,
		Samples:  samples(),
		Refusals: refusals(),
		Params: map[string][]string{
			"DescribeRelaySourceV3": {"Vhost", "App", "Group"},
			"DeleteRelaySourceV3":   {"Vhost", "App", "Group"},
			"DescribeLiveStreamInfoByPage": {
				"PageNum", "PageSize", "Vhost", "Domain", "App", "Stream", "StreamType", "SourceType", "QueryType",
			},
			"ListDomainDetail": {
				"PageNum", "PageSize", "VhostList", "DomainStatusList", "DomainTypeList", "DomainRegionList", "DomainNameList",
			},
			"UpdateRelaySourceV3": {
				"Vhost", "App", "GroupDetails", "GroupDetails[].Group", "GroupDetails[].Servers",
				"GroupDetails[].Servers[].RelaySourceDomain", "GroupDetails[].Servers[].RelaySourceProtocol",
				"GroupDetails[].Servers[].RelaySourceParams.*",
			},
		},
	}
}

// samples are edits that end differently under replace and merge, on two
// vhosts, one with two apps.
func samples() []providertest.Sample {
	group := func(name, address string) string {
		return fmt.Sprintf(`{"name":%q,"servers":[{"address":%q,"protocol":"rtmp"}]}`, name, address)
	}
	source := func(vhost, app, groups string) resource.Spec {
		return resource.Spec(fmt.Sprintf(`{"vhost":%q,"app":%q,"groups":[%s]}`, vhost, app, groups))
	}
	main, spare := group("main", "A.example.net:1935"), group("spare", "b.example.net")
	third := group("third", "192.0.2.7")
	sample := func(name, vhost, app, groups, edited string) providertest.Sample {
		return providertest.Sample{
			Name: name, ID: resource.ID{Account: "volc-main", Kind: "RelaySource", Key: vhost + "/" + app},
			Spec: source(vhost, app, groups), Edited: source(vhost, app, edited), Draw: draw,
		}
	}
	params := `{"name":"main","servers":[{"address":"a.example.net","protocol":"flv","params":{"k":"v","a b":"ü&="}},` +
		`{"address":"c.example.net","protocol":"rtmp","params":{}}]}`
	return []providertest.Sample{
		sample("group removed", "push.example.com", "live", main+","+spare, spare),
		sample("groups turned", "push.example.com", "vod", main+","+spare+","+third, third+","+main+","+spare),
		sample("group put first", "two.example.com", "live", main, spare+","+main),
		sample("all renamed", "two.example.com", "..", main+","+spare, third),
		sample("server with params", "three.example.com", "a_b-c.d", main, params),
	}
}

// draw makes specs that the schema accepts.
func draw(t *rapid.T) resource.Spec {
	server := rapid.Custom(func(t *rapid.T) volcenginelive.Server {
		return volcenginelive.Server{
			Address:  rapid.StringMatching(`[A-Za-z0-9]{1,8}(\.[A-Za-z0-9]{1,5}){0,2}(:[1-9][0-9]{0,3})?`).Draw(t, "address"),
			Protocol: rapid.SampledFrom([]string{"rtmp", "flv"}).Draw(t, "protocol"),
			Params:   rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "params"),
		}
	})
	name := rapid.StringMatching(`[^\x00-\x1f\x7f]{1,8}`)
	names := rapid.SliceOfNDistinct(name, 1, 5, rapid.ID[string]).Draw(t, "names")
	r := volcenginelive.RelaySource{Vhost: "push.example.com", App: "live"}
	for _, name := range names {
		servers := rapid.SliceOfN(server, 1, 2).Draw(t, "servers")
		r.Groups = append(r.Groups, volcenginelive.Group{Name: name, Servers: servers})
	}
	spec, err := resource.NewSpec(r)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// refusals are the cloud's tables as answers, each code with the status of its
// page, and again with one it does not belong to.
func refusals() []providertest.Refusal {
	rows := []struct {
		status int
		code   string
		number int
		want   call.Code
	}{
		{200, "CommonErr", 0, call.Unavailable},
		{400, "InvalidParam", 0, call.Invalid},
		{400, "InvalidParam.BindError", 0, call.Invalid},
		{403, "RequestForbidden", 0, call.Denied},
		{403, "RequestForbidden.AccountIDNotAllow", 0, call.Denied},
		{403, "RequestForbidden.BillingStatus", 0, call.Billing},
		{404, "ResourceNotFound", 0, call.NotFound},
		{429, "RequestLimitExceeded.Exist", 0, call.Exists},
		{500, "InternalError", 0, call.Unavailable},
		{500, "InternalError.DB", 0, call.Unavailable},
		{502, "InternalServiceError", 0, call.Unavailable},
		{502, "InternalServiceError.BadResponse", 0, call.Unavailable},
		{504, "InternalServiceTimeout", 100016, call.Unknown},
		{500, "UndefinedError", 100001, call.Unavailable},
		{401, "MissingAuthenticationToken", 100003, call.Unauthentic},
		{400, "InvalidTimestamp", 100006, call.Clock},
		{404, "ServiceNotFound", 100007, call.Unsupported},
		{404, "InvalidActionOrVersion", 100008, call.Unsupported},
		{401, "InvalidAccessKey", 100009, call.Unauthentic},
		{401, "SignatureDoesNotMatch", 100010, call.Unauthentic},
		{403, "LackPolicy", 100012, call.Denied},
		{403, "AccessDenied", 100013, call.Denied},
		{429, "FlowLimitExceeded", 100018, call.Throttled},
		{200, "AccountFlowLimitExceeded", 100027, call.Throttled},
		{400, "AccountFlowLimitExceeded", 0, call.Throttled},
		{401, "InvalidSecretToken", 100026, call.Unauthentic},
	}
	var out []providertest.Refusal
	for _, r := range rows {
		out = append(out, providertest.Refusal{
			Name: fmt.Sprintf("%s %d", r.code, r.status), Status: r.status, Want: r.want, CloudCode: r.code,
			Body: fmt.Sprintf(`{"ResponseMetadata":{"RequestId":"2026","Error":{"CodeN":%d,"Code":%q,"Message":"because %s"}}}`,
				r.number, r.code, providertest.Leak),
		})
	}
	return out
}
