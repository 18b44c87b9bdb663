package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
	"golang.org/x/time/rate"
)

// maxFile bounds the web config file, in bytes.
const maxFile = 1 << 20

// loadFile takes over what a web config file says.
func (r *Rules) loadFile(path string) error {
	c, err := readFile(path)
	if err != nil {
		return err
	}
	if len(c.Users) > 0 {
		hashes := map[string]string{}
		for name, hash := range c.Users {
			hashes[name] = string(hash)
		}
		if r.users, err = newUsers(hashes); err != nil {
			return err
		}
	}
	if err := validate(path, c); err != nil {
		return err
	}
	if c.TLSConfig.IsEnabled() {
		if r.tls, err = r.serverTLS(c); err != nil {
			return err
		}
		r.certs = r.tls.ClientAuth == tls.RequireAndVerifyClientCert
	}
	for _, name := range slices.Sorted(maps.Keys(c.HTTPConfig.Header)) {
		r.headers = append(r.headers, [2]string{name, c.HTTPConfig.Header[name]})
	}
	if l := c.RateLimiterConfig; l.Interval != 0 {
		r.limiter = rate.NewLimiter(rate.Every(l.Interval), l.Burst)
	}
	return nil
}

// readFile reads a web config file as the exporters do: with their defaults, and
// nothing in it that is not known.
func readFile(path string) (*web.Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("no regular file of at most %d bytes", maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}
	if err := yaml.UnmarshalStrict(text, c); err != nil {
		return nil, err
	}
	c.TLSConfig.SetDirectory(filepath.Dir(path))
	return c, nil
}

// validate has the toolkit say what is wrong with a file, above all with its
// headers, which it alone knows.
func validate(path string, c *web.Config) error {
	if c.TLSConfig.MinVersion < tls.VersionTLS12 {
		return errors.New("min_version: TLS before 1.2 is not served; write TLS12 or TLS13")
	}
	if c.TLSConfig.ClientAuth == "RequireAndVerifyClientCert" && c.TLSConfig.ClientCAs == "" && c.TLSConfig.ClientCAsText == "" {
		// Go would take what any of the system's authorities has signed.
		return errors.New("client_auth_type RequireAndVerifyClientCert needs client_ca_file: whose certificates are to be let in")
	}
	return web.Validate(path)
}

// serverTLS makes of a file what connections are served with.
func (r *Rules) serverTLS(c *web.Config) (*tls.Config, error) {
	out, err := web.ConfigToTLSConfig(&c.TLSConfig)
	if err != nil {
		return nil, err
	}
	out.NextProtos = []string{"http/1.1"}
	if c.HTTPConfig.HTTP2 {
		out.NextProtos = []string{"h2", "http/1.1"}
	}
	// Toolkit and http.Server read them anew for each handshake; a half-written
	// pair would then refuse everybody.
	kept := &certificate{load: out.GetCertificate, log: r.log}
	out.GetCertificate = kept.get
	if _, err := kept.get(nil); err != nil {
		return nil, err
	}
	return out, nil
}

// ServesTLS reports whether a daemon with that web config file, "" for none,
// serves TLS; the certificate need not be readable.
func ServesTLS(path string) (bool, error) {
	if path == "" {
		return false, nil
	}
	c, err := readFile(path)
	if err != nil {
		return false, fmt.Errorf("web config %s: %w", path, err)
	}
	return c.TLSConfig.IsEnabled(), nil
}
