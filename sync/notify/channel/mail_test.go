package channel

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

// post is a mail server: what it takes, and from whom.
type postOffice struct {
	mu     sync.Mutex
	mails  []string
	to     []string
	refuse error // of a recipient
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &visit{office: p}, nil }

// visit is a connection to it.
type visit struct {
	office *postOffice
	known  bool
}

func (*visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "weir" || password != "mail-password-91" {
			return errors.New("no such user, or another password")
		}
		v.known = true
		return nil
	}), nil
}

func (v *visit) Mail(string, *smtp.MailOptions) error {
	if !v.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	if v.office.refuse != nil {
		return v.office.refuse
	}
	v.office.to = append(v.office.to, to)
	return nil
}

func (v *visit) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	v.office.mails = append(v.office.mails, string(b))
	return err
}

func (*visit) Reset()        {}
func (*visit) Logout() error { return nil }

// serveMail starts a mail server on loopback with a certificate of its own, and
// returns its address and the file of who vouches for it.
func serveMail(t *testing.T, office *postOffice, encryption Encryption) (address, caFile string) {
	t.Helper()
	cert, caFile := certificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(office)
	s.Domain, s.ErrorLog = "mail.example.com", quiet{}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch encryption {
	case STARTTLS:
		s.TLSConfig = conf
	case Implicit:
		l = tls.NewListener(l, conf)
	case None:
		s.AllowInsecureAuth = true
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	return l.Addr().String(), caFile
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func certificate(t *testing.T) (cert tls.Certificate, caFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, caFile
}

func mailTo(t *testing.T, address, caFile string, encryption Encryption) *Mail {
	t.Helper()
	t.Setenv("MAIL_PASSWORD", "mail-password-91")
	texts, err := message.NewTemplates(message.Chinese, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMail(MailOptions{
		Server: address, Encryption: encryption, Username: "weir", Password: secret.Ref{Env: "MAIL_PASSWORD"},
		From: "weir <weir@example.com>", To: []string{"ops@example.com", "Night <night@example.com>"}, Texts: texts, CAFile: caFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMail: by each way a server may be reached, as text and as HTML, with headers
// that a program reads as they were meant.
func TestMail(t *testing.T) {
	for _, encryption := range []Encryption{STARTTLS, Implicit, None} {
		t.Run(string(encryption), func(t *testing.T) {
			office := &postOffice{}
			address, caFile := serveMail(t, office, encryption)
			d := message.Sample(message.Held, false)
			d.Weir = "上海\r\nBcc: everybody@example.com" // begins no header
			if err := try(t, mailTo(t, address, caFile, encryption), d); err != nil {
				t.Fatal(err)
			}
			if strings.Join(office.to, " ") != "ops@example.com night@example.com" || len(office.mails) != 1 {
				t.Fatalf("to %v, %d mails", office.to, len(office.mails))
			}
			m, err := netmail.ReadMessage(strings.NewReader(office.mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || !strings.HasPrefix(subject, "计划被拦截，待人工确认") || m.Header.Get("Bcc") != "" {
				t.Errorf("subject %q, bcc %q, %v", subject, m.Header.Get("Bcc"), err)
			}
			if m.Header.Get("Message-Id") != "<0123456789@example.com>" || m.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("headers %v", m.Header)
			}
			plain, html := parts(t, m)
			if !strings.Contains(plain, "处理命令：weir apply --consent") || !strings.Contains(html, "<code>weir apply --consent") {
				t.Errorf("text %s\nHTML %s", plain, html)
			}
		})
	}
}

// parts returns the text and the HTML of a mail.
func parts(t *testing.T, m *netmail.Message) (plain, html string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("type %s, %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	read := func(want string) string {
		p, err := r.NextRawPart()
		if err != nil || !strings.HasPrefix(p.Header.Get("Content-Type"), want) {
			t.Fatalf("part %v, %v", p, err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(quotedprintable.NewReader(p)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	return read("text/plain"), read("text/html")
}

// TestMailFaults: what may be mended is tried again, a server's last word is not, and
// nothing is sent to a server that cannot prove who it is, nor in the clear.
func TestMailFaults(t *testing.T) {
	office := &postOffice{}
	address, caFile := serveMail(t, office, STARTTLS)
	inClear, _ := serveMail(t, office, None)
	d := message.Sample(message.Held, false)
	for name, c := range map[string]struct {
		mail   *Mail
		refuse error
		pass   string
		final  bool
	}{
		"unknown certificate": {mail: mailTo(t, address, "", STARTTLS)},
		"no STARTTLS":         {mail: mailTo(t, inClear, caFile, STARTTLS)},
		"another password":    {mail: mailTo(t, address, caFile, STARTTLS), pass: "another"},
		"busy":                {mail: mailTo(t, address, caFile, STARTTLS), refuse: &smtp.SMTPError{Code: 451, Message: "later"}},
		"no such mailbox":     {mail: mailTo(t, address, caFile, STARTTLS), refuse: &smtp.SMTPError{Code: 550, Message: "nobody"}, final: true},
		"nobody there":        {mail: mailTo(t, "127.0.0.1:1", caFile, STARTTLS)},
	} {
		t.Run(name, func(t *testing.T) {
			office.refuse = c.refuse
			t.Setenv("MAIL_PASSWORD", "mail-password-91")
			if c.pass != "" {
				t.Setenv("MAIL_PASSWORD", c.pass)
			}
			err := try(t, c.mail, d)
			if err == nil || FaultOf(err).Final != c.final || strings.Contains(err.Error(), "mail-password") {
				t.Errorf("%v, final %v", err, err != nil && FaultOf(err).Final)
			}
		})
	}
	if len(office.mails) != 0 {
		t.Errorf("%d mails were sent", len(office.mails))
	}
}

func TestMailOptions(t *testing.T) {
	for name, opt := range map[string]MailOptions{
		"no port":      {Server: "smtp.example.com", From: "a@example.com", To: []string{"b@example.com"}},
		"in the clear": {Server: "smtp.example.com:25", Encryption: None, From: "a@example.com", To: []string{"b@example.com"}},
		"from nobody":  {Server: "smtp.example.com:25", From: "nobody", To: []string{"b@example.com"}},
		"two headers":  {Server: "smtp.example.com:25", From: "a@example.com", To: []string{"b@example.com\r\nBcc: c@example.com"}},
		"no CA file":   {Server: "smtp.example.com:25", From: "a@example.com", CAFile: "nowhere"},
	} {
		if _, err := NewMail(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAServerThatSaysNothingKeepsNobodyWaiting: one that takes the connection, and
// never answers, is left at once when weir stops.
func TestAServerThatSaysNothingKeepsNobodyWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, caFile := certificate(t)
	for _, encryption := range []Encryption{STARTTLS, Implicit, None} {
		to := mailTo(t, l.Addr().String(), caFile, encryption)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		err := to.Send(ctx, Letter{ID: "id", Title: "x", Body: []byte("x"), HTML: []byte("x")})
		if !errors.Is(err, context.Canceled) || time.Since(began) > timeout/2 {
			t.Errorf("%s: %v after %s", encryption, err, time.Since(began))
		}
	}
}
