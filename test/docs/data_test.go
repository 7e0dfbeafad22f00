//go:build !race

package docs

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/rongcloud"
)

// leaves gives the fields, two levels deep, of all requests that a vendor's package can make: its golden requests hold each of them, with
// every field that the types have.
func leaves(t *testing.T, vendor string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "testdata", vendor, "golden", "*.http"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d golden requests of %s: %v", len(files), vendor, err)
	}
	set := map[string]bool{}
	var walk func(x any, path string, depth int)
	walk = func(x any, path string, depth int) {
		switch x := x.(type) {
		case map[string]any:
			if depth < 2 && len(x) > 0 {
				for k, v := range x {
					walk(v, strings.TrimPrefix(path+"."+k, "."), depth+1)
				}
				return
			}
		case []any:
			if depth < 2 && len(x) > 0 {
				if _, objects := x[0].(map[string]any); objects {
					for _, v := range x {
						walk(v, path, depth)
					}
					return
				}
			}
		}
		set[path] = true
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(b), "\n\n")
		switch body = strings.TrimSpace(body); {
		case body == "":
		case body[0] == '{':
			var x any
			if err := json.Unmarshal([]byte(body), &x); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			walk(x, "", 0)
		default:
			form, err := url.ParseQuery(body)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			for k := range form {
				set[k] = true
			}
		}
	}
	return sorted(set)
}

var inQuotes = regexp.MustCompile("`([^`]+)`")

// What the page says that leaves for a vendor is what leaves, field by field.
func TestFieldsThatLeaveAreThoseOnThePage(t *testing.T) {
	for page, titles := range map[string]map[string]string{"docs/data.md": {"rongcloud": "RongCloud", "getui": "Getui"}, "docs/data.zh-CN.md": {"rongcloud": "融云", "getui": "个推"}} {
		for vendor, title := range titles {
			set := map[string]bool{}
			for line := range strings.Lines(sections(text(t, page), "## ")[title]) {
				if !strings.HasPrefix(line, "| `") {
					continue
				}
				cell := strings.Split(line, "|")[1]
				for _, m := range inQuotes.FindAllStringSubmatch(cell, -1) {
					set[m[1]] = true
				}
			}
			want := map[string]bool{}
			for _, f := range leaves(t, vendor) {
				if head, _, ok := strings.Cut(f, "."); ok && set[head+".*"] {
					f = head + ".*"
				}
				if f == "values" && set["values.*"] {
					f = "values.*"
				}
				want[f] = true
			}
			if d := cmp.Diff(sorted(want), sorted(set)); d != "" {
				t.Errorf("%s, %s (-leaves +page):\n%s", page, title, d)
			}
		}
	}
}

func TestHostsAndHeadersThatAreCalledAreOnThePage(t *testing.T) {
	var hosts []string
	for _, m := range regexp.MustCompile(`"([a-z-]+)", \[\]string\{`).FindAllStringSubmatch(text(t, "internal/rongcloud/datacenter.go"), -1) {
		hs, err := rongcloud.DataCenter(m[1])
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, hs...)
	}
	hosts = append(hosts, getui.DefaultHost)
	if len(hosts) != 11 {
		t.Fatalf("%d hosts", len(hosts))
	}
	var headers []string
	for _, f := range []string{"internal/rongcloud/client.go", "internal/getui/client.go"} {
		for _, m := range regexp.MustCompile(`Header(?:\.Set\(|\[)"([A-Za-z-]+)"`).FindAllStringSubmatch(text(t, f), -1) {
			headers = append(headers, m[1])
		}
	}
	if !slices.Contains(headers, "Signature") || !slices.Contains(headers, "token") {
		t.Fatalf("headers: %v", headers)
	}
	for _, p := range bilingual("docs/data.md") {
		body := text(t, p)
		for _, h := range append(slices.Clone(headers), hosts...) {
			if h = strings.TrimPrefix(h, "https://"); !strings.Contains(body, "`"+h+"`") {
				t.Errorf("%s does not name %s", p, h)
			}
		}
	}
}
