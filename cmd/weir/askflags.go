package main

import (
	"cmp"

	"github.com/spf13/pflag"

	"weir/sync/config"
	"weir/sync/secret"
)

// askFlags say which daemon is asked, instead of the config or beside it.
type askFlags struct {
	address                 string
	client                  config.Client
	passwordFile, tokenFile string
}

func (f *askFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "address", "", "`host:port` or URL of the daemon, instead of the config's")
	flags.StringVar(&f.client.CAFile, "ca-file", "", "`file` with the certificates that are trusted instead of the system's")
	flags.StringVar(&f.client.ServerName, "server-name", "", "`name` that the daemon's certificate must have")
	flags.StringVar(&f.client.CertFile, "cert-file", "", "`file` with a client certificate")
	flags.StringVar(&f.client.KeyFile, "key-file", "", "`file` with the key of the client certificate")
	flags.StringVar(&f.client.User, "user", "", "`name` of a user that the daemon knows, with --password-file")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` with the user's password")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with a bearer token that the daemon knows")
}

// daemon returns the daemon that is meant: with an address there need be no
// config.
func (f askFlags) daemon(a *app) (*askedDaemon, error) {
	f.client.Password, f.client.Token = secret.Ref{File: f.passwordFile}, secret.Ref{File: f.tokenFile}
	if f.address != "" {
		return daemonAt(f.address, f.client), nil
	}
	cfg, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	cfg.Web.Client = f.over(cfg.Web.Client)
	return daemonOf(cfg), nil
}

// over returns a client of the config with what the flags say instead.
func (f askFlags) over(c config.Client) config.Client {
	c.CAFile = cmp.Or(f.client.CAFile, c.CAFile)
	c.ServerName = cmp.Or(f.client.ServerName, c.ServerName)
	if f.client.CertFile != "" {
		c.CertFile, c.KeyFile = f.client.CertFile, f.client.KeyFile
	}
	if f.client.Proves() {
		c.User, c.Password, c.Token = f.client.User, f.client.Password, f.client.Token
	}
	return c
}
