package gitsource

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"weir/sync/secret"
)

// sshKey reads the private key. No error quotes any of it.
func (a Auth) sshKey() (ssh.Signer, error) {
	data, err := readPrivate(a.SSHKeyFile)
	if err != nil {
		return nil, fmt.Errorf("ssh key: %w", err)
	}
	phrase, err := a.SSHPassphrase.Read()
	if err != nil {
		return nil, fmt.Errorf("passphrase of the ssh key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return key, nil
	case !errors.As(err, &missing):
		return nil, fmt.Errorf("ssh key: %s holds no private key that can be read", a.SSHKeyFile)
	case phrase.Empty():
		return nil, fmt.Errorf("ssh key: %s has a passphrase, and the config names none", a.SSHKeyFile)
	}
	key, err = ssh.ParsePrivateKeyWithPassphrase(data, []byte(phrase.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("ssh key: the passphrase does not open %s", a.SSHKeyFile)
	}
	return key, nil
}

// readPrivate reads a file that nobody else may read or change. A group may
// read it where root owns it: so are secrets mounted for an unprivileged user.
func readPrivate(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	forbidden := os.FileMode(0o077)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == 0 {
		forbidden = 0o037
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&forbidden != 0 {
		return nil, fmt.Errorf("%s has mode %v, which lets others use it: chmod 0600", name, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, secret.MaxFile))
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	return data, nil
}

// knownHosts holds what the known_hosts file says of one host.
type knownHosts struct {
	callback   ssh.HostKeyCallback
	algorithms []string
	refused    atomic.Pointer[error] // why check refused
}

// knownHosts reads what there is of addr. Only kinds of keys that it has for
// the host are asked for: another kind would look like a changed key.
func (a Auth) knownHosts(addr string) (*knownHosts, error) {
	db, err := knownhosts.NewDB(a.KnownHostsFile)
	if err != nil {
		return nil, fmt.Errorf("known_hosts: %w", err)
	}
	sound := ssh.SupportedAlgorithms().HostKeys
	kinds := slices.DeleteFunc(db.HostKeyAlgorithms(addr), func(kind string) bool { return !slices.Contains(sound, kind) })
	if len(kinds) == 0 {
		return nil, fmt.Errorf("%s has no key of %s", a.KnownHostsFile, knownhosts.Normalize(addr))
	}
	return &knownHosts{callback: db.HostKeyCallback(), algorithms: kinds}, nil
}

// check refuses a key that is not the host's, or was revoked.
func (k *knownHosts) check(addr string, from net.Addr, key ssh.PublicKey) error {
	err := k.callback(addr, from, key)
	if err != nil {
		err = fmt.Errorf("the host's key %s: %w", ssh.FingerprintSHA256(key), err)
		k.refused.Store(&err)
	}
	return err
}
