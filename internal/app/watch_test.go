package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// folder is a folder of rule files that a reloader watches.
type folder struct {
	t    *testing.T
	path string
	live *liveRules
	seen []string // the rules of each set that was live
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) write(name string, names ...string) {
	f.t.Helper()
	text := "version: 1\nrules:\n"
	for _, r := range names {
		text += reloadRule(r)
	}
	f.must(os.WriteFile(filepath.Join(f.path, name), []byte(text), 0o644))
}

// lives waits some seconds and compares what is live.
func (f *folder) lives(names, failure string) {
	f.t.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if got := listed(f.live.set()); got != names || !strings.Contains(f.live.failure(), failure) || (failure == "") != (f.live.failure() == "") {
		f.t.Errorf("%s live, want %s; failure %q, want %q", got, names, f.live.failure(), failure)
	}
}

func listed(s *rules.Set) string {
	names := ruleNames(s)
	return strings.Join(names[:len(names)-1], " ") // the last stands for all tag rules
}

// Every way in which files are changed on a real file system takes effect, and a folder that goes away for a while takes nothing away.
func TestEveryWayToChangeFilesIsSeen(t *testing.T) {
	for name, change := range map[string]func(*folder){
		"an editor writes beside and renames": func(f *folder) {
			f.write("r.yaml", "one")
			f.lives("one", "")
			f.write(".r.yaml.swp", "never")
			f.write("r.yaml~", "never")
			f.write("r.yaml.new", "one", "two")
			f.lives("one", "")
			f.must(os.Rename(filepath.Join(f.path, "r.yaml.new"), filepath.Join(f.path, "r.yaml")))
			f.lives("one two", "")
		},
		"a ConfigMap swaps its symbolic link": func(f *folder) {
			swap := func(version string, names ...string) {
				f.must(os.MkdirAll(filepath.Join(f.path, version), 0o755))
				f.write(version+"/r.yaml", names...)
				f.must(os.Symlink(version, filepath.Join(f.path, "..new")))
				f.must(os.Rename(filepath.Join(f.path, "..new"), filepath.Join(f.path, "..data")))
			}
			swap("..2026_03_01", "one")
			f.must(os.Symlink("..data/r.yaml", filepath.Join(f.path, "r.yaml")))
			f.lives("one", "")
			swap("..2026_03_02", "two", "three")
			f.must(os.RemoveAll(filepath.Join(f.path, "..2026_03_01")))
			f.lives("two three", "")
			swap("..2026_03_03", "two", "three", "two") // a name twice
			f.lives("two three", "N220")
			swap("..2026_03_04", "four")
			f.lives("four", "")
		},
		"a file is written in pieces": func(f *folder) {
			f.write("r.yaml", "one")
			f.lives("one", "")
			for _, names := range [][]string{{"two"}, {"two", "three"}, {"two", "three", "four"}} {
				f.write("r.yaml", names...)
				time.Sleep(1900 * time.Millisecond)
			}
			f.lives("two three four", "")
			if len(f.seen) != 3 { // first, one, and the whole file
				f.t.Errorf("live were %q", f.seen)
			}
		},
		"a file comes and another goes": func(f *folder) {
			f.write("a.yaml", "one")
			f.write("b.yaml", "two")
			f.lives("one two", "")
			f.must(os.Remove(filepath.Join(f.path, "a.yaml")))
			f.must(os.Mkdir(filepath.Join(f.path, "spring"), 0o755))
			f.write("spring/c.yaml", "three")
			f.lives("two three", "")
		},
		"the folder of a network is away and comes back": func(f *folder) {
			f.write("r.yaml", "one")
			f.lives("one", "")
			away := f.path + "-away"
			f.must(os.Rename(f.path, away))
			f.lives("one", "no such file")
			f.must(os.Mkdir(f.path, 0o755)) // mounted late: the folder is there and empty
			f.lives("one", "N")
			f.must(os.Remove(f.path))
			f.must(os.Rename(away, f.path))
			f.lives("one", "")
			f.write("r.yaml", "one", "two")
			f.lives("one two", "")
		},
		"the owner takes the right to read away": func(f *folder) {
			f.write("r.yaml", "one")
			f.lives("one", "")
			if os.Getuid() == 0 {
				f.must(os.Remove(filepath.Join(f.path, "r.yaml"))) // nothing is forbidden to root: a link that leads nowhere cannot be read either
				f.must(os.Symlink("nowhere", filepath.Join(f.path, "r.yaml")))
			} else {
				f.must(os.Chmod(filepath.Join(f.path, "r.yaml"), 0))
			}
			f.lives("one", "r.yaml")
			f.must(os.Remove(filepath.Join(f.path, "r.yaml")))
			f.write("r.yaml", "two")
			f.lives("two", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rules")
			synctest.Test(t, func(t *testing.T) {
				f := &folder{t: t, path: path}
				f.must(os.Mkdir(path, 0o755))
				f.must(os.WriteFile(filepath.Join(path, "events.yaml"), []byte(reloadCatalogue), 0o644))
				f.write("first.yaml", "first")
				var err error
				f.live, err = newLiveRules(Options{Settings: &settings.Settings{Rules: path, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, Log: zap.NewNop()}, prometheus.NewRegistry())
				f.must(err)
				f.live.onLoad(func(s *rules.Set) { f.seen = append(f.seen, listed(s)) })
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- f.live.watch(ctx) }()
				f.must(os.Remove(filepath.Join(path, "first.yaml")))
				change(f)
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
