package deploy

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
)

// policy is an access policy in the form both clouds use.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

// grants returns what a policy allows: the resources by action.
func grants(t *testing.T, file string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("policies", file))
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if want := map[bool]string{true: "1"}[strings.HasPrefix(file, "aliyun-")]; p.Version != want {
		t.Errorf("%s: version %q, want %q", file, p.Version, want)
	}
	out := map[string][]string{}
	for _, s := range p.Statement {
		if s.Effect != "Allow" || len(s.Resource) == 0 {
			t.Errorf("%s: effect %q, resources %v", file, s.Effect, s.Resource)
		}
		for _, action := range s.Action {
			if _, twice := out[action]; twice {
				t.Errorf("%s: %s stands twice", file, action)
			}
			out[action] = s.Resource
		}
	}
	return out
}

// actions writes operations as the clouds' policies name them.
func actions(operations []string) []string {
	var out []string
	for _, op := range operations {
		out = append(out, "live:"+op)
	}
	slices.Sort(out)
	return out
}

// TestPoliciesListTheOperationsUsed holds that no policy forgets an operation
// of weir's or allows another.
func TestPoliciesListTheOperationsUsed(t *testing.T) {
	for name, p := range map[string]provider.Provider{"aliyun-ram": aliyunlive.New(), "volcengine-iam": volcenginelive.New()} {
		for file, want := range map[string][]string{
			name + "-full.json": actions(slices.Collect(maps.Keys(p.Limits()))),
			name + "-read.json": actions(p.Reads()),
		} {
			t.Run(file, func(t *testing.T) {
				got := slices.Sorted(maps.Keys(grants(t, file)))
				if !slices.Equal(got, want) {
					t.Errorf("allows\n%v, weir uses\n%v", got, want)
				}
			})
		}
	}
}

// TestPoliciesAgree holds that a read is granted alike in both policies of a
// cloud, and that every policy is one of those compared above.
func TestPoliciesAgree(t *testing.T) {
	files, err := filepath.Glob("policies/*")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"policies/aliyun-ram-full.json", "policies/aliyun-ram-read.json",
		"policies/volcengine-iam-full.json", "policies/volcengine-iam-read.json",
	}
	if !slices.Equal(files, want) {
		t.Fatalf("policies %v, want %v", files, want)
	}
	for _, cloud := range []string{"aliyun-ram", "volcengine-iam"} {
		full := grants(t, cloud+"-full.json")
		for action, resources := range grants(t, cloud+"-read.json") {
			if !slices.Equal(full[action], resources) {
				t.Errorf("%s: %s on %v to read, on %v in full", cloud, action, resources, full[action])
			}
		}
	}
}

// TestReadPoliciesHoldNoWrites names two operations that change live streams
// and that the cloud's own access levels call reads.
func TestReadPoliciesHoldNoWrites(t *testing.T) {
	read := grants(t, "aliyun-ram-read.json")
	for _, op := range []string{"live:ResumeLiveStream", "live:RealTimeRecordCommand"} {
		if _, in := read[op]; in {
			t.Errorf("%s changes live streams", op)
		}
	}
	for action := range read {
		if !strings.HasPrefix(action, "live:Describe") {
			t.Errorf("%s does not describe", action)
		}
	}
}

// TestPoliciesResources holds the resource types that the operations' pages
// document: a policy on another type grants nothing.
func TestPoliciesResources(t *testing.T) {
	full := grants(t, "aliyun-ram-full.json")
	for action, want := range map[string]string{
		"live:SetLiveDomainMultiStreamConfig":      "*",
		"live:DescribeLiveDomainMultiStreamConfig": "*",
		"live:DescribeLiveUserDomains":             "*",
		"live:HotLiveRtcStream":                    "acs:live:*:*:domain/*",
		"live:RealTimeRecordCommand":               "acs:cdn:*:*:domain/*",
		"live:ResumeLiveStream":                    "acs:cdn:*:*:domain/*",
	} {
		if !slices.Equal(full[action], []string{want}) {
			t.Errorf("%s on %v, want %s", action, full[action], want)
		}
	}
}
