package doctor

import (
	"context"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
)

// A vendor's clock comes in whole seconds over a network, and its tolerance is not documented.
const (
	vendorSkewWarning = 5 * time.Second
	vendorSkewError   = time.Minute
)

// credentials makes one signed call that changes nothing for each account, and compares clocks by its answer.
func (d *doctor) credentials(ctx context.Context) {
	for i := range d.s.Accounts {
		ac := &d.s.Accounts[i]
		began := d.Now()
		a, err := app.Ask(ctx, ac)
		on := ac.Name
		hosts := strings.Join(a.Hosts, ", ")
		show := "notifier config show -c " + quoted(d.Path)
		switch {
		case err != nil:
			d.bad("credentials", Error, on, text("%v", "%v", err), diag.Text{}, show)
			d.worse(exitSettings)
			continue
		case a.Class == dispatch.ClassOK:
			d.well("credentials", on, text("%s takes them, in %d ms", "%s 接受，用时 %d 毫秒", hosts, a.Ended.Sub(a.Began).Milliseconds()))
		case a.Class == dispatch.ClassConfig:
			d.bad("credentials", Error, on, text("the vendor refuses them: %s", "厂商拒绝：%s", a.Detail), text("look at docs/runbook.md#credentials", "见 docs/runbook.zh-CN.md#credentials"), show)
			d.worse(exitSettings)
		case a.Class == dispatch.ClassRetryLater:
			d.bad("credentials", Unknown, on, text("the vendor is asked too often just now: %s", "厂商此刻请求过多：%s", a.Detail), diag.Text{}, "notifier doctor -c "+quoted(d.Path))
		default:
			d.bad("credentials", Error, on, text("no answer: %s", "没有应答：%s", a.Detail), text("open the way to %s, port 443", "请放行到 %s 的 443 端口", hosts), "curl -sv https://"+a.Hosts[0]+"/ -o /dev/null")
			d.worse(exitUnreachable)
		}
		d.vendorsClock(on, a, began)
	}
}

// vendorsClock compares clocks; a signature carries the time, and a vendor refuses one that is far off.
func (d *doctor) vendorsClock(on string, a app.Asked, began time.Time) {
	if a.Date.IsZero() {
		return
	}
	ended := began.Add(a.Ended.Sub(a.Began))
	what := text("this machine's clock is at least %s ahead of the vendor's", "本机时钟至少比厂商快 %s", began.Sub(a.Date.Add(time.Second)).Round(time.Second))
	off := began.Sub(a.Date.Add(time.Second)) // the header has no fractions
	if behind := a.Date.Sub(ended); behind > off {
		off, what = behind, text("this machine's clock is at least %s behind the vendor's", "本机时钟至少比厂商慢 %s", behind.Round(time.Second))
	}
	switch {
	case off > vendorSkewError:
		d.bad("clock", Error, on, what, diag.Text{}, setClock)
	case off > vendorSkewWarning:
		d.bad("clock", Warning, on, what, diag.Text{}, setClock)
	default:
		d.well("clock", on, text("this machine's clock and the vendor's agree", "本机时钟与厂商一致"))
	}
}
