package config

import (
	"slices"
	"strconv"
	"time"

	"weir/sync/manifest"
	"weir/sync/notify/message"
	"weir/sync/secret"
)

// The defaults of what people are told.
const (
	DefaultLeaseLead        = 15 * time.Minute
	DefaultUnavailableAfter = 10 * time.Minute
	DefaultGroupWait        = 5 * time.Second
	DefaultGroupInterval    = 5 * time.Minute
	DefaultRepeat           = 4 * time.Hour
)

// Notify says who is told of what a person should know.
type Notify struct {
	Receivers        []Receiver
	LeaseLead        time.Duration // how long before what was applied runs out it is told
	UnavailableAfter time.Duration // how long a source, or weir, must not work until it is told
}

// Receiver is who is told, of what, and how. One of the channels is not nil.
type Receiver struct {
	Name         string
	Webhook      *Robot // takes signed CloudEvents
	Slack        *Robot
	DingTalk     *Robot
	Feishu       *Robot
	WeCom        *Robot
	Mail         *Mail
	Alertmanager *Alertmanager

	Language string   // "en" or "zh"
	Events   []string // none: all
	Sources  []string // none: all, and so on
	Accounts []string
	Kinds    []string
	Labels   map[string]string
	Template string // file with templates, "" for weir's own
	Texts    *message.Templates
	Mention  []string

	GroupWait     time.Duration
	GroupInterval time.Duration
	Repeat        time.Duration // 0 for never
	Rate          int           // messages a minute, 0 for what the channel takes
	Over          bool          // it is told that something is over, too
}

// Robot is that of a chat, or a server that takes events. URL or Address is empty.
type Robot struct {
	URL     string
	Address secret.Ref
	Secret  secret.Ref // empty where messages are not signed
	CAFile  string
}

// Mail is e-mail by SMTP.
type Mail struct {
	Server     string
	Encryption string // "starttls", "tls" or "none"
	Username   string
	Password   secret.Ref
	From       string
	To         []string
	CAFile     string
}

// Alertmanager takes alerts.
type Alertmanager struct {
	URL    string
	Token  secret.Ref
	Labels map[string]string
	CAFile string
}

// fileNotify is notify as written: one server, or a list of receivers.
type fileNotify struct {
	URL              string         `json:"url"`
	SecretEnv        string         `json:"secretEnv"`
	SecretFile       string         `json:"secretFile"`
	Receivers        []fileReceiver `json:"receivers"`
	LeaseLead        string         `json:"leaseLead"`
	UnavailableAfter string         `json:"unavailableAfter"`
}

type fileReceiver struct {
	Name         string            `json:"name"`
	Webhook      *fileRobot        `json:"webhook"`
	Slack        *fileRobot        `json:"slack"`
	DingTalk     *fileRobot        `json:"dingtalk"`
	Feishu       *fileRobot        `json:"feishu"`
	WeCom        *fileRobot        `json:"wecom"`
	Mail         *fileMail         `json:"mail"`
	Alertmanager *fileAlertmanager `json:"alertmanager"`

	Language string            `json:"language"`
	Events   []string          `json:"events"`
	Sources  []string          `json:"sources"`
	Accounts []string          `json:"accounts"`
	Kinds    []string          `json:"kinds"`
	Labels   map[string]string `json:"labels"`
	Template string            `json:"template"`
	Mention  []string          `json:"mention"`

	GroupWait     string `json:"groupWait"`
	GroupInterval string `json:"groupInterval"`
	Repeat        string `json:"repeat"`
	Rate          int    `json:"rate"`
	Over          *bool  `json:"over"`
}

type fileRobot struct {
	URL        string `json:"url"`
	URLEnv     string `json:"urlEnv"`
	URLFile    string `json:"urlFile"`
	SecretEnv  string `json:"secretEnv"`
	SecretFile string `json:"secretFile"`
	CAFile     string `json:"caFile"`
}

type fileMail struct {
	Server       string   `json:"server"`
	Encryption   string   `json:"encryption"`
	Username     string   `json:"username"`
	PasswordEnv  string   `json:"passwordEnv"`
	PasswordFile string   `json:"passwordFile"`
	From         string   `json:"from"`
	To           []string `json:"to"`
	CAFile       string   `json:"caFile"`
}

type fileAlertmanager struct {
	URL       string            `json:"url"`
	TokenEnv  string            `json:"tokenEnv"`
	TokenFile string            `json:"tokenFile"`
	Labels    map[string]string `json:"labels"`
	CAFile    string            `json:"caFile"`
}

func (n fileNotify) notify(at beside) *Notify {
	out := &Notify{
		LeaseLead:        orTime(n.LeaseLead, DefaultLeaseLead),
		UnavailableAfter: orTime(n.UnavailableAfter, DefaultUnavailableAfter),
	}
	if n.URL != "" { // it is told of what it was always told of, at once, each event once
		out.Receivers = []Receiver{{
			Name: "notify", Webhook: &Robot{URL: n.URL, Secret: at.ref(n.SecretEnv, n.SecretFile)},
			Events: []string{"held", "fight"}, Language: "en",
		}}
	}
	for _, r := range n.Receivers {
		out.Receivers = append(out.Receivers, r.receiver(at))
	}
	return out
}

func (r fileReceiver) receiver(at beside) Receiver {
	wait := DefaultGroupWait
	if r.Webhook != nil {
		wait = 0 // each event is a message of its own
	}
	return Receiver{
		Name: r.Name, Webhook: r.Webhook.robot(at), Slack: r.Slack.robot(at), DingTalk: r.DingTalk.robot(at),
		Feishu: r.Feishu.robot(at), WeCom: r.WeCom.robot(at), Mail: r.Mail.mail(at),
		Alertmanager: r.Alertmanager.alertmanager(at),
		Language:     or(r.Language, "en"), Events: r.Events, Sources: r.Sources, Accounts: r.Accounts, Kinds: r.Kinds,
		Labels: r.Labels, Template: at.path(r.Template), Mention: r.Mention,
		GroupWait: orTime(r.GroupWait, wait), GroupInterval: orTime(r.GroupInterval, DefaultGroupInterval),
		Repeat: orTime(r.Repeat, DefaultRepeat), Rate: r.Rate, Over: r.Over == nil || *r.Over,
	}
}

func (r *fileRobot) robot(at beside) *Robot {
	if r == nil {
		return nil
	}
	return &Robot{
		URL: r.URL, Address: at.ref(r.URLEnv, r.URLFile), Secret: at.ref(r.SecretEnv, r.SecretFile), CAFile: at.path(r.CAFile),
	}
}

func (m *fileMail) mail(at beside) *Mail {
	if m == nil {
		return nil
	}
	return &Mail{
		Server: m.Server, Encryption: or(m.Encryption, "starttls"), Username: m.Username,
		Password: at.ref(m.PasswordEnv, m.PasswordFile), From: m.From, To: m.To, CAFile: at.path(m.CAFile),
	}
}

func (a *fileAlertmanager) alertmanager(at beside) *Alertmanager {
	if a == nil {
		return nil
	}
	return &Alertmanager{URL: a.URL, Token: at.ref(a.TokenEnv, a.TokenFile), Labels: a.Labels, CAFile: at.path(a.CAFile)}
}

// lacking says what is wrong with the receivers that a schema cannot say, and reads
// their files of templates.
func (c *Config) lacking(place manifest.Positions) []manifest.Problem {
	if c.Notify == nil {
		return nil
	}
	var out []manifest.Problem
	for i := range c.Notify.Receivers {
		r := &c.Notify.Receivers[i]
		problem := func(code, text string, path ...string) {
			path = append([]string{"notify", "receivers", strconv.Itoa(i)}, path...)
			out = append(out, place.Problem(path, false, code, text, manifest.Error))
		}
		for j, name := range r.Sources {
			if !slices.ContainsFunc(c.Sources, func(s Source) bool { return s.Name == name }) {
				problem(manifest.CodeReceiver, "there is no source "+name, "sources", strconv.Itoa(j))
			}
		}
		for j, name := range r.Accounts {
			if !slices.ContainsFunc(c.Accounts, func(a Account) bool { return a.Name == name }) {
				problem(manifest.CodeReceiver, "there is no account "+name, "accounts", strconv.Itoa(j))
			}
		}
		if err := r.readTexts(); err != nil {
			problem(manifest.CodeTemplate, err.Error(), "template")
		}
	}
	return out
}

// readTexts reads the file of templates, and tries them with samples.
func (r *Receiver) readTexts() error {
	own := ""
	if r.Template != "" {
		text, err := readFile(r.Template, message.MaxTemplate)
		if err != nil {
			return err
		}
		own = string(text)
	}
	var err error
	r.Texts, err = message.NewTemplates(message.Language(r.Language), own, nil)
	return err
}
