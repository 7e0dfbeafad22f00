package settings

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/notifier/notifier/internal/diag"
)

// Secret is a value that never prints: every way to format or encode it gives ***.
type Secret struct {
	resolve func() (string, error)
	value   atomic.Pointer[string]
	changes atomic.Int64
}

const masked = "***"

// newSecret resolves once.
func newSecret(resolve func() (string, error)) (*Secret, error) {
	s := &Secret{resolve: resolve}
	if _, err := s.Refresh(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reveal returns the value itself.
func (s *Secret) Reveal() string {
	if s == nil {
		return ""
	}
	return *s.value.Load()
}

// Refresh reads the reference again, so that a rotated file takes effect without a restart. On an error, which
// never holds the value, the last one stays.
func (s *Secret) Refresh() (changed bool, err error) {
	v, err := s.resolve()
	if err != nil {
		return false, err
	}
	old := s.value.Swap(&v)
	if changed = old == nil || *old != v; changed {
		s.changes.Add(1)
	}
	return changed, nil
}

// Changes counts how often another value was read.
func (s *Secret) Changes() int64 {
	if s == nil {
		return 0
	}
	return s.changes.Load()
}

// Named is a secret with the path of its setting.
type Named struct {
	Path string // accounts.main.secret
	*Secret
}

// Secrets gives all secrets of the settings.
func (s *Settings) Secrets() (out []Named) {
	add := func(path string, x *Secret) {
		if x != nil {
			out = append(out, Named{path, x})
		}
	}
	if s.Kafka.SASL != nil {
		add("kafka.sasl.password", s.Kafka.SASL.Password)
	}
	add("admin.token", s.Admin.Token)
	add("tracing.authorization", s.Tracing.Authorization)
	for i := range s.Accounts {
		a := &s.Accounts[i]
		key := "secret"
		if a.Vendor == "getui" {
			key = "master_secret"
		}
		add("accounts."+a.Name+"."+key, a.Secret)
	}
	return out
}

func (s *Secret) String() string               { return masked }
func (s *Secret) GoString() string             { return masked }
func (s *Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, masked) }
func (s *Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
func (s *Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }
func (s *Secret) MarshalYAML() (any, error)    { return masked, nil }
func (s *Secret) LogValue() slog.Value         { return slog.StringValue(masked) }

// reference takes `${env:NAME}` or `${file:PATH}` apart; ok is false for any other text.
func reference(text string) (kind, arg string, ok bool) {
	body, ok := strings.CutPrefix(text, "${")
	if !ok || !strings.HasSuffix(body, "}") {
		return "", "", false
	}
	kind, arg, ok = strings.Cut(strings.TrimSuffix(body, "}"), ":")
	return kind, arg, ok && (kind == "env" || kind == "file") && arg != "" && arg == strings.TrimSpace(arg)
}

var (
	bareVariable = regexp.MustCompile(`^\$\{ *([A-Za-z_][A-Za-z0-9_]*) *\}$`)
	shellName    = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)$`)
	looseKind    = regexp.MustCompile(`^\$?[{｛] *(?i:(env|file)) *[:：] *([^{}｛｝]*[^{}｛｝ ]) *[}｝]$`)
)

// almostReference gives the reference that a text was meant to be; "" for another text, which may be a secret and is not to be shown.
func (r *reader) almostReference(s string) string {
	if m := looseKind.FindStringSubmatch(s); m != nil {
		return "${" + strings.ToLower(m[1]) + ":" + m[2] + "}"
	}
	m := bareVariable.FindStringSubmatch(s)
	if m == nil {
		if m = shellName.FindStringSubmatch(s); m != nil {
			if _, set := r.env[m[1]]; !set { // a secret may begin with a dollar sign
				return ""
			}
		}
	}
	if m == nil {
		return ""
	}
	return "${env:" + m[1] + "}"
}

// unread is why a reference gives nothing, and what helps.
type unread struct{ why, cure diag.Text }

func (u *unread) Error() string { return u.why.EN }

// unreadVariable speaks of a variable that is not set, or empty.
func unreadVariable(name, en, zh string) error {
	return &unread{diag.Text{EN: "the environment variable `" + name + "` is " + en, ZH: "环境变量 `" + name + "` " + zh},
		diag.Text{EN: "set it where the process starts, like `export " + name + "=...`", ZH: "请在启动进程的地方设置，例如 `export " + name + "=...`"}}
}

// maxSecret bounds the file of a secret: a key or a token, not a disk.
const maxSecret = 64 << 10

// resolver gives the function that reads a reference; relative paths start at dir.
func resolver(kind, arg, dir string, env map[string]string) func() (string, error) {
	if kind == "env" {
		return func() (string, error) {
			v, ok := env[arg]
			if !ok {
				return "", unreadVariable(arg, "not set", "没有设置")
			}
			if v == "" {
				return "", unreadVariable(arg, "empty", "是空的")
			}
			return v, nil
		}
	}
	path := arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return func() (string, error) {
		raw, err := diag.ReadFile(path, maxSecret)
		if err != nil {
			why := diag.Unread(err)
			return "", &unread{diag.Text{EN: "`" + path + "`: " + why.EN, ZH: "`" + path + "`：" + why.ZH},
				diag.Text{EN: "check the path, which begins at the folder of the settings, and who may read it", ZH: "请检查路径（从设置文件所在文件夹算起）和读取权限"}}
		}
		v := strings.TrimRight(string(raw), "\r\n")
		if v == "" {
			return "", &unread{diag.Text{EN: "`" + path + "` is empty", ZH: "`" + path + "` 是空的"}, diag.Text{EN: "write the value into the file", ZH: "请把值写进这个文件"}}
		}
		return v, nil
	}
}
