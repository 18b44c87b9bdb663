package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxWorldBytes bounds a world file.
const maxWorldBytes = 32 << 20

// The clouds' names in a world, in the journal and in the quotas.
const (
	Aliyun     = "aliyun"
	Volcengine = "volcengine"
)

// World is all that the two clouds hold: what a world file declares, what GET
// /_emulator/world shows, and what PATCH /_emulator/world changes. In a patch
// an entry replaces the one with the same key, or removes it when it says
// deleted.
type World struct {
	Credentials  []Credential  `yaml:"credentials" json:"credentials"`
	Domains      []Domain      `yaml:"domains" json:"domains"`
	Vhosts       []Vhost       `yaml:"vhosts" json:"vhosts"`
	Streams      []Stream      `yaml:"streams" json:"streams"`
	Blocked      []Block       `yaml:"blocked" json:"blocked"`
	RelaySources []RelaySource `yaml:"relaySources" json:"relaySources"`
	Recordings   []Recording   `yaml:"recordings" json:"recordings"`
	Files        []File        `yaml:"files" json:"files"`           // recordings finished
	Prefetches   []Prefetch    `yaml:"prefetches" json:"prefetches"` // every one ever made
	Settings     Settings      `yaml:"settings" json:"settings"`
	Quotas       []Quota       `yaml:"quotas" json:"quotas"` // in place of the documented ones of the same operation
}

// Credential is an access key. Its key is cloud and accessKeyId.
type Credential struct {
	Cloud           string `yaml:"cloud" json:"cloud"` // "aliyun" or "volcengine"
	AccessKeyID     string `yaml:"accessKeyId" json:"accessKeyId"`
	AccessKeySecret string `yaml:"accessKeySecret" json:"accessKeySecret,omitempty"` // never shown
	// SecurityToken makes it a key of STS; never shown.
	SecurityToken string `yaml:"securityToken" json:"securityToken,omitempty"`
	// Account owns the key: keys of one account share its quotas. Default: the
	// key's id.
	Account string `yaml:"account" json:"account,omitempty"`
	Deleted bool   `yaml:"-" json:"deleted,omitempty"`
}

// Domain is a domain of ApsaraVideo Live. Its key is name.
type Domain struct {
	Name string `yaml:"name" json:"name"`
	// Type is vhost (main streaming domain), publish (ingest domain) or play
	// (sub-streaming domain). Without it the entry declares nothing and only
	// sets MultiStream.
	Type string `yaml:"type" json:"type"`
	Main string `yaml:"main" json:"main,omitempty"` // the main streaming domain of a publish or play domain
	// MultiStream is "on" or "off" (default); only for a main streaming domain.
	MultiStream string `yaml:"multiStream" json:"multiStream,omitempty"`
	// RecordConfig says whether a record configuration matches every stream of
	// the main streaming domain; default true.
	RecordConfig *bool `yaml:"recordConfig" json:"recordConfig,omitempty"`
	// RTCSwitch says whether the prefetch switch of the domain is on; default
	// true.
	RTCSwitch *bool  `yaml:"rtcSwitch" json:"rtcSwitch,omitempty"`
	Account   string `yaml:"account" json:"account,omitempty"` // owner; "": any account
	Deleted   bool   `yaml:"-" json:"deleted,omitempty"`
}

// Vhost is a domain space of Volcengine Live. Its key is name. A file may give
// just the name in place of the mapping.
type Vhost struct {
	Name    string   `yaml:"name" json:"name"`
	Domains []string `yaml:"domains" json:"domains,omitempty"` // default: one of the vhost's name
	Account string   `yaml:"account" json:"account,omitempty"` // owner; "": any account
	Deleted bool     `yaml:"-" json:"deleted,omitempty"`
}

// Stream is what an encoder pushes, or, with a vhost, a live stream at
// Volcengine. Its key is domain or vhost, app and stream.
type Stream struct {
	Domain string `yaml:"domain" json:"domain"` // of any type; held by its main streaming domain
	// Vhost makes it a stream at Volcengine; Domain is then the one that it is
	// played from, the vhost's name by default.
	Vhost string `yaml:"vhost" json:"vhost,omitempty"`
	// Source of a stream at Volcengine: relay (default), which is pulled from a
	// relay source, or push.
	Source string `yaml:"source" json:"source,omitempty"`
	App    string `yaml:"app" json:"app"`
	Stream string `yaml:"stream" json:"stream"`
	Online bool   `yaml:"online" json:"online"`
	// PublishTime is when the push began. Default: the moment at which it came
	// online.
	PublishTime time.Time `yaml:"publishTime" json:"publishTime,omitzero"`
	Deleted     bool      `yaml:"-" json:"deleted,omitempty"`
}

// Block is an entry of the block list. Its key is the main streaming domain,
// app and stream.
type Block struct {
	Domain  string    `yaml:"domain" json:"domain"` // ingest domain
	App     string    `yaml:"app" json:"app"`
	Stream  string    `yaml:"stream" json:"stream"`
	Until   time.Time `yaml:"until" json:"until,omitzero"` // default: six months from now
	Deleted bool      `yaml:"-" json:"deleted,omitempty"`
}

// RelaySource is where Volcengine fetches an app's streams from. Its key is
// vhost and app; app "" is the vhost's global entry.
type RelaySource struct {
	Vhost   string       `yaml:"vhost" json:"vhost"`
	App     string       `yaml:"app" json:"app"`
	Groups  []RelayGroup `yaml:"groups" json:"groups"`
	Deleted bool         `yaml:"-" json:"deleted,omitempty"`
}

// RelayGroup is a group of origin servers.
type RelayGroup struct {
	Name    string        `yaml:"name" json:"name"`
	Servers []RelayServer `yaml:"servers" json:"servers"`
}

// RelayServer is one origin server.
type RelayServer struct {
	Address  string            `yaml:"address" json:"address"`
	Protocol string            `yaml:"protocol" json:"protocol"`
	Params   map[string]string `yaml:"params" json:"params,omitempty"`
}

// Recording is a recording task. Its key is domain, app and stream.
type Recording struct {
	Domain string `yaml:"domain" json:"domain"` // main streaming domain
	App    string `yaml:"app" json:"app"`
	Stream string `yaml:"stream" json:"stream"`
	// State is recording, or stopped while the file waits for the delay.
	State   string    `yaml:"state" json:"state"`
	Since   time.Time `yaml:"since" json:"since,omitzero"`   // begin of the file being written
	FileAt  time.Time `yaml:"fileAt" json:"fileAt,omitzero"` // stopped: when the file will be there
	Deleted bool      `yaml:"-" json:"deleted,omitempty"`
}

// File is a finished recording.
type File struct {
	Domain string    `yaml:"domain" json:"domain"`
	App    string    `yaml:"app" json:"app"`
	Stream string    `yaml:"stream" json:"stream"`
	Begin  time.Time `yaml:"begin" json:"begin"`
	End    time.Time `yaml:"end" json:"end"`
	Cause  string    `yaml:"cause" json:"cause"` // delay, cancel_delay or restart
}

// Prefetch is what HotLiveRtcStream did for one region. Its key is domain,
// app, stream and region.
type Prefetch struct {
	Domain            string    `yaml:"domain" json:"domain"`
	App               string    `yaml:"app" json:"app"`
	Stream            string    `yaml:"stream" json:"stream"`
	Region            string    `yaml:"region" json:"region"`
	AudioMsid         string    `yaml:"audioMsid" json:"audioMsid"`
	VideoMsid         string    `yaml:"videoMsid" json:"videoMsid"`
	ConnectionTimeout Duration  `yaml:"connectionTimeout" json:"connectionTimeout"` // 0: for ever
	MediaTimeout      Duration  `yaml:"mediaTimeout" json:"mediaTimeout"`
	Since             time.Time `yaml:"since" json:"since"`              // the last call
	Expires           time.Time `yaml:"expires" json:"expires,omitzero"` // zero: never
	Active            bool      `yaml:"active" json:"active"`            // the connection is held now
	Count             int       `yaml:"count" json:"count"`              // calls ever accepted
	Deleted           bool      `yaml:"-" json:"deleted,omitempty"`
}

// Settings choose between readings that no document settles, and play the
// clouds' slower days.
type Settings struct {
	// RelayUpdate says what UpdateRelaySourceV3 does to the groups that it does
	// not name: replace (default) removes them, merge keeps them.
	RelayUpdate string `yaml:"relayUpdate" json:"relayUpdate"`
	// RelayIgnoresParams lets UpdateRelaySourceV3 accept RelaySourceParams and drop
	// them: an API that silently ignores a field.
	RelayIgnoresParams bool `yaml:"relayIgnoresParams" json:"relayIgnoresParams"`
	// RelayEmpty is what DescribeRelaySourceV3 answers of nothing: list
	// (default, an empty one), omitted (no Result) or notFound (404).
	RelayEmpty string `yaml:"relayEmpty" json:"relayEmpty"`
	// BlockListDomain is the domain printed in the block list: streaming
	// (default) or ingest.
	BlockListDomain string `yaml:"blockListDomain" json:"blockListDomain"`
	// Lag answers reads with the state of that long ago.
	Lag Duration `yaml:"lag" json:"lag"`
	// AcceptExampleDomains lets every *.example.com be a domain and a vhost
	// without being declared.
	AcceptExampleDomains bool `yaml:"acceptExampleDomains" json:"acceptExampleDomains"`
	// ClockSkew is how far the clouds' clocks are ahead of this machine's.
	ClockSkew Duration `yaml:"clockSkew" json:"clockSkew"`
	// RegionsWithoutNode answer CodeRegionHasNoNode.
	RegionsWithoutNode []string `yaml:"regionsWithoutNode" json:"regionsWithoutNode"`
}

// Quota is a limit of an operation: at most Limit calls of one account in any
// sliding Per. Limit 0 lifts it.
type Quota struct {
	Operation string   `yaml:"operation" json:"operation"`
	Limit     int      `yaml:"limit" json:"limit"`
	Per       Duration `yaml:"per" json:"per"` // default one second
}

// Duration is a time.Duration written as "1m30s".
type Duration time.Duration

// MarshalText writes d.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = 0
		return nil
	}
	parsed, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: want a form like 1m30s", b)
	}
	*d = Duration(parsed)
	return nil
}

// DefaultWorld returns the world without a file: the access key
// weir-emulator/weir-emulator on both clouds, and every *.example.com.
func DefaultWorld() World {
	return World{
		Credentials: []Credential{
			{Cloud: Aliyun, AccessKeyID: "weir-emulator", AccessKeySecret: "weir-emulator"},
			{Cloud: Volcengine, AccessKeyID: "weir-emulator", AccessKeySecret: "weir-emulator"},
		},
		Settings: Settings{AcceptExampleDomains: true},
	}
}

// ParseWorld reads a world file: one YAML or JSON document. What it does not
// say is as in the default world.
func ParseWorld(b []byte) (World, error) {
	w := DefaultWorld()
	if len(b) > maxWorldBytes {
		return World{}, fmt.Errorf("world: %d bytes, at most %d", len(b), maxWorldBytes)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(b), yaml.WithKnownFields())
	if err != nil {
		return World{}, fmt.Errorf("world: %w", err)
	}
	if err := loader.Load(&w); err != nil && !errors.Is(err, io.EOF) {
		return World{}, fmt.Errorf("world: %w", err)
	}
	if err := loader.Load(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return World{}, errors.New("world: more than one document")
	}
	if err := errors.Join(w.Check(), w.refers()); err != nil {
		return World{}, fmt.Errorf("world: %w", err)
	}
	return w, nil
}

// UnmarshalYAML reads a vhost, or just its name.
func (v *Vhost) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*v = Vhost{Name: n.Value}
		return nil
	}
	type plain Vhost
	return n.Load((*plain)(v), yaml.WithKnownFields())
}
