package schema

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/settings"
)

// An account at Getui has other keys than one at RongCloud, and the schema knows which.
func TestAnAccountAtGetuiHasItsOwnKeys(t *testing.T) {
	all := compiled(t)
	src, err := os.ReadFile(root + "docs/first/notifier.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const good = `  second: {vendor: getui, app_id: a, app_key: k, master_secret: "${env:G}", identify: cid, allow: [everyone], services: {fast_tag: true}, quota: {push: 10, broadcast: {minute: 5, day: 20}, tags: {minute: 100, day: 9}}, tags: {delay: 5s}}` + "\n"
	if err, readable := validate(t, all, append(slices.Clone(src), good...)); err != nil || !readable {
		t.Errorf("refused: %v", err)
	}
	for _, c := range []struct{ old, new string }{{"delay: 5s", "foreign: keep"}, {`"${env:G}"`, "plain"}, {"identify: cid", "identify: phone"}, {"fast_tag: true", "push_plus: true"}, {"push: 10", "push: 0"}, {"minute: 5", "hour: 2"}} {
		if err, _ := validate(t, all, append(slices.Clone(src), strings.Replace(good, c.old, c.new, 1)...)); err == nil {
			t.Errorf("%s is accepted", c.new)
		}
	}

	var doc struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Settings, &doc); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "notifier.yaml")
	if err := os.WriteFile(name, []byte("version: 1\naccounts: {main: {vendor: getui, qqqqqqqqqqqq: 1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, list := settings.Load(name, nil, nil)
	have := knownKeys(list)
	if len(have) != 1 {
		t.Fatal(list)
	}
	if d := cmp.Diff(have[0], slices.Sorted(maps.Keys(doc.Defs["getuiAccount"].Properties))); d != "" {
		t.Errorf("(-loader +schema):\n%s", d)
	}
}
