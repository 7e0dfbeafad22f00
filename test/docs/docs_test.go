//go:build !race

// Package docs holds the documents true: README, CHANGELOG and docs/ are read as a user reads them, their commands are run,
// their rule files and settings are loaded, and what they list is compared with what the program has. No network beyond this
// machine, no sleeping.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the checkout, seen from this package.
const root = "../.."

// pages are all documents that users read, by path from the root: README and CHANGELOG, and docs/.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md", "README.zh-CN.md", "CHANGELOG.md"}
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages in docs/: %v", err)
	}
	for _, p := range found {
		out = append(out, "docs/"+filepath.Base(p))
	}
	return out
}

func text(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block is a fenced block with where it is.
type block struct {
	page string
	line int // of its first line of content
	lang string
	body string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// blocks gives the fenced blocks of a page, those within lists too.
func blocks(t *testing.T, page string) (out []block) {
	t.Helper()
	var open *block
	var body []string
	indent := ""
	for i, line := range strings.Split(text(t, page), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		lang, fence := strings.CutPrefix(trimmed, "```")
		switch {
		case fence && open == nil:
			open, body = &block{page: page, line: i + 2, lang: lang}, nil
			indent = line[:len(line)-len(trimmed)]
		case fence:
			open.body = strings.Join(body, "\n")
			out = append(out, *open)
			open = nil
		default:
			body = append(body, strings.TrimPrefix(line, indent))
		}
	}
	if open != nil {
		t.Fatalf("%s: a block is not closed", open)
	}
	return out
}

// sections gives the text under each heading of a level ("## ") by its title.
func sections(s, mark string) map[string]string {
	out := map[string]string{}
	name := ""
	for line := range strings.SplitSeq(s, "\n") {
		if title, ok := strings.CutPrefix(line, mark); ok {
			name = title
			out[name] = ""
		} else if strings.HasPrefix(line, "#") && strings.Index(line, " ") < len(mark) {
			name = ""
		} else if name != "" {
			out[name] += line + "\n"
		}
	}
	return out
}

// outside gives a page without its fenced blocks.
func outside(s string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(s, "")
}

// sources gives the program's Go files, tests left out, by path from the root.
func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			b, err := os.ReadFile(p)
			out[p] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// found gives all matches of a pattern's first group in the sources, sorted, each once.
func found(t *testing.T, pattern string) []string {
	t.Helper()
	set := map[string]bool{}
	re := regexp.MustCompile(pattern)
	for _, src := range sources(t) {
		for _, m := range re.FindAllStringSubmatch(src, -1) {
			set[m[1]] = true
		}
	}
	return sorted(set)
}

func sorted(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
