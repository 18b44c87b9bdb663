package message

import (
	"fmt"
	"strings"
	"time"
)

// Language is that of a text.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// chinese are the words of weir that a message in Chinese says in Chinese: the
// guards, the actions and the reasons. What is not here stays as it is.
func chinese() map[string]string {
	return map[string]string{
		"create": "新增", "update": "更新", "delete": "删除",

		"new": "新声明", "edited": "声明已修改", "drifted": "配置漂移", "conflict": "声明与云端都有修改",
		"removed": "已从配置源移除", "expired": "已到期", "restart": "重启录制", "rolled-back": "已回滚的版本",

		"empty-source": "配置源为空", "policy-to-sync": "策略改为 sync", "on-air": "影响正在进行的直播",
		"removals": "删除数量超过上限", "removals-percent": "删除比例超过上限",
		"updates": "更新数量超过上限", "updates-percent": "更新比例超过上限", "wildcard-app": "对所有应用放行",
		"history-rewritten": "提交历史被改写", "unsigned": "缺少有效签名", "branch-gone": "分支不存在", "read-only": "只读运行",
	}
}

// word says a word of weir in a language.
func (l Language) word(text string) string {
	if l == Chinese {
		if said, ok := chinese()[text]; ok {
			return said
		}
	}
	return text
}

// span says how long something takes, in days, hours, minutes or seconds.
func (l Language) span(d time.Duration) string {
	units := []struct {
		of     time.Duration
		en, zh string
	}{{24 * time.Hour, "d", " 天"}, {time.Hour, "h", " 小时"}, {time.Minute, "min", " 分钟"}, {time.Second, "s", " 秒"}}
	d = max(d, 0)
	for i, u := range units {
		if d < u.of && i < len(units)-1 {
			continue
		}
		rest := units[min(i+1, len(units)-1)]
		text := l.amount(int(d/u.of), u.en, u.zh)
		if n := int(d % u.of / rest.of); n > 0 && i+1 < len(units)-1 {
			text += " " + l.amount(n, rest.en, rest.zh)
		}
		return text
	}
	return ""
}

func (l Language) amount(n int, en, zh string) string {
	if l == Chinese {
		return fmt.Sprint(n, zh)
	}
	return fmt.Sprint(n, en)
}

// short cuts a hash to what people compare, and leaves other names whole.
func short(text string) string {
	const most = 12
	before, hash, has := strings.Cut(text, ":")
	if has {
		before += ":"
	} else {
		before, hash = "", text
	}
	if len(hash) <= most || strings.Trim(hash, "0123456789abcdef") != "" {
		return text
	}
	return before + hash[:most]
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// place is where a problem is, as compilers say it.
func place(file string, line, column int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}
