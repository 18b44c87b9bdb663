package main

import (
	"net"
	"testing"
)

// TestDemoAddressIsDefinite: where the usual port is taken, the file of the
// demo names the one that is used instead, so that `weir status` finds it.
func TestDemoAddressIsDefinite(t *testing.T) {
	if l, err := net.Listen("tcp", demoListen); err == nil {
		defer func() { _ = l.Close() }()
	}
	addr, err := demoAddress()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "127.0.0.1" || port == "0" || addr == demoListen {
		t.Errorf("address %q, %v", addr, err)
	}
}
