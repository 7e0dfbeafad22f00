package ruletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/notifier/notifier/internal/rules"
)

// Snapshots are the requests on file, of the tests that say `snapshot: true`: snapshots/RULE.json beside the rule's file has them by the
// test's name. They are what leaves, so a change of them in a review is a change of what users get.
type Snapshots struct {
	Update bool
	files  map[string]*snapshotFile // by path
}

type snapshotFile struct {
	have map[string]json.RawMessage
	want map[string]json.RawMessage // what the tests of this run made
	err  error
}

// compare asks whether the requests of a test are those on file.
func (s *Snapshots) compare(r *rules.Rule, test string, requests []Request) []Diff {
	f := s.file(SnapshotPath(r))
	if f.err != nil {
		return []Diff{{Expected: "the snapshot", Got: f.err.Error()}}
	}
	got := snapshotOf(requests)
	f.want[test] = got
	have := f.have[test]
	switch {
	case s.Update || bytes.Equal(compact(have), compact(got)):
		return nil
	case have == nil:
		return []Diff{{Expected: "the snapshot", Got: "there is none yet: `notifier test --update` writes it"}}
	}
	name := filepath.ToSlash(SnapshotPath(r))
	return []Diff{{Expected: "the snapshot in " + name, Got: "other requests; if they are meant: `notifier test --update`", Lines: lineDiff(indented(have), indented(got))}}
}

func indented(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", " ") != nil {
		return string(b)
	}
	return out.String()
}

// lineDiff gives the lines that differ, "-" of have and "+" of got, each run with a line of what is around it.
func lineDiff(have, got string) string {
	a, b := strings.Split(strings.TrimSpace(have), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	if len(a)*len(b) > maxDiff { // the table below would be large, and nobody would read it
		return fmt.Sprintf("- %d lines\n+ %d lines\n", len(a), len(b))
	}
	same := make([][]int, len(a)+1) // the most lines that a[i:] and b[j:] have in common
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if same[i][j] = max(same[i+1][j], same[i][j+1]); a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			}
		}
	}
	var all []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			all = append(all, "- "+a[i])
			i++
		default:
			all = append(all, "+ "+b[j])
			j++
		}
	}
	out := ""
	for i, l := range all {
		if l[0] != ' ' || i > 0 && all[i-1][0] != ' ' || i+1 < len(all) && all[i+1][0] != ' ' {
			out += l + "\n"
		}
	}
	return out
}

// maxDiff bounds the table of lineDiff: a thousand lines against a thousand.
const maxDiff = 1 << 20

// SnapshotPath is where a rule's snapshots are.
func SnapshotPath(r *rules.Rule) string {
	return filepath.Join(filepath.Dir(r.File), "snapshots", r.Name+".json")
}

func (s *Snapshots) file(path string) *snapshotFile {
	if f := s.files[path]; f != nil {
		return f
	}
	f := &snapshotFile{have: map[string]json.RawMessage{}, want: map[string]json.RawMessage{}}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &f.have)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.err = fmt.Errorf("read %s: %w", path, err)
	}
	if s.files == nil {
		s.files = map[string]*snapshotFile{}
	}
	s.files[path] = f
	return f
}

// Write puts the snapshots of this run on file and gives the paths that changed. whole says that all tests ran: what is on file of
// others is then of no test any more.
func (s *Snapshots) Write(whole bool) (changed []string, err error) {
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		f := s.files[path]
		if f.err != nil {
			continue
		}
		next := maps.Clone(f.have)
		if whole {
			clear(next)
		}
		maps.Copy(next, f.want)
		if maps.EqualFunc(next, f.have, func(a, b json.RawMessage) bool { return bytes.Equal(compact(a), compact(b)) }) {
			continue
		}
		b, err := encode(next)
		if err != nil {
			return changed, fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return changed, fmt.Errorf("write the snapshots: %w", err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return changed, fmt.Errorf("write the snapshots: %w", err)
		}
		changed = append(changed, path)
	}
	return changed, nil
}

// snapshotOf is what of requests is kept: what they are, not when.
func snapshotOf(requests []Request) json.RawMessage {
	type kept struct {
		Endpoint string          `json:"endpoint"`
		Slots    int             `json:"slots,omitempty"`
		Body     json.RawMessage `json:"body"`
	}
	all := []kept{}
	for _, r := range requests {
		all = append(all, kept{r.Endpoint, r.Slots, r.Body})
	}
	b, err := encode(all)
	if err != nil { // JSON from our own encoders
		return json.RawMessage(`"` + err.Error() + `"`)
	}
	return b
}

// encode writes JSON as people read it: indented, with & and < as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if len(b) == 0 || json.Compact(&out, b) != nil {
		return nil
	}
	return out.Bytes()
}
