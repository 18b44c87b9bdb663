package channel

import (
	"context"
	"time"

	"weir/sync/notify/message"
)

// wecomMost is how many bytes of Markdown WeCom takes.
const wecomMost = 4096

// WeCom is a robot of a WeCom group, of which the address is the only secret. It
// takes 20 messages a minute.
type WeCom struct {
	poster
	texts   *message.Templates
	mention []string
}

var _ Channel = (*WeCom)(nil)

// NewWeCom returns a WeCom.
func NewWeCom(opt RobotOptions) (*WeCom, error) {
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &WeCom{p, opt.Texts, opt.Mention}, err
}

// Traits says that three quarters of what WeCom takes are used.
func (*WeCom) Traits() Traits { return Traits{Most: 20, Rate: 15, Repeats: true} }

func wecomCodes() codes {
	return codes{
		busy: []int{45009, 45033}, rest: time.Minute,
		// -1: the system is busy; 93000: no such robot; 93004: it is off; 93008: it is not in
		// the group.
		mended: []int{-1, 93000, 93004, 93008},
	}
}

// Compose writes Markdown with a coloured title.
func (w *WeCom) Compose(d message.Data, id string) (Letter, error) {
	calls := ""
	if needsPeople(d) {
		calls = called(w.mention, "<@", ">")
	}
	write := func(t message.Text) string {
		paint := color(d, "info", "info", "warning", "warning")
		return "**<font color=\"" + paint + "\">" + wide(t.Title) + "</font>**\n" + t.Body + calls
	}
	text, err := w.texts.Render(d, robotMarkup(nil), func(t message.Text) bool { return len(write(t)) <= wecomMost })
	if err != nil {
		return Letter{}, err
	}
	body, err := encode(map[string]any{"msgtype": "markdown", "markdown": map[string]string{"content": write(text)}})
	return Letter{ID: id, Title: text.Title, Body: body}, err
}

// Send posts it.
func (w *WeCom) Send(ctx context.Context, l Letter) error {
	return w.tell(ctx, request{body: l.Body}, wecomCodes())
}
