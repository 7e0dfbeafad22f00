//go:build !race

package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cli gives the program's commands with the flags of their own, by the words behind notifier, as --help has them.
func cli(t *testing.T, args ...string) map[string][]string {
	t.Helper()
	help, talk, code := notifier(t, t.TempDir(), nil, append(slices.Clone(args), "--help")...)
	if code != 0 {
		t.Fatalf("notifier %v --help: exit %d\n%s", args, code, talk)
	}
	part := func(title string) string {
		_, rest, _ := strings.Cut(help, "\n"+title+":\n")
		lines, _, _ := strings.Cut(rest, "\n\n")
		return lines
	}
	out := map[string][]string{}
	subs := regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(part("Available Commands"), -1)
	for _, m := range subs {
		if m[1] != "help" {
			for name, flags := range cli(t, append(slices.Clone(args), m[1])...) {
				out[name] = flags
			}
		}
	}
	if len(args) == 0 || len(subs) > 0 && !slices.Contains([]string{"attempts", "quota"}, args[0]) { // the others do nothing by themselves
		return out
	}
	var flags []string
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`).FindAllStringSubmatch(part("Flags"), -1) {
		if m[1] != "help" {
			flags = append(flags, m[1])
		}
	}
	out[strings.Join(args, " ")] = flags
	return out
}

// The page of the command line has every command and every flag, and none that is not there.
func TestThePageOfTheCommandLineIsWhatTheProgramHas(t *testing.T) {
	want := map[string][]string{}
	for name, flags := range cli(t) {
		if shell, ok := strings.CutPrefix(name, "completion "); ok { // one row for all shells
			for _, p := range bilingual("docs/cli.md") {
				if !strings.Contains(text(t, p), "`"+shell+"`") {
					t.Errorf("%s does not name the shell %s", p, shell)
				}
			}
			name = "completion"
		}
		slices.Sort(flags)
		want[name] = flags
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z -]+)` \\|.*\\|([^|]*)\\|$")
	flag := regexp.MustCompile("`--([a-z-]+)`")
	for _, p := range bilingual("docs/cli.md") {
		have := map[string][]string{}
		for _, m := range row.FindAllStringSubmatch(text(t, p), -1) {
			var flags []string
			for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
				flags = append(flags, f[1])
			}
			slices.Sort(flags)
			have[m[1]] = flags
		}
		if d := cmp.Diff(want, have); d != "" {
			t.Errorf("%s (-program +page):\n%s", p, d)
		}
		codes := []string{"0"}
		for _, m := range regexp.MustCompile(`(?m)^\texit\w+ += (\d+)$`).FindAllStringSubmatch(text(t, "cmd/notifier/exit.go"), -1) {
			codes = append(codes, strings.Replace(m[1], "143", "130, 143", 1))
		}
		for _, c := range codes {
			if !strings.Contains(text(t, p), fmt.Sprintf("\n| %s | ", c)) {
				t.Errorf("%s does not say what exit code %s means", p, c)
			}
		}
		if len(codes) != 9 {
			t.Errorf("the program ends with the codes %v", codes)
		}
	}
}
