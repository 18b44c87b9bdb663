package channel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/notify/message"
)

// What the chats of China have in common: they answer 200 whatever happens and say
// in the body by a number what did, and they read a dialect of Markdown that has no
// escapes which all of their programs know.

// codes says what the numbers of a robot mean; one that is not here is final.
type codes struct {
	busy   []int         // it is too much for now
	rest   time.Duration // how long to leave it alone then
	mended []int         // a person may mend it: keys, signatures, rights; or the robot itself
}

// verdict reads an answer: nil where its number is zero, a Fault otherwise.
func (c codes) verdict(a answer) error {
	var told struct {
		ErrCode *int   `json:"errcode"` // DingTalk, WeCom
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"` // Feishu
		Msg     string `json:"msg"`
		Status  *int   `json:"StatusCode"` // Feishu, formerly
	}
	if err := json.Unmarshal(a.body, &told); err != nil {
		return errors.New("the answer is not that of a robot")
	}
	number := cmp.Or(told.ErrCode, told.Code, told.Status)
	switch {
	case number == nil:
		return errors.New("the answer has no code")
	case *number == 0:
		return nil
	}
	text := a.quote(cmp.Or(told.ErrMsg, told.Msg))
	f := &Fault{Err: fmt.Errorf("the robot answers with code %d: %s", *number, text)}
	switch {
	case slices.Contains(c.busy, *number):
		f.After = c.rest
	case !slices.Contains(c.mended, *number):
		f.Final = true
	}
	return f
}

// tell makes one try with a robot.
func (p poster) tell(ctx context.Context, r request, c codes) error {
	a, err := p.post(ctx, r)
	if err != nil {
		return err
	}
	return c.verdict(a)
}

// wide writes what would be markup, or call people, in characters of full width.
func wide(text string) string {
	return strings.NewReplacer(
		"<", "＜", ">", "＞", "](", "］(", "*", "＊", "`", "'", "\\", "＼", "~", "～",
	).Replace(text)
}

// closed is wide for a text after which another may begin with a bracket.
func closed(text string) string {
	text = wide(text)
	if before, ends := strings.CutSuffix(text, "]"); ends {
		return before + "］"
	}
	return text
}

// robotMarkup is the Markdown that DingTalk, Feishu and WeCom have in common.
func robotMarkup(finish func(string) string) message.Markup {
	return message.Markup{
		Escape: closed,
		Bold:   func(s string) string { return "**" + s + "**" },
		Code: func(s string) string {
			return "`" + strings.NewReplacer("`", "'", "<", "＜", ">", "＞", "](", "］(").Replace(s) + "`"
		},
		Link: func(text, url string) string {
			return "[" + text + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(url) + ")"
		},
		Finish: finish,
	}
}

// compose writes the letter of a robot whose limit is the bytes of the whole body, in
// which quotes and the ends of lines take more than they do in the text.
func compose(
	texts *message.Templates, d message.Data, m message.Markup, id string, most int, write func(message.Text) any,
) (Letter, error) {
	text, err := texts.Render(d, m, func(t message.Text) bool {
		body, err := encode(write(t))
		return err == nil && len(body) <= most
	})
	if err != nil {
		return Letter{}, err
	}
	body, err := encode(write(text))
	return Letter{ID: id, Title: text.Title, Body: body}, err
}

// called is the line that calls people, "" for nobody.
func called(who []string, before, after string) string {
	if len(who) == 0 {
		return ""
	}
	return "\n" + before + strings.Join(who, after+" "+before) + after
}

// color is that of a message, by how much a person is needed.
func color(d message.Data, over, info, warning, critical string) string {
	switch {
	case d.Over:
		return over
	case d.Name.Severity() == message.Critical:
		return critical
	case d.Name.Severity() == message.Warning:
		return warning
	}
	return info
}
