package config

import "weir/sync/secret"

// Web says who may reach the daemon, and how commands do.
type Web struct {
	ConfigFile string // in the form of Prometheus' web config, "" for none
	Tokens     []Token
	Client     Client
}

// Token is a bearer token that the daemon accepts.
type Token struct {
	Name   string
	Secret secret.Ref
}

// Client says how commands reach the daemon, and prove who they are.
type Client struct {
	URL        string // "" for where the daemon listens
	CAFile     string
	ServerName string
	CertFile   string
	KeyFile    string
	User       string
	Password   secret.Ref
	Token      secret.Ref
}

// Proves reports whether a password or a token is sent along.
func (c Client) Proves() bool { return c.User != "" || c.Token != secret.Ref{} }

// fileWeb is web: as written.
type fileWeb struct {
	ConfigFile string `json:"configFile"`
	Tokens     []struct {
		Name      string `json:"name"`
		TokenEnv  string `json:"tokenEnv"`
		TokenFile string `json:"tokenFile"`
	} `json:"tokens"`
	Client struct {
		URL          string `json:"url"`
		CAFile       string `json:"caFile"`
		ServerName   string `json:"serverName"`
		CertFile     string `json:"certFile"`
		KeyFile      string `json:"keyFile"`
		Username     string `json:"username"`
		PasswordEnv  string `json:"passwordEnv"`
		PasswordFile string `json:"passwordFile"`
		TokenEnv     string `json:"tokenEnv"`
		TokenFile    string `json:"tokenFile"`
	} `json:"client"`
}

func (w fileWeb) web(at beside) Web {
	c := w.Client
	out := Web{
		ConfigFile: at.path(w.ConfigFile),
		Client: Client{
			URL: c.URL, CAFile: at.path(c.CAFile), ServerName: c.ServerName,
			CertFile: at.path(c.CertFile), KeyFile: at.path(c.KeyFile),
			User: c.Username, Password: at.ref(c.PasswordEnv, c.PasswordFile), Token: at.ref(c.TokenEnv, c.TokenFile),
		},
	}
	for _, t := range w.Tokens {
		out.Tokens = append(out.Tokens, Token{Name: t.Name, Secret: at.ref(t.TokenEnv, t.TokenFile)})
	}
	return out
}
