package main

import "testing"

// TestFailure_P18_OtherAccounts: what may be another account of the same name
// is refused; a rotation of keys and a move to another endpoint are not.
func TestFailure_P18_OtherAccounts(t *testing.T) {
	before := identity{"aliyun", "-", "k1"}
	tests := map[string]struct {
		now   identity
		moved bool
		other bool
	}{
		"the same":                     {before, false, false},
		"the same, moved":              {before, true, false},
		"key rotated":                  {identity{"aliyun", "-", "k2"}, false, false},
		"key rotated, moved":           {identity{"aliyun", "-", "k2"}, true, true},
		"VPC endpoint":                 {identity{"aliyun", "https://vpc", "k1"}, false, false},
		"VPC endpoint, moved":          {identity{"aliyun", "https://vpc", "k1"}, true, false},
		"emulator to cloud":            {identity{"aliyun", "http://127.0.0.1:1", "k2"}, false, true},
		"another provider":             {identity{"volcengine", "-", "k1"}, false, true},
		"another provider, all others": {identity{"volcengine", "https://x", "k2"}, true, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if why := tc.now.other(before, tc.moved); (why != "") != tc.other {
				t.Errorf("told %q", why)
			}
			if back, ok := readIdentity(tc.now.String()); !ok || back != tc.now {
				t.Errorf("%q reads back as %+v", tc.now, back)
			}
		})
	}
}
