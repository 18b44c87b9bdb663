package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"weir/sync/delivery"
	"weir/sync/notify/message"
	"weir/sync/secret"
)

// mailMost is how many bytes a mail's text may have.
const mailMost = 128 << 10

// Encryption says how a connection to a mail server is kept from others.
type Encryption string

// The encryptions.
const (
	STARTTLS Encryption = "starttls" // begins in the clear and must go on encrypted
	Implicit Encryption = "tls"      // is encrypted from the first byte
	None     Encryption = "none"     // to this machine only
)

// Mail sends e-mail by SMTP: text and HTML, so that every program can show it.
type Mail struct {
	opt  MailOptions
	host string
	port int
	tls  *tls.Config
}

// MailOptions says which server takes mail, and from whom to whom. Server, From, To
// and Texts are required.
type MailOptions struct {
	Server     string // host:port
	Encryption Encryption
	Username   string     // "" for no authentication
	Password   secret.Ref // read anew at each try
	From       string
	To         []string
	Texts      *message.Templates
	CAFile     string
}

var _ Channel = (*Mail)(nil)

// NewMail returns a Mail.
func NewMail(opt MailOptions) (*Mail, error) {
	host, port, err := net.SplitHostPort(opt.Server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("server: port %q", port)
	}
	if opt.Encryption == None && !loopback(host) {
		return nil, errors.New("a mail server on another machine is reached with starttls or tls")
	}
	for _, who := range append([]string{opt.From}, opt.To...) {
		if _, err := netmail.ParseAddress(who); err != nil {
			return nil, fmt.Errorf("address %q: %w", who, err)
		}
	}
	conf, err := delivery.TLS(opt.CAFile)
	if err != nil {
		return nil, err
	}
	conf.ServerName = host
	return &Mail{opt: opt, host: host, port: number, tls: conf}, nil
}

// Traits says that servers of mail are to be used sparingly.
func (*Mail) Traits() Traits { return Traits{Most: 100, Rate: 20, Repeats: true} }

func htmlMarkup() message.Markup {
	return message.Markup{
		Escape: html.EscapeString,
		Bold:   func(s string) string { return "<b>" + s + "</b>" },
		Code:   func(s string) string { return "<code>" + html.EscapeString(s) + "</code>" },
		Link: func(text, url string) string {
			return `<a href="` + html.EscapeString(url) + `">` + text + "</a>"
		},
		Finish: func(body string) string {
			return "<!DOCTYPE html>\n<html><body>\n" + strings.ReplaceAll(body, "\n", "<br>\n") + "\n</body></html>\n"
		},
	}
}

// Compose writes both texts.
func (m *Mail) Compose(d message.Data, id string) (Letter, error) {
	plain, err := m.opt.Texts.Render(d, message.Plain(), fits(mailMost))
	if err != nil {
		return Letter{}, err
	}
	rich, err := m.opt.Texts.Render(d, htmlMarkup(), fits(mailMost))
	return Letter{ID: id, Title: plain.Title, Body: []byte(plain.Body + "\n"), HTML: []byte(rich.Body)}, err
}

// Send hands the mail to the server.
func (m *Mail) Send(ctx context.Context, l Letter) error {
	password, err := m.opt.Password.Read()
	if err != nil {
		return err
	}
	letter, err := m.letter(l)
	if err != nil {
		return &Fault{Final: true, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	client, err := mail.NewClient(m.host, append(m.options(password), mail.WithDialContextFunc(m.dial(ctx)))...)
	if err != nil {
		return &Fault{Final: true, Err: err}
	}
	err = client.DialAndSendWithContext(ctx, letter)
	if err != nil && ctx.Err() != nil { // the connection says only that it is closed
		return ctx.Err()
	}
	return m.verdict(err, password)
}

// dial returns what connects to the server, for as long as ctx: go-mail waits for an
// answer until its own deadline, also when nobody wants it any more.
func (m *Mail) dial(ctx context.Context) mail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if m.opt.Encryption != Implicit {
			return conn, nil
		}
		sealed := tls.Client(conn, m.tls)
		return sealed, sealed.HandshakeContext(dialing)
	}
}

// letter writes the headers: all values are encoded, so that none begins another.
func (m *Mail) letter(l Letter) (*mail.Msg, error) {
	out := mail.NewMsg()
	if err := errors.Join(out.From(m.opt.From), out.To(m.opt.To...)); err != nil {
		return nil, err
	}
	out.Subject(delivery.OneLine(l.Title, 200))
	out.SetMessageIDWithValue(l.ID + "@" + m.domain())
	out.SetDateWithValue(time.Now())
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody on holiday answers
	out.SetBodyString(mail.TypeTextPlain, string(l.Body))
	out.AddAlternativeString(mail.TypeTextHTML, string(l.HTML))
	return out, nil
}

// domain is that of who sends.
func (m *Mail) domain() string {
	from, err := netmail.ParseAddress(m.opt.From)
	if err != nil {
		return m.host
	}
	return from.Address[strings.LastIndexByte(from.Address, '@')+1:]
}

func (m *Mail) options(password secret.Secret) []mail.Option {
	out := []mail.Option{
		mail.WithPort(m.port), mail.WithTimeout(timeout), mail.WithTLSConfig(m.tls), mail.WithoutNoop(),
	}
	switch m.opt.Encryption {
	case Implicit:
		out = append(out, mail.WithTLSPolicy(mail.TLSOpportunistic)) // it is encrypted when it is handed over, see dial
	case None:
		out = append(out, mail.WithTLSPolicy(mail.NoTLS))
	default:
		out = append(out, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.opt.Username == "" {
		return out
	}
	kind := mail.SMTPAuthAutoDiscover
	if m.opt.Encryption == None {
		kind = mail.SMTPAuthPlainNoEnc
	}
	return append(out, mail.WithSMTPAuth(kind), mail.WithUsername(m.opt.Username), mail.WithPassword(password.Reveal()))
}

// verdict says what a server's answer means: one of 5xx to a letter is its last word.
func (m *Mail) verdict(err error, password secret.Secret) error {
	if err == nil {
		return nil
	}
	f := &Fault{Err: errors.New(delivery.OneLine(delivery.Redact(err.Error(), password), maxQuoted))}
	if e, ok := errors.AsType[*mail.SendError](err); ok {
		f.Final = !e.IsTemp() && e.ErrorCode() >= 500
	}
	return f
}

// Close ends nothing: each mail has a connection of its own.
func (*Mail) Close() {}
