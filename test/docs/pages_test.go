//go:build !race

package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func english(page string) bool { return !strings.HasSuffix(page, ".zh-CN.md") }

func twin(page string) string {
	if english(page) {
		return strings.TrimSuffix(page, ".md") + ".zh-CN.md"
	}
	return strings.TrimSuffix(page, ".zh-CN.md") + ".md"
}

func TestEveryPageHasItsTwin(t *testing.T) {
	all := pages(t)
	for _, p := range all {
		if p == "CHANGELOG.md" {
			continue
		}
		if !slices.Contains(all, twin(p)) {
			t.Errorf("%s: its twin %s is missing", p, twin(p))
			continue
		}
		if !strings.Contains(text(t, p), "("+path.Base(twin(p))+")") {
			t.Errorf("%s does not lead to its twin", p)
		}
	}
}

// The twins have the same shape: as many headings of each level, rows of tables, and blocks.
func TestTwinsHaveTheSameShape(t *testing.T) {
	shape := func(p string) map[string]int {
		out := map[string]int{}
		for line := range strings.SplitSeq(outside(text(t, p)), "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
				out[line[:strings.IndexByte(line, ' ')]]++
			case strings.HasPrefix(line, "|"):
				out["row"]++
			case strings.HasPrefix(line, "* "):
				out["item"]++
			case strings.HasPrefix(line, "<a id="):
				out[line]++
			}
		}
		for _, b := range blocks(t, p) {
			out["block "+b.lang]++
		}
		return out
	}
	for _, p := range pages(t) {
		if english(p) && p != "CHANGELOG.md" {
			if d := cmp.Diff(shape(p), shape(twin(p))); d != "" {
				t.Errorf("%s and its twin differ (-en +zh):\n%s", p, d)
			}
		}
	}
}

func TestReadmesHaveTheSameCommands(t *testing.T) {
	list := func(p string) (out []string) {
		for _, b := range blocks(t, p) {
			out = append(out, b.lang+"\n"+b.body)
		}
		return out
	}
	if d := cmp.Diff(list("README.md"), list("README.zh-CN.md")); d != "" {
		t.Errorf("blocks differ (-README.md +README.zh-CN.md):\n%s", d)
	}
}

// Rule files and settings in the twins are the same bytes: who reads Chinese first gets no older example.
func TestTwinsHaveTheSameYAML(t *testing.T) {
	list := func(p string) (out []string) {
		for _, b := range blocks(t, p) {
			if b.lang == "yaml" {
				out = append(out, b.body)
			}
		}
		return out
	}
	for _, p := range pages(t) {
		if english(p) && p != "CHANGELOG.md" {
			if d := cmp.Diff(list(p), list(twin(p))); d != "" {
				t.Errorf("%s (-en +zh):\n%s", p, d)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(outside(text(t, p)), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				t.Errorf("%s: %s leads out of the repository", p, m[1])
				continue
			}
			to := p
			if target != "" {
				to = path.Join(path.Dir(p), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s: there is no %s", p, m[1], to)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(text(t, to)), anchor) {
				t.Errorf("%s: %s: %s has no anchor %q", p, m[1], to, anchor)
			}
			if strings.HasSuffix(to, ".md") && to != "CHANGELOG.md" && to != "RELIABILITY.md" && to != "SECURITY.md" && to != twin(p) && english(to) != english(p) {
				t.Errorf("%s: %s leads to the other language", p, m[1])
			}
		}
	}
}

// The program names pages and anchors; they must be there.
func TestWhatTheProgramPrintsLeadsSomewhere(t *testing.T) {
	refs := found(t, `(docs/[a-z-]+\.md#[a-z-]+)`)
	if len(refs) == 0 {
		t.Fatal("the program names no page: the pattern of this test is wrong")
	}
	for _, ref := range refs {
		page, anchor, _ := strings.Cut(ref, "#")
		for _, p := range []string{page, twin(page)} {
			if !slices.Contains(anchors(text(t, p)), anchor) {
				t.Errorf("the program says %s: %s has no anchor %q", ref, p, anchor)
			}
		}
	}
}

var (
	idAnchor = regexp.MustCompile(`<a id="([^"]+)"></a>`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the explicit ones and those of the headings as GitHub makes them.
func anchors(s string) (out []string) {
	s = outside(s)
	for _, m := range idAnchor.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	for _, m := range heading.FindAllStringSubmatch(s, -1) {
		out = append(out, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}

func TestMetricsInTheDocumentsExist(t *testing.T) {
	have := found(t, `"(notifier_[a-z_]+)"`)
	name := regexp.MustCompile(`notifier_[a-z_]+`)
	for _, p := range pages(t) {
		for _, m := range name.FindAllString(text(t, p), -1) {
			if !slices.Contains(have, m) {
				t.Errorf("%s: the program has no metric %s", p, m)
			}
		}
	}
}

// A person at night copies what stands in the text: what changes something says why.
func TestOrdersInTheTextSayWhy(t *testing.T) {
	order := regexp.MustCompile("`(notifier (?:pause|resume|kill|revive) [^`\n]*)`")
	seen := 0
	for _, p := range pages(t) {
		if p == "CHANGELOG.md" { // names commands, orders nothing
			continue
		}
		for _, m := range order.FindAllStringSubmatch(text(t, p), -1) {
			seen++
			if !strings.Contains(m[1], "--why") {
				t.Errorf("%s: `%s` ends with \"--why is missing\"", p, m[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d orders found", seen)
	}
}

// In CommonMark ** does not close behind a full-width mark before a letter, and neither opens before a blank nor closes behind one: the
// reader sees the asterisks. They are taken in pairs, so that what stands between two bold texts is not taken for one.
func TestBoldTextIsBold(t *testing.T) {
	code, seen := regexp.MustCompile("`[^`\n]*`"), 0
	shut := regexp.MustCompile(`[。，：；！？）」”、]\*\*[^\s*，。：；、）!-/:-@\x60]$`)
	for _, p := range pages(t) {
		for line := range strings.Lines(outside(text(t, p))) {
			parts := strings.Split(code.ReplaceAllString(strings.TrimRight(line, "\n"), "\x60"), "**")
			if len(parts)%2 == 0 {
				t.Errorf("%s: a ** is alone: %s", p, line)
				continue
			}
			for i := 1; i < len(parts); i += 2 {
				seen++
				switch bold, next := parts[i], []rune(parts[i+1] + " ")[:1]; {
				case strings.TrimSpace(bold) != bold || bold == "":
					t.Errorf("%s: a blank within the asterisks: **%s**", p, bold)
				case shut.MatchString(bold + "**" + string(next)):
					t.Errorf("%s: a blank is missing behind **%s**", p, bold)
				}
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d bold texts found", seen)
	}
}
