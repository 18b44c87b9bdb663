package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"weir/sync/source"
)

const sshPort = "22"

// ssh returns a link to git over ssh, with the key and the known hosts as they
// are now. A host that is not known is not even dialled.
func (r *remote) ssh(ctx context.Context) (link, error) {
	t, addr := r.trip(), address(r.at, sshPort)
	hosts, err := r.auth.knownHosts(addr)
	if err != nil {
		return nil, t.fail(source.CodeHostKey, err)
	}
	key, err := r.auth.sshKey()
	if err != nil {
		return nil, t.fail(source.CodeAuth, err)
	}
	l, err := t.dial(ctx, addr)
	if err != nil {
		return nil, t.fail(codeOf(ctx, err), err)
	}
	release := l.under(ctx)
	defer release()
	client, err := handshake(l, addr, r.at.User.Username(), key, hosts)
	if err != nil {
		l.drop()
		return nil, t.fail(handshakeFault(ctx, l, hosts, err))
	}
	s := &stream{trip: t, line: l, hangUp: func() {
		_ = client.Close()
		_ = client.Wait()
	}}
	if err := s.start(client, "git-upload-pack "+quote(r.at.Path)); err != nil {
		defer s.close()
		return nil, s.fault(ctx, fmt.Errorf("start git-upload-pack: %w", err))
	}
	return s, nil
}

// handshake proves to each side who the other is. No other key and no other
// way is tried: neither an agent nor a password.
func handshake(l *line, addr, user string, key ssh.Signer, hosts *knownHosts) (*ssh.Client, error) {
	conn, channels, requests, err := ssh.NewClientConn(l, addr, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, ClientVersion: "SSH-2.0-weir",
		HostKeyCallback: hosts.check, HostKeyAlgorithms: hosts.algorithms,
	})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// handshakeFault says whose fault it is that a handshake failed.
func handshakeFault(ctx context.Context, l *line, hosts *knownHosts, err error) (string, error) {
	if refused := hosts.refused.Load(); refused != nil {
		return source.CodeHostKey, *refused
	}
	var none *ssh.AlgorithmNegotiationError
	if errors.As(err, &none) && none.What == "host key" {
		return source.CodeHostKey, fmt.Errorf(
			"the host shows keys of the kinds %s, known_hosts has %s", none.RequestedAlgorithms, none.SupportedAlgorithms)
	}
	// The package has no type for it.
	if strings.Contains(err.Error(), "unable to authenticate") {
		return source.CodeAuth, errors.New("the remote refuses the ssh key")
	}
	if cause := l.cause(ctx, err); cause != nil {
		return codeOf(ctx, cause), cause
	}
	if ended(err) {
		return source.CodeRemote, errors.New("the remote hung up during the ssh handshake")
	}
	return source.CodeProtocol, err
}

// start runs the command and connects the stream to it.
func (s *stream) start(client *ssh.Client, command string) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	said := &beginning{}
	session.Stderr = said
	if s.in, err = session.StdinPipe(); err != nil {
		return err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	s.out = s.line.whole(out)
	if err := session.Start(command); err != nil {
		return err
	}
	wait := sync.OnceFunc(func() { _ = session.Wait() })
	s.said = func() string {
		wait()
		return said.String()
	}
	return nil
}

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*beginning)(nil)

// Write keeps what there is room for.
func (b *beginning) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p[:min(len(p), longestText-len(b.text))]...)
	return len(p), nil
}

// String returns what was kept, on one line.
func (b *beginning) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(strings.Fields(string(b.text)), " ")
}

// quote makes one word of s for the shell at the remote, whichever it is: in
// some an exclamation mark is special even within quotes.
func quote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}
