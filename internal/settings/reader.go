package settings

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// reader answers for one path after the other: where its value comes from, and what it is.
type reader struct {
	root    *diag.Node
	dir     string // of the file
	file    string
	env     map[string]string
	flags   map[string]string
	docs    []*diag.Doc             // of the file and of each override
	outside map[string]*diag.Node   // by path, from outside the file
	items   map[string][]*diag.Node // by path, of the texts that strings gave
	known   map[string]bool
	exposed map[int]bool // lines with a secret in plain
	entries []Entry

	needs func(setting string) bool // of a secret or key: without it this is an error; of others one that cannot be read is empty
}

// variable is the environment's name for a path.
func variable(path string) string {
	return "NOTIFIER_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// find returns the node that decides a path, nil for the default, and notes it in the entries with show as the
// default's text.
func (r *reader) find(path, def string, list bool) *diag.Node {
	r.known[path] = true
	e := Entry{Path: path, Value: def, Origin: "default"}
	n := r.node(path)
	if n != nil {
		e.Value, e.Origin = written(n), fmt.Sprintf("%s:%d", r.file, n.Line)
	}
	for _, over := range []struct {
		from   map[string]string
		name   string
		origin string
	}{{r.env, variable(path), "env " + variable(path)}, {r.flags, path, "flag"}} {
		if text, ok := over.from[over.name]; ok {
			n = r.override(over.origin, text, list)
			r.outside[path] = n
			e.Value, e.Origin = text, over.origin
		}
	}
	r.entries = append(r.entries, e)
	return n
}

// node walks the file. Shapes are checked where the mappings are.
func (r *reader) node(path string) *diag.Node {
	n := r.root
	for key := range strings.SplitSeq(path, ".") {
		n = n.Get(key)
	}
	return n
}

// override makes a node of a text from outside the file: whatever it looks like in YAML, it is that text, or a
// list of texts between commas.
func (r *reader) override(name, text string, list bool) *diag.Node {
	quote := func(s string) string { return "'" + strings.ReplaceAll(strings.TrimSpace(s), "'", "''") + "'" }
	src := quote(strings.ReplaceAll(text, "\n", " "))
	if list {
		var items []string
		for item := range strings.SplitSeq(strings.Trim(text, "[]"), ",") {
			items = append(items, quote(item))
		}
		src = "[" + strings.Join(items, ", ") + "]"
	}
	doc := diag.Parse(name, []byte(src))
	r.docs = append(r.docs, doc)
	return doc.Root
}

func written(n *diag.Node) string {
	if n.Kind == diag.Sequence {
		var items []string
		for _, it := range n.Items {
			items = append(items, it.Text)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return n.Text
}

// text gives a text with its reference resolved.
func (r *reader) text(path, def string) string {
	if s, ok := r.resolved(r.find(path, def, false)); ok {
		return s
	}
	return def
}

func (r *reader) resolved(n *diag.Node) (string, bool) {
	s, ok := n.String()
	if !ok || !strings.Contains(s, "${") {
		return s, ok
	}
	kind, arg, ok := reference(s)
	if !ok {
		r.noReference(n, s)
		return "", false
	}
	v, err := resolver(kind, arg, r.dir, r.env)()
	if err != nil {
		unreadable(n, s, err)
		return "", false
	}
	return v, true
}

// noReference reports a text that was meant as a reference, with the one that was meant.
func (r *reader) noReference(n *diag.Node, s string) {
	d := n.Error("N701", diag.Text{EN: "`" + s + "` is not a reference", ZH: "`" + s + "` 不是正确的引用"},
		diag.Text{EN: "the whole value is ${env:NAME} or ${file:/path}", ZH: "整个值写成 ${env:NAME} 或 ${file:/path}"})
	if fix := r.almostReference(s); fix != "" {
		d.Hint, d.Fix = diag.Text{EN: "write `\"" + fix + "\"`", ZH: "写成 `\"" + fix + "\"`"}, `"`+fix+`"`
	}
}

// unreadable reports a reference that gives nothing.
func unreadable(n *diag.Node, s string, err error) {
	u := &unread{why: diag.Unread(err)}
	if known, ok := errors.AsType[*unread](err); ok {
		u = known
	}
	n.Error("N701", diag.Text{EN: "`" + s + "` cannot be read: " + u.why.EN, ZH: "无法读取 `" + s + "`：" + u.why.ZH}, u.cure)
}

// path gives a path. One in the file starts at the file's directory, one from outside where the command runs.
func (r *reader) path(key, def string) string {
	p := r.text(key, def)
	origin := r.entries[len(r.entries)-1].Origin
	if p == "" || filepath.IsAbs(p) || origin == "flag" || strings.HasPrefix(origin, "env ") {
		return p
	}
	return filepath.Join(r.dir, p)
}

func (r *reader) enum(path, def string, allowed ...string) string {
	if s, ok := r.find(path, def, false).Enum(allowed...); ok {
		return s
	}
	return def
}

func (r *reader) bool(path string, def bool) bool {
	if v, ok := r.find(path, fmt.Sprint(def), false).Bool(); ok {
		return v
	}
	return def
}

func (r *reader) int(path string, def, lo, hi int64) int {
	if v, ok := r.find(path, fmt.Sprint(def), false).Int(lo, hi); ok {
		return int(v)
	}
	return int(def)
}

func (r *reader) duration(path, def string, lo, hi time.Duration) time.Duration {
	if v, ok := r.find(path, def, false).Duration(lo, hi); ok {
		return v
	}
	v, _ := diag.ParseDuration(def)
	return v
}

// strings gives a list of texts, each resolved.
func (r *reader) strings(path string, def ...string) []string {
	n := r.find(path, listed(def), true)
	if n == nil {
		return def
	}
	var out []string
	for _, it := range n.List() {
		if s, ok := r.resolved(it); ok {
			out = append(out, s)
			r.items[path] = append(r.items[path], it)
		}
	}
	return out
}

// item is where the i-th text of a list stands that strings gave.
func (r *reader) item(path string, i int) *diag.Node {
	if i < len(r.items[path]) {
		return r.items[path][i]
	}
	return r.place(path)
}

// enums gives a list of allowed words.
func (r *reader) enums(path string, def []string, allowed ...string) []string {
	n := r.find(path, listed(def), true)
	if n == nil {
		return def
	}
	var out []string
	for _, it := range n.List() {
		if s, ok := it.Enum(allowed...); ok {
			out = append(out, s)
		}
	}
	return out
}

func listed(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

// parsed gives a value of a form of its own. def must parse.
func parsed[T any](r *reader, path, def string, parse func(string) (T, bool), what, like diag.Text) T {
	n := r.find(path, def, false)
	if s, ok := n.String(); ok {
		if v, ok := parse(s); ok {
			return v
		}
		if n.Wide(func(s string) bool { _, ok := parse(s); return ok }) {
			v, _ := parse(def)
			return v
		}
		n.Error("N112", diag.Text{EN: "`" + s + "` is not " + what.EN, ZH: "`" + s + "` 不是" + what.ZH}, like)
	}
	v, _ := parse(def)
	return v
}

func (r *reader) size(path, def string) int {
	return parsed(r, path, def, parseSize, diag.Text{EN: "a size", ZH: "大小"}, diag.Text{EN: "like 256KiB or 1MiB", ZH: "例如 256KiB、1MiB"})
}

func (r *reader) percent(path, def string) float64 {
	return parsed(r, path, def, parsePercent, diag.Text{EN: "a share", ZH: "百分比"}, diag.Text{EN: "like 1%", ZH: "例如 1%"})
}

func (r *reader) rate(path, def string) Rate {
	return parsed(r, path, def, parseRate, diag.Text{EN: "a rate", ZH: "频率"}, diag.Text{EN: "like 500 in 10m", ZH: "例如 500 in 10m"})
}

func (r *reader) cap(path string) intent.Cap {
	perUser := func(s string) (intent.Cap, bool) {
		c, ok := parseCap(s)
		return c, ok && c.N <= intent.MaxPerUser
	}
	return parsed(r, path, "", perUser, diag.Text{EN: "a limit", ZH: "次数限制"},
		diag.Text{EN: "like 5 per day or 1 in 24h, at most 200", ZH: "例如 5 per day、1 in 24h，最多 200"})
}

// zone loads a time zone; the error lists an example, because names are not guessable.
func (r *reader) zone(n *diag.Node, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		if n != nil {
			n.Error("N707", diag.Text{EN: "`" + name + "` is not a known time zone", ZH: "没有 `" + name + "` 这个时区"},
				diag.Text{EN: "a name like Asia/Shanghai or UTC", ZH: "例如 Asia/Shanghai、UTC"})
		}
		return time.UTC
	}
	return z
}

// secret gives a value that may stand in the file as a reference only. The environment may hold it itself; a flag
// may not, everybody can read those.
func (r *reader) secret(path string) *Secret {
	n := r.find(path, "", false)
	e := &r.entries[len(r.entries)-1]
	s, ok := n.String()
	if !ok {
		return nil
	}
	e.Value = masked
	resolve := func() (string, error) { return s, nil }
	if kind, arg, ok := reference(s); ok {
		resolve = resolver(kind, arg, r.dir, r.env)
	} else if r.almostReference(s) != "" && !strings.HasPrefix(e.Origin, "env ") {
		r.noReference(n, s)
		return nil
	} else if !strings.HasPrefix(e.Origin, "env ") || s == "" {
		r.exposed[n.Line] = true
		n.Error("N702", diag.Text{EN: "a secret is written here in plain", ZH: "这里直接写了密钥"},
			diag.Text{EN: "write \"${env:NAME}\" or \"${file:/path}\" and change the secret", ZH: "改写成 \"${env:NAME}\" 或 \"${file:/path}\"，并更换密钥"})
		return nil
	}
	secret, err := newSecret(resolve)
	if err != nil && !r.needs(path) {
		resolve = func() (string, error) { return "", nil }
		secret, err = newSecret(resolve)
	}
	if err != nil {
		unreadable(n, s, err)
		return nil
	}
	return secret
}

// login is what stands before the host of an address, up to the last @: a password may hold one.
var login = regexp.MustCompile("://[^\\s`]*@")

// withoutLogin gives a text in which no address has a login.
func withoutLogin(s string) string { return login.ReplaceAllString(s, "://"+masked+"@") }

// findings gives what was found in all documents. A finding shows its source line: not where that holds a secret, or an address with a
// login, whatever the finding is about.
func (r *reader) findings() (out diag.List) {
	for _, doc := range r.docs {
		for _, d := range doc.Findings() {
			if d.Code == "N114" && !doc.Whole() { // what is missing may stand where nobody could read it
				continue
			}
			if r.exposed[d.Line] || login.MatchString(d.Source()) {
				d = d.WithoutSource()
			}
			for _, t := range []*string{&d.Message.EN, &d.Message.ZH, &d.Hint.EN, &d.Hint.ZH, &d.Note.EN, &d.Note.ZH, &d.Fix} {
				*t = withoutLogin(*t)
			}
			out = append(out, d)
		}
	}
	return out
}

// loggedIn reports an address with a login: neither the text nor its lines are shown. Such an address would stand in logs and in what
// commands show.
func (r *reader) loggedIn(path string, n *diag.Node, of, instead diag.Text) {
	r.exposed[n.Line] = true
	for _, it := range r.place(path).List() {
		r.exposed[it.Line] = true
	}
	n.Error("N702", diag.Text{EN: "a password is written in the address of " + of.EN, ZH: of.ZH + "地址里写了密码"},
		diag.Text{EN: "leave it out of the address, " + instead.EN + " and change the password", ZH: "从地址里去掉，" + instead.ZH + "，并更换密码"})
}

// strays reports overrides that no path answers to: flags are errors of the program, variables are likely typing
// mistakes, but may belong to something else.
func (r *reader) strays() (out diag.List) {
	names := map[string]bool{}
	var all []string
	for path := range r.known {
		names[variable(path)] = true
		all = append(all, variable(path))
	}
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		if strings.HasPrefix(name, "NOTIFIER_") && !names[name] {
			hint, fix := diag.DidYouMean(name, all)
			out = append(out, diag.Diagnostic{Code: "N101", Severity: diag.Warning, File: "env " + name, Hint: hint, Fix: fix,
				Message: diag.Text{EN: "no setting has the variable `" + name + "`", ZH: "没有对应环境变量 `" + name + "` 的设置"}})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(r.flags)) {
		if !r.known[path] {
			hint, fix := diag.DidYouMean(path, slices.Collect(maps.Keys(r.known)))
			out = append(out, diag.Diagnostic{Code: "N101", Severity: diag.Error, File: "flag", Hint: hint, Fix: fix,
				Message: diag.Text{EN: "unknown setting `" + path + "`", ZH: "没有 `" + path + "` 这个配置项"}})
		}
	}
	return out
}
