package gitsource

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"weir/sync/source"
)

// stream is a link that is one connection: the remote advertises, we ask, it
// sends the pack.
type stream struct {
	*trip
	line *line
	in   io.Writer
	out  *bufio.Reader // over a whole, so that no end is taken for the pack's
	// said waits for the end of the remote's program and returns what it wrote
	// for people. It may be nil, as may hangUp, which ends what is above line.
	said   func() string
	hangUp func()

	owes bool // the remote advertised and waits for a request
}

var _ link = (*stream)(nil)

func (s *stream) advertised(ctx context.Context) (*packp.AdvRefs, error) {
	release := s.line.under(ctx)
	defer release()
	a := s.answer(s.out, mostAdvertised, s.line.drop)
	defer a.end()
	refs := packp.NewAdvRefs()
	err := refs.Decode(a)
	if err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		return nil, err
	}
	s.owes = err == nil
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

func (s *stream) pack(ctx context.Context, req *packp.UploadPackRequest) (io.ReadCloser, error) {
	s.owes = false
	p := &packed{release: s.line.under(ctx), answer: s.answer(s.out, s.limit, s.line.drop)}
	resp := packp.NewUploadPackResponse(req)
	in := bufio.NewReader(p.answer)
	err := s.request(req)
	if err == nil {
		_, err = in.Peek(1) // the decoder takes no answer for a good one
	}
	if err == nil {
		err = resp.Decode(io.NopCloser(in))
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	p.Reader = resp
	return p, nil
}

// request says what we want and have, all at once.
func (s *stream) request(req *packp.UploadPackRequest) error {
	w := bufio.NewWriter(s.in)
	if err := req.UploadRequest.Encode(w); err != nil {
		return err
	}
	if err := req.UploadHaves.Encode(w, false); err != nil {
		return err
	}
	if err := pktline.NewEncoder(w).EncodeString("done\n"); err != nil {
		return err
	}
	return w.Flush()
}

// packed is a pack on its way.
type packed struct {
	io.Reader
	release func()
	answer  *answer
}

// Close lets go of the connection's deadline.
func (p *packed) Close() error {
	p.answer.end()
	p.release()
	return nil
}

// close takes leave: a remote that waits for a request is told that there is
// none, which it would otherwise log as a fault.
func (s *stream) close() {
	if s.owes {
		_ = s.line.SetDeadline(time.Now().Add(time.Second))
		_, _ = s.in.Write(pktline.FlushPkt)
	}
	if s.hangUp != nil {
		s.hangUp()
	}
	_ = s.line.Close()
}

// fault prefers what happened on the line, then what the remote says, to what
// the decoders make of it.
func (s *stream) fault(ctx context.Context, err error) error {
	if cause := s.line.cause(ctx, err); cause != nil {
		return s.fail(codeOf(ctx, cause), cause)
	}
	if told, ok := errors.AsType[*pktline.ErrorLine](err); ok {
		return s.fail(saidCode(told.Text, source.CodeProtocol), fmt.Errorf("the remote says: %s", told.Text))
	}
	if !ended(err) {
		return s.fail(source.CodeProtocol, err)
	}
	if text := s.lastWords(ctx); text != "" {
		return s.fail(saidCode(text, source.CodeRemote), fmt.Errorf("the remote says: %s", text))
	}
	return s.fail(source.CodeRemote, errors.New("the remote hung up"))
}

// lastWords waits a little for what the remote says, as it comes apart from
// what it sends.
func (s *stream) lastWords(ctx context.Context) string {
	if s.said == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	release := s.line.under(ctx)
	defer release()
	return s.said()
}

// ended reports whether err is that the remote sent no more.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, packp.ErrEmptyInput)
}

// saidCode returns the code of what git hosts say where a repository is not
// there or not for us, which they do not tell apart.
func saidCode(text, otherwise string) string {
	text = strings.ToLower(text)
	if strings.Contains(text, "command not found") {
		return otherwise
	}
	says := func(phrase string) bool { return strings.Contains(text, phrase) }
	if slices.ContainsFunc([]string{
		"not found", "denied", "does not exist", "does not appear to be a git repository", "could not be found",
		"cannot find", "no such", "unauthorized", "forbidden", "not exported", "permission",
	}, says) {
		return source.CodeAuth
	}
	return otherwise
}

// line is a connection whose bytes are counted, and which remembers what broke
// it: the layers above only see its end.
type line struct {
	net.Conn
	trip *trip

	broken atomic.Pointer[error]
}

// Read reads from the connection until too much has arrived.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if large := l.trip.count(n); large != nil {
		n, err = 0, large
		l.broken.CompareAndSwap(nil, &err) // before others see the connection's end
		l.drop()
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		l.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// whole returns r, which rests on the line, with an end only where the remote
// made one: ssh shows a broken line as the end, too.
func (l *line) whole(r io.Reader) *bufio.Reader { return bufio.NewReader(&whole{r, l}) }

type whole struct {
	io.Reader
	line *line
}

// Read reads, and returns what broke the line in the place of its end.
func (w *whole) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if broken := w.line.broken.Load(); err != nil && broken != nil {
		err = *broken
	}
	return n, err
}

func (l *line) drop() { _ = l.Close() }

// grace lets ctx end before the connection's own deadline, so that the caller
// sees which it was.
const grace = 50 * time.Millisecond

// under lets the connection end with ctx, until the function that it returns
// is called.
func (l *line) under(ctx context.Context) (release func()) {
	deadline, ok := ctx.Deadline()
	if ok {
		deadline = deadline.Add(grace)
	}
	_ = l.SetDeadline(deadline) // without one, the zero time
	stop := context.AfterFunc(ctx, func() {
		err := ctx.Err()
		l.broken.CompareAndSwap(nil, &err)
		l.drop()
	})
	return func() { stop() }
}

// cause returns what ended the line, nil where it was not the line that failed.
func (l *line) cause(ctx context.Context, err error) error {
	var large *tooLarge
	if errors.As(err, &large) || errors.Is(err, errSlow) {
		return err
	}
	if broken := l.broken.Load(); broken != nil {
		return *broken
	}
	return ctx.Err()
}
