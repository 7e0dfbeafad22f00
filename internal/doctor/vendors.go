package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
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
		show := "notifier config show -c " + quoted(d.Path)
		switch {
		case err != nil:
			d.bad("credentials", Error, on, text("%v", "%v", err), diag.Text{}, show)
			d.worse(exitSettings)
			continue
		case a.Class == dispatch.ClassOK:
			d.well("credentials", on, text("%s takes them, in %d ms", "%s 接受，用时 %d 毫秒", named(a.Hosts), a.Ended.Sub(a.Began).Milliseconds()))
		case a.Signature && vendorSkew(a, began).Abs() > vendorSkewError: // which of the two it is, is known when the clock is right
			d.bad("credentials", Unknown, on, text("the vendor refuses the signature, which holds the time, and this machine's clock is wrong: %s", "厂商拒绝签名；签名里含有时间，而本机时钟不准：%s", a.Detail),
				text("set the clock first, then look again whether the secret is right", "请先校准时钟，再看密钥是否正确"), "notifier doctor -c "+quoted(d.Path))
		case a.Class == dispatch.ClassConfig:
			d.bad("credentials", Error, on, text("the vendor refuses them: %s", "厂商拒绝：%s", a.Detail), text("look at docs/runbook.md#credentials", "见 docs/runbook.zh-CN.md#credentials"), show)
			d.worse(exitSettings)
		case a.Class == dispatch.ClassRetryLater:
			d.bad("credentials", Unknown, on, text("the vendor is asked too often just now: %s", "厂商此刻请求过多：%s", a.Detail), diag.Text{}, "notifier doctor -c "+quoted(d.Path))
		default:
			d.bad("credentials", Error, on, text("no answer: %s", "没有应答：%s", a.Detail), toVendor(a), "curl -sv "+quoted(a.Hosts[0]+"/")+" -o /dev/null")
			d.worse(exitUnreachable)
		}
		d.vendorsClock(on, a, began)
	}
}

// toVendor says what mends the way to a vendor that did not answer.
func toVendor(a app.Asked) diag.Text {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](a.Err)
	_, plain := errors.AsType[tls.RecordHeaderError](a.Err)
	switch {
	case a.Inside:
		return text("mend what the name service says of it; an address in `hosts` is called as it is", "请修正域名解析；`hosts` 里直接写 IP 地址时不做这项检查")
	case untrusted:
		return text("look at what answers there: this machine does not trust its certificate for that name", "请检查应答的是谁：本机不信任它为这个域名出示的证书")
	case plain:
		return text("look at what answers there: it speaks no TLS", "请检查应答的是谁：它不支持 TLS")
	}
	var ways []string
	for _, h := range a.Hosts {
		u, err := url.Parse(h)
		if err != nil {
			continue // the settings were loaded with it
		}
		port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
		ways = append(ways, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	}
	return text("open the way to %s", "请放行到 %s 的连接", strings.Join(ways, ", "))
}

// named gives the hosts without their scheme.
func named(hosts []string) string {
	var out []string
	for _, h := range hosts {
		_, name, _ := strings.Cut(h, "://")
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// vendorSkew is by how much at least this machine's clock is ahead of the vendor's, negative: behind; 0 also when the vendor tells no time.
func vendorSkew(a app.Asked, began time.Time) time.Duration {
	if a.Date.IsZero() {
		return 0
	}
	if ahead := began.Sub(a.Date.Add(time.Second)); ahead > 0 { // the header has no fractions
		return ahead
	}
	return -max(0, a.Date.Sub(began.Add(a.Ended.Sub(a.Began))))
}

// vendorsClock compares clocks; a signature carries the time, and a vendor refuses one that is far off.
func (d *doctor) vendorsClock(on string, a app.Asked, began time.Time) {
	if a.Date.IsZero() {
		return
	}
	off := vendorSkew(a, began)
	what := text("this machine's clock is at least %s ahead of the vendor's", "本机时钟至少比厂商快 %s", off.Round(time.Second))
	if off < 0 {
		what = text("this machine's clock is at least %s behind the vendor's", "本机时钟至少比厂商慢 %s", -off.Round(time.Second))
	}
	switch {
	case off.Abs() > vendorSkewError:
		d.bad("clock", Error, on, what, diag.Text{}, setClock)
	case off.Abs() > vendorSkewWarning:
		d.bad("clock", Warning, on, what, diag.Text{}, setClock)
	default:
		d.well("clock", on, text("this machine's clock and the vendor's agree", "本机时钟与厂商一致"))
	}
}
