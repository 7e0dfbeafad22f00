package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	return kind, arg, ok && (kind == "env" || kind == "file") && arg != ""
}

var errEmpty = errors.New("it is empty")

// resolver gives the function that reads a reference; relative paths start at dir.
func resolver(kind, arg, dir string, env map[string]string) func() (string, error) {
	if kind == "env" {
		return func() (string, error) {
			v, ok := env[arg]
			if !ok {
				return "", fmt.Errorf("the environment variable %s is not set", arg)
			}
			if v == "" {
				return "", fmt.Errorf("environment variable %s: %w", arg, errEmpty)
			}
			return v, nil
		}
	}
	path := arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return func() (string, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		v := strings.TrimRight(string(raw), "\r\n")
		if v == "" {
			return "", fmt.Errorf("%s: %w", path, errEmpty)
		}
		return v, nil
	}
}
