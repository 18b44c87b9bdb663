package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// files are what the processes read.
//
//go:embed daemon.yaml world.yaml
var files embed.FS

// many is how many resources each account has: at nine calls a second a change of all
// takes a while, long enough to kill something meanwhile.
const many = 50

// Where everything serves, as daemon.yaml has it, unless somebody is there: the
// emulator, the daemons, etcd's members, and those for each other.
var wanted = []string{
	"127.0.0.1:8190",
	"127.0.0.1:8191", "127.0.0.1:8192", "127.0.0.1:8193",
	"127.0.0.1:8197", "127.0.0.1:8198", "127.0.0.1:8199",
	"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0",
}

// cluster is all that runs.
type cluster struct {
	dir      string
	emulator *process
	members  []*process // of etcd
	daemons  []*process
}

// newCluster writes what the processes read, and starts nothing.
func newCluster(dir string) (*cluster, error) {
	at, err := addresses(wanted)
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, emulator: &process{
		name: "emulator", address: at[0], args: []string{"weir", "emulator", "--listen", at[0], "--world", "world.yaml"},
	}}
	var all []string
	for i, peer := range at[7:10] {
		all = append(all, fmt.Sprintf("etcd-%d=http://%s", i+1, peer))
	}
	for i := range 3 {
		daemon, member := fmt.Sprint("weir-", i+1), fmt.Sprint("etcd-", i+1)
		c.daemons = append(c.daemons, &process{
			name: daemon, address: at[1+i], args: []string{"weir", "run", "--config", daemon + ".yaml"},
		})
		c.members = append(c.members, &process{name: member, address: at[4+i], args: []string{
			"etcd", "-tied", "-name", member, "-dir", member, "-client", at[4+i], "-peer", at[7+i],
			"-cluster", strings.Join(all, ","),
		}})
	}
	for _, p := range c.all() {
		p.dir = dir
	}
	return c, c.write(at)
}

// write writes configurations, keys and manifests.
func (c *cluster) write(at []string) error {
	world, err := files.ReadFile("world.yaml")
	if err != nil {
		return err
	}
	daemon, err := files.ReadFile("daemon.yaml")
	if err != nil {
		return err
	}
	texts := map[string]string{
		"world.yaml": string(world), "emulator.key": "weir-emulator\n", "backup.key": "weir-backup\n",
		"live/ali-main.yaml": switches(), "live/volc-main.yaml": relays("volc-main"),
		"live/volc-backup.yaml": relays("volc-backup"),
	}
	for i, d := range c.daemons {
		texts[d.name+".yaml"] = strings.NewReplacer(
			"weir-1", d.name, wanted[0], at[0], wanted[1], at[1+i], wanted[4], at[4], wanted[5], at[5], wanted[6], at[6],
		).Replace(string(daemon))
	}
	for name, text := range texts {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start starts all of it: the daemons when what they need is up.
func (c *cluster) start(ctx context.Context) error {
	for _, some := range [][]*process{c.needed(), c.daemons} {
		for _, p := range some {
			if err := p.start(); err != nil {
				return err
			}
		}
		for _, p := range some {
			if err := p.up(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// needed is what the daemons need.
func (c *cluster) needed() []*process { return slices.Concat(c.members, []*process{c.emulator}) }

func (c *cluster) all() []*process { return slices.Concat(c.daemons, c.needed()) }

// stop ends the daemons first, then what they need.
func (c *cluster) stop() {
	stopAll(c.daemons)
	stopAll(c.needed())
}

// tellGone says once of each process that ended that it did.
func (c *cluster) tellGone(out io.Writer) {
	for _, p := range c.all() {
		if p.gone() && !p.told {
			p.told = true
			fmt.Fprintf(out, "%s (pid %d) is gone; Enter starts it again\n", p.name, p.pid())
		}
	}
}

// again starts again what is gone.
func (c *cluster) again(ctx context.Context, out io.Writer) {
	for _, p := range c.all() {
		if !p.gone() {
			continue
		}
		err := p.start()
		if err == nil {
			err = p.up(ctx)
		}
		if err != nil {
			fmt.Fprintln(out, err)
			continue
		}
		fmt.Fprintf(out, "%s is back, pid %d\n", p.name, p.pid())
	}
}

// What is declared of each account.
const (
	switchText = `apiVersion: aliyun/v1
kind: MultiStream
spec: {domain: channel-%d.example.com, enabled: true}
---
`
	channelText = `apiVersion: aliyun/v1
kind: RtcPrefetch
spec:
  {domain: live.example.com, app: live, stream: main, regions: [SHH, SG],
    audioMsid: rts audio, videoMsid: rts video, connectionTimeout: 1h, renew: true}
---
apiVersion: aliyun/v1
kind: Recording
spec: {domain: live.example.com, app: live, stream: main, state: recording}
`
	relayText = `apiVersion: volcengine/v1
kind: RelaySource
metadata: {account: %[1]s}
spec:
  vhost: %[1]s.example.com
  app: app-%[2]d
  groups: [{name: main, servers: [{address: 192.0.2.1, protocol: rtmp}]}]
---
`
)

// switches are the resources of the account of Alibaba Cloud.
func switches() string {
	var b strings.Builder
	for i := range many {
		fmt.Fprintf(&b, switchText, i+1)
	}
	return b.String() + channelText
}

// relays are the resources of an account of Volcengine.
func relays(account string) string {
	var b strings.Builder
	for i := range many {
		fmt.Fprintf(&b, relayText, account, i+1)
	}
	return strings.TrimSuffix(b.String(), "---\n")
}
