package settings

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
)

var (
	accountName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,59}$`)
	dataCenters = []string{"beijing", "singapore", "singapore-b", "north-america", "saudi-arabia"}
	accountKeys = []string{"vendor", "data_center", "hosts", "app_key", "secret", "sender", "platforms", "allow", "approval",
		"services", "quota", "brake", "tags", "timeout"}
	getuiKeys = []string{"vendor", "host", "app_id", "app_key", "master_secret", "identify", "allow", "approval", "services", "quota", "brake", "tags", "timeout"}
)

func (r *reader) accounts() (out []Account) {
	n := r.root.Need("accounts")
	if !n.IsMapping() {
		return nil
	}
	byKey := map[string]string{} // vendor and App Key, the identity of an account's lanes
	for _, f := range n.Fields {
		if !accountName.MatchString(f.Key.Text) {
			f.Key.Error("N112", diag.Text{EN: "`" + f.Key.Text + "` cannot be an account's name", ZH: "`" + f.Key.Text + "` 不能作账号名"},
				diag.Text{EN: "a-z, 0-9 and -", ZH: "只能用 a-z、0-9 和 -"})
			continue
		}
		a, ok := r.account(f.Key.Text, f.Value)
		if !ok {
			continue
		}
		if first, twice := byKey[a.Vendor+":"+a.AppKey]; twice && a.AppKey != "" {
			r.place("accounts."+a.Name+".app_key").Error("N706",
				diag.Text{EN: "account `" + first + "` has the same App Key: their quota would be spent twice", ZH: "账号 `" + first + "` 用的是同一个 App Key，配额会被重复使用"},
				diag.Text{EN: "one account for each App Key", ZH: "一个 App Key 只写一个账号"})
		}
		byKey[a.Vendor+":"+a.AppKey] = a.Name
		out = append(out, a)
	}
	if len(n.Fields) == 0 {
		n.Error("N114", diag.Text{EN: "no account is declared", ZH: "没有声明任何账号"}, diag.Text{EN: "add one under its name, with `vendor`, `app_key` and `secret`", ZH: "请写上一个账号名，下面写 `vendor`、`app_key`、`secret`"})
	}
	slices.SortFunc(out, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// account reads one account. It is false when the vendor is none of ours, or the node no mapping.
func (r *reader) account(name string, n *diag.Node) (Account, bool) {
	if !n.IsMapping() {
		return Account{}, false
	}
	at := func(key string) string { return "accounts." + name + "." + key }
	a := Account{Name: name, Vendor: "rongcloud"}
	n.Need("vendor")
	vendor, ok := r.find(at("vendor"), "rongcloud", false).Enum("rongcloud", "getui")
	switch {
	case !ok: // whosever it is, these keys it may have
		r.allowed(&a, at)
		r.bounds(&a, at)
		r.tags(at("tags"), "delay", "foreign", "max_change", "verify")
		for _, key := range []string{"secret", "master_secret"} {
			if r.node(at(key)) != nil {
				r.secret(at(key))
			}
		}
		return a, false
	case vendor == "getui":
		a.Vendor = vendor
		n.Keys(getuiKeys...)
		r.getui(&a, at)
		return a, true
	}
	n.Keys(accountKeys...)

	a.DataCenter = r.enum(at("data_center"), "", dataCenters...)
	a.Hosts = r.strings(at("hosts"))
	switch center, hosts := r.given(at("data_center")), r.given(at("hosts")); {
	case center && hosts:
		r.place(at("hosts")).Error("N704", diag.Text{EN: "`data_center` and `hosts` exclude each other", ZH: "`data_center` 和 `hosts` 只能写一个"},
			diag.Text{EN: "remove one of them", ZH: "请删掉其中一个"})
	case !center && !hosts:
		r.missing("accounts."+name, "data_center")
	}
	for i, h := range a.Hosts {
		r.vendorAddress(at("hosts"), r.item(at("hosts"), i), h, "`app_key`, `secret`")
	}
	if a.AppKey = r.text(at("app_key"), ""); a.AppKey == "" {
		r.missing("accounts."+name, "app_key")
	}
	if a.Secret = r.secret(at("secret")); !r.given(at("secret")) {
		r.missing("accounts."+name, "secret")
	}
	a.Sender = r.text(at("sender"), "system")
	a.Platforms = r.enums(at("platforms"), []string{"ios", "android"}, "ios", "android", "harmonyos")
	if len(a.Platforms) == 0 {
		r.place(at("platforms")).Error("N112", diag.Text{EN: "no platform is left to send to", ZH: "没有可发送的平台"}, diag.Text{EN: "ios, android, harmonyos", ZH: "ios、android、harmonyos"})
	}
	r.allowed(&a, at)
	n.Get("services").Keys("broadcast", "push_plus")
	a.Broadcast, a.PushPlus = r.bool(at("services.broadcast"), true), r.bool(at("services.push_plus"), false)
	a.Quota = r.quota(at("quota.broadcast"))
	a.Tags = r.tags(at("tags"), "delay", "foreign", "max_change", "verify")
	r.bounds(&a, at)
	return a, true
}

// vendorAddress sees that an address is a safe one; keys are what the vendor knows us by instead of a login.
func (r *reader) vendorAddress(path string, n *diag.Node, host, keys string) {
	switch {
	case hostAllowed(host):
	case strings.Contains(host, "@"):
		r.loggedIn(path, n, diag.Text{EN: "the vendor", ZH: "厂商"}, diag.Text{EN: "the vendor knows us by " + keys + ",", ZH: "厂商只认 " + keys})
	default:
		n.Error("N705", diag.Text{EN: "`" + host + "` is not a safe vendor address", ZH: "`" + host + "` 不是安全的服务地址"},
			diag.Text{EN: "https://host without a path; http only to this machine", ZH: "请用 https://host，不带路径；http 只能用于本机"})
	}
}

// allowed is what an account may do without being asked.
func (r *reader) allowed(a *Account, at func(string) string) {
	a.AllowEveryone = slices.Contains(r.enums(at("allow"), nil, "everyone"), "everyone")
	a.ApprovalWaived = r.enum(at("approval"), "required", "required", "waived") == "waived"
}

func (r *reader) bounds(a *Account, at func(string) string) {
	a.Brake = r.rate(at("brake"), "500 in 10m")
	a.Timeout = r.duration(at("timeout"), "6s", time.Second, 30*time.Second)
}

// getui reads what an account at Getui has.
func (r *reader) getui(a *Account, at func(string) string) {
	host := r.text(at("host"), "https://restapi.getui.com")
	a.Hosts = []string{host}
	r.vendorAddress(at("host"), r.place(at("host")), host, "`app_key`, `master_secret`")
	if a.AppID = r.text(at("app_id"), ""); a.AppID == "" {
		r.missing("accounts."+a.Name, "app_id")
	}
	if a.AppKey = r.text(at("app_key"), ""); a.AppKey == "" {
		r.missing("accounts."+a.Name, "app_key")
	}
	if strings.ContainsFunc(a.AppID, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("/?#%", c) }) {
		r.place(at("app_id")).Error("N112", diag.Text{EN: "`" + a.AppID + "` cannot be an app id: it is a part of every address", ZH: "`" + a.AppID + "` 不能作 AppID：它是每个地址的一部分"},
			diag.Text{EN: "as Getui's console shows it", ZH: "请照个推控制台显示的填写"})
	}
	if a.Secret = r.secret(at("master_secret")); !r.given(at("master_secret")) {
		r.missing("accounts."+a.Name, "master_secret")
	}
	a.Identify = r.enum(at("identify"), "alias", "alias", "cid")
	r.allowed(a, at)
	r.node(at("services")).Keys("broadcast", "fast_tag")
	a.Broadcast, a.FastTag = r.bool(at("services.broadcast"), true), r.bool(at("services.fast_tag"), false)
	r.node(at("quota")).Keys("push", "lists", "broadcast", "tags")
	r.node(at("quota.lists")).Keys("day")
	r.node(at("quota.broadcast")).Keys("minute", "day")
	r.node(at("quota.tags")).Keys("minute", "day")
	a.Quota = Quota{
		Pushes: r.int(at("quota.push"), 50, 1, 10000),
		Lists:  r.int(at("quota.lists.day"), 2000000, 1, 100000000),
		Minute: r.int(at("quota.broadcast.minute"), 5, 1, 1000),
		Day:    r.int(at("quota.broadcast.day"), 20, 1, 100000),
		Shared: true,

		TagMinute: r.int(at("quota.tags.minute"), 5, 1, 1000),
		TagDay:    r.int(at("quota.tags.day"), 10000, 1, 1000000),
	}
	a.Tags = r.tags(at("tags"), "delay", "max_change", "verify")
	a.Tags.KeepForeign = true // a difference touches no tag that it does not name
	r.bounds(a, at)
}

func (r *reader) quota(path string) Quota {
	outer := path[:len(path)-len(".broadcast")]
	r.node(outer).Keys("broadcast")
	r.node(path).Keys("hour", "day", "day_window", "day_zones", "shared")
	q := Quota{
		Hour:    r.int(path+".hour", 2, 1, 10000),
		Day:     r.int(path+".day", 3, 1, 100000),
		Rolling: r.enum(path+".day_window", "natural", "natural", "rolling") == "rolling",
	}
	names := []string{"Asia/Shanghai", "UTC"}
	zones := r.find(path+".day_zones", listed(names), true)
	if zones != nil {
		names, _ = zones.Strings()
	}
	for _, name := range names {
		q.DayZones = append(q.DayZones, r.zone(zones, name))
	}
	if len(names) == 0 {
		zones.Error("N112", diag.Text{EN: "no zone is left to count days in", ZH: "没有计算自然日的时区"}, diag.Text{EN: "like [Asia/Shanghai, UTC]", ZH: "例如 [Asia/Shanghai, UTC]"})
	}
	q.Shared = r.bool(path+".shared", true)
	return q
}

// tags reads the settings of tags, with the keys that the vendor's accounts have.
func (r *reader) tags(path string, keys ...string) Tags {
	r.node(path).Keys(keys...)
	t := Tags{
		Delay:     r.duration(path+".delay", "5s", 0, time.Hour),
		MaxChange: r.percent(path+".max_change", "1%"),
	}
	if slices.Contains(keys, "foreign") {
		t.KeepForeign = r.enum(path+".foreign", "keep", "keep", "drop") == "keep"
	}
	t.Verify = parsed(r, path+".verify", "off", parseVerify, diag.Text{EN: "`off` or a rate", ZH: "`off` 或频率"}, diag.Text{EN: "like 1000 per day or 500 in 1h", ZH: "例如 1000 per day 或 500 in 1h"})
	return t
}
