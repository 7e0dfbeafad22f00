package settings

import (
	"cmp"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// Load reads the file at path under env (as of os.Environ) and overrides (path of a setting to text, from flags).
// The settings are nil when the list has an error.
func Load(path string, env []string, overrides map[string]string) (*Settings, diag.List) {
	return loadFile(path, env, overrides, func(string) bool { return true })
}

// LoadForRules is Load for commands that connect to nothing and ask only what the settings say of rules: whoever edits rules need not
// have the secrets. One that cannot be read here is empty.
func LoadForRules(path string, env []string) (*Settings, diag.List) {
	return loadFile(path, env, nil, func(string) bool { return false })
}

// LoadForKafka is Load for commands that connect to Kafka and to nobody else: whoever reads our topics need not have the vendors' secrets. One
// of those that cannot be read here is empty.
func LoadForKafka(path string, env []string) (*Settings, diag.List) {
	return loadFile(path, env, nil, func(setting string) bool { return strings.HasPrefix(setting, "kafka.") })
}

func loadFile(path string, env []string, overrides map[string]string, needs func(setting string) bool) (*Settings, diag.List) {
	src, err := diag.ReadFile(path, diag.MaxBytes)
	if err != nil {
		return nil, diag.List{{Code: "N700", Severity: diag.Error, File: path,
			Message: diag.Text{EN: "the settings cannot be read: " + diag.Unread(err).EN, ZH: "无法读取设置文件：" + diag.Unread(err).ZH},
			Hint:    diag.Text{EN: "name the file with -c FILE", ZH: "用 -c FILE 指定文件"}}}
	}
	doc := diag.Parse(path, src)
	r := &reader{root: doc.Root, dir: filepath.Dir(path), file: path, env: environment(env), flags: overrides,
		docs: []*diag.Doc{doc}, outside: map[string]*diag.Node{}, items: map[string][]*diag.Node{}, known: map[string]bool{}, exposed: map[int]bool{}, needs: needs}
	var s *Settings
	if doc.Root != nil {
		s = r.settings()
	}
	list := r.findings()
	if s != nil {
		list = append(list, r.strays()...)
	}
	if list = list.Sorted(); list.Errors() > 0 {
		return nil, list
	}
	return s, list
}

func environment(env []string) map[string]string {
	out := map[string]string{}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}

func (r *reader) settings() *Settings {
	root := r.root
	if !root.Keys("version", "timezone", "kafka", "rules", "admin", "log", "tracing", "events", "dead", "user_limits", "consent", "accounts") {
		return nil
	}
	root.Need("version")
	r.enum("version", "1", "1")
	zone := r.find("timezone", "Asia/Shanghai", false)
	s := &Settings{}
	name := "Asia/Shanghai"
	if t, ok := zone.String(); ok {
		name = t
	}
	s.Zone = r.zone(cmp.Or(zone, root), name)
	s.Kafka = r.kafka()
	s.Rules = r.path("rules", "rules/")
	s.Admin = r.admin()

	root.Get("log").Keys("level", "format")
	s.Log = Log{Level: r.enum("log.level", "info", "debug", "info", "warn", "error"), JSON: r.enum("log.format", "json", "json", "console") == "json"}

	s.Tracing = r.tracing()

	events := root.Get("events")
	events.Keys("max_bytes", "duplicates")
	events.Get("duplicates").Keys("users", "broadcasts")
	s.Events = Events{
		MaxBytes:            r.size("events.max_bytes", "1MiB"),
		DuplicateUsers:      r.duration("events.duplicates.users", "24h", time.Minute, 90*24*time.Hour),
		DuplicateBroadcasts: r.duration("events.duplicates.broadcasts", "720h", time.Minute, 90*24*time.Hour),
	}
	root.Get("dead").Keys("payload")
	s.KeepDead = r.enum("dead.payload", "keep", "keep", "none") == "keep"

	root.Get("user_limits").Keys("marketing", "service")
	s.UserLimits = map[string]intent.Cap{}
	for _, class := range []string{"marketing", "service"} {
		if c := r.cap("user_limits." + class); c.N > 0 {
			s.UserLimits[class] = c
		}
	}
	root.Get("consent").Keys("never", "marketing", "service")
	s.Consent = Consent{Never: r.text("consent.never", ""), Marketing: r.text("consent.marketing", ""), Service: r.text("consent.service", "")}
	s.places = map[string]*diag.Node{}
	for _, path := range []string{"consent.never", "consent.marketing", "consent.service"} {
		if r.given(path) {
			s.places[path] = r.place(path)
		}
	}
	s.Accounts = r.accounts()
	s.Entries = r.entries
	return s
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// maxPrefix is in bytes: the longest name behind it leaves a topic within Kafka's 249.
const maxPrefix = 200

func (r *reader) kafka() Kafka {
	n := r.root.Get("kafka")
	n.Keys("brokers", "embedded", "prefix", "partitions", "replication", "start", "instance", "tls", "sasl")
	n.Get("tls").Keys("ca", "cert", "key")
	n.Get("sasl").Keys("mechanism", "user", "password")

	k := Kafka{Brokers: r.strings("kafka.brokers")}
	k.Embedded = r.path("kafka.embedded", "")
	switch {
	case len(k.Brokers) > 0 && k.Embedded != "":
		r.place("kafka.embedded").Error("N704", diag.Text{EN: "`brokers` and `embedded` exclude each other", ZH: "`brokers` 和 `embedded` 只能写一个"},
			diag.Text{EN: "remove one of them", ZH: "请删掉其中一个"})
	case len(k.Brokers) == 0 && k.Embedded == "":
		r.place("kafka").Error("N114", diag.Text{EN: "`kafka.brokers` is missing", ZH: "缺少 `kafka.brokers`"},
			diag.Text{EN: "add `brokers: [host:9092]`, or `embedded: DIR` to try out", ZH: "请加上 `brokers: [host:9092]`，试用时可写 `embedded: 目录`"})
	}
	for i, b := range k.Brokers {
		n := r.item("kafka.brokers", i)
		switch {
		case strings.Contains(b, "@"):
			r.loggedIn("kafka.brokers", n, diag.Text{EN: "a broker", ZH: "broker "}, diag.Text{EN: "write `kafka.sasl`", ZH: "改写 `kafka.sasl`"})
		case !isHostPort(b) && !n.Wide(isHostPort):
			n.Error("N112", diag.Text{EN: "`" + b + "` is not host:port", ZH: "`" + b + "` 不是 host:port"}, diag.Text{EN: "like k1:9092", ZH: "例如 k1:9092"})
		}
	}
	k.Prefix = r.text("kafka.prefix", "notifier")
	if len(k.Prefix) > maxPrefix || !topicName.MatchString(k.Prefix) {
		r.place("kafka.prefix").Error("N112", diag.Text{EN: "`" + k.Prefix + "` cannot begin a topic's name", ZH: "`" + k.Prefix + "` 不能作主题名前缀"},
			diag.Text{EN: "letters, digits and . _ -", ZH: "只能用字母、数字和 . _ -"})
	}
	k.Partitions = r.int("kafka.partitions", 4, 1, 1000)
	replication := int64(3)
	if k.Embedded != "" {
		replication = 1 // one broker
	}
	k.Replication = r.int("kafka.replication", replication, 1, 9)
	k.Start = parsed(r, "kafka.start", "", parseStart, diag.Text{EN: "a place to start", ZH: "起始位置"},
		diag.Text{EN: "latest, earliest or a time like 2026-11-21T09:00:00+08:00", ZH: "latest、earliest，或时间，例如 2026-11-21T09:00:00+08:00"})
	if !k.Start.Set {
		k.Start.place = r.place("kafka")
	}
	host, _ := os.Hostname()
	if k.Instance = r.text("kafka.instance", host); k.Instance == "" {
		r.place("kafka.instance").Error("N114", diag.Text{EN: "this host has no name and `kafka.instance` none either", ZH: "主机没有名字，也没有写 `kafka.instance`"}, diag.Text{EN: "add `instance: NAME`, a name of its own for each process", ZH: "请加上 `instance: 名字`，每个进程一个"})
	}
	tls := TLS{CA: r.path("kafka.tls.ca", ""), Cert: r.path("kafka.tls.cert", ""), Key: r.path("kafka.tls.key", "")}
	if n.Get("tls") != nil || tls != (TLS{}) {
		k.TLS = &tls
	}
	if (tls.Cert == "") != (tls.Key == "") {
		r.place("kafka.tls").Error("N704", diag.Text{EN: "`cert` and `key` go together", ZH: "`cert` 和 `key` 要一起写"}, diag.Text{EN: "add the other one, or remove both", ZH: "请补上另一个，或两个都删掉"})
	} else if _, _, err := tls.Config(); err != nil && r.needs("kafka.tls") { // as with secrets: who asks for rules only need not have the files
		at := r.place("kafka.tls." + err.Key)
		if err.Err != nil {
			unreadable(at, err.File, err.Err)
		} else {
			at.Error("N701", err.Why, diag.Text{})
		}
	}
	sasl := SASL{Mechanism: r.enum("kafka.sasl.mechanism", "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), User: r.text("kafka.sasl.user", ""), Password: r.secret("kafka.sasl.password")}
	if n.Get("sasl") != nil || sasl != (SASL{}) {
		k.SASL = &sasl
		for _, key := range []string{"mechanism", "user", "password"} {
			if !r.given("kafka.sasl." + key) {
				r.missing("kafka.sasl", key)
			}
		}
	}
	return k
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && port != ""
}

func parseStart(s string) (Start, bool) {
	switch s {
	case "":
		return Start{}, true
	case "latest", "earliest":
		return Start{Set: true, Latest: s == "latest"}, true
	}
	at, err := time.Parse(time.RFC3339, s)
	return Start{Set: true, At: at}, err == nil && !at.IsZero()
}

func (r *reader) admin() Admin {
	r.root.Get("admin").Keys("listen", "token")
	a := Admin{Listen: r.text("admin.listen", "127.0.0.1:8088"), Token: r.secret("admin.token")}
	host, _, err := net.SplitHostPort(a.Listen)
	switch {
	case strings.Contains(a.Listen, "@"):
		r.loggedIn("admin.listen", r.place("admin.listen"), diag.Text{EN: "the admin listener", ZH: "管理端口"}, diag.Text{EN: "write `token: \"${env:NAME}\"`", ZH: "改写成 `token: \"${env:NAME}\"`"})
	case err != nil && r.place("admin.listen").Wide(isHostPort):
	case err != nil:
		r.place("admin.listen").Error("N112", diag.Text{EN: "`" + a.Listen + "` is not host:port", ZH: "`" + a.Listen + "` 不是 host:port"}, diag.Text{EN: "like 127.0.0.1:8088", ZH: "例如 127.0.0.1:8088"})
	case !Loopback(host) && !r.given("admin.token"):
		r.place("admin.listen").Error("N705", diag.Text{EN: "`" + a.Listen + "` can be reached from outside and has no token", ZH: "`" + a.Listen + "` 可从外部访问，但没有设置 token"},
			diag.Text{EN: "add `token: ${env:NAME}`, or listen on 127.0.0.1", ZH: "请加上 `token: ${env:NAME}`，或改为 127.0.0.1"})
	}
	return a
}

func (r *reader) tracing() Tracing {
	r.root.Get("tracing").Keys("endpoint", "authorization", "share")
	t := Tracing{Endpoint: r.text("tracing.endpoint", ""), Authorization: r.secret("tracing.authorization")}
	t.Share = parsed(r, "tracing.share", "100%", parseShare, diag.Text{EN: "a share", ZH: "百分比"}, diag.Text{EN: "0% to 100%", ZH: "0% 到 100%"})
	u, err := url.Parse(t.Endpoint)
	base := err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https") && u.RawQuery == "" && u.Fragment == ""
	switch {
	case t.Endpoint == "":
		if r.given("tracing.authorization") {
			r.missing("tracing", "endpoint")
		}
	case strings.Contains(t.Endpoint, "@") && (!base || u.User != nil):
		r.loggedIn("tracing.endpoint", r.place("tracing.endpoint"), diag.Text{EN: "the collector", ZH: "采集器"},
			diag.Text{EN: "write `authorization: \"${env:NAME}\"`", ZH: "改写成 `authorization: \"${env:NAME}\"`"})
	case !base || strings.HasSuffix(u.Path, "/v1/traces"):
		r.place("tracing.endpoint").Error("N112", diag.Text{EN: "`" + t.Endpoint + "` is not the base address of a collector", ZH: "`" + t.Endpoint + "` 不是采集器的基础地址"},
			diag.Text{EN: "like http://otel-collector:4318; /v1/traces is added",
				ZH: "例如 http://otel-collector:4318；/v1/traces 会自动加上"})
	case u.Scheme == "http" && t.Authorization != nil && !Loopback(u.Hostname()):
		r.place("tracing.authorization").Error("N704",
			diag.Text{EN: "`authorization` would travel in plain to `" + t.Endpoint + "`", ZH: "`authorization` 会以明文发到 `" + t.Endpoint + "`"},
			diag.Text{EN: "use https, or leave it out", ZH: "请用 https，或去掉它"})
	}
	return t
}

// Loopback reports whether a host is this machine itself.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// given reports whether a path has a value that is not the default.
func (r *reader) given(path string) bool {
	i := slices.IndexFunc(r.entries, func(e Entry) bool { return e.Path == path })
	return i >= 0 && r.entries[i].Origin != "default"
}

// place is where a finding about a path belongs: its value, which may come from outside the file, or the nearest mapping around it in
// the file.
func (r *reader) place(path string) *diag.Node {
	if n := r.outside[path]; n != nil {
		return n
	}
	for {
		if n := r.node(path); n != nil {
			return n
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return r.root
		}
		path = path[:i]
	}
}

func (r *reader) missing(path, key string) {
	if r.node(path + "." + key).Lost() {
		return
	}
	r.place(path).Error("N114", diag.Text{EN: "`" + path + "." + key + "` is missing", ZH: "缺少 `" + path + "." + key + "`"},
		diag.Text{EN: "add `" + key + ": ...`", ZH: "请加上 `" + key + ": ...`"})
}

// hostAllowed: https, or http to this machine.
func hostAllowed(host string) bool {
	u, err := url.Parse(host)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname())
}
