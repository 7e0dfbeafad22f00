//go:build !race

package deploy

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// The program asks nothing of the machine: no loader, no library.
func TestTheProgramIsStatic(t *testing.T) {
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libs, err := f.ImportedLibraries()
	if err != nil || len(libs) > 0 {
		t.Errorf("it needs %v (%v)", libs, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
}

// The daemon runs where its container puts it: the file system of the image (a program, certificates, nothing else) which cannot be
// written, the rules as a ConfigMap is mounted, a user without a name, without rights, and the memory of the manifest. It evaluates, reloads
// an edit of the ConfigMap, and drains with exit code 0.
func TestTheDaemonRunsAsItsContainerDoes(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "shop.orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	image := t.TempDir()
	put := func(name string, b []byte, mode fs.FileMode) {
		t.Helper()
		path := filepath.Join(image, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	put("notifier", b, 0o755)
	settings := strings.NewReplacer("RULES", "/etc/notifier-rules", "embedded: set-by-environment", "replication: 1", "timezone:", "").Replace(string(read(t, "test/deploy/testdata/notifier.yaml")))
	put("etc/notifier/notifier.yaml", []byte(settings+"timezone: America/Sao_Paulo\n"), 0o644) // zone data must be in the program
	// A ConfigMap: files are links into ..data, which is a link to the folder of a version.
	mount := func(version string, edit func(string) string) {
		t.Helper()
		for _, f := range []string{"events.yaml", "orders.yaml"} {
			put("etc/notifier-rules/"+version+"/"+f, []byte(edit(string(read(t, "deploy/kubernetes/rules/"+f)))), 0o644)
		}
		folder := filepath.Join(image, "etc/notifier-rules")
		if err := os.Symlink(version, filepath.Join(folder, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, "..tmp"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..2026_01", func(s string) string { return s })
	for _, f := range []string{"events.yaml", "orders.yaml"} {
		if err := os.Symlink("..data/"+f, filepath.Join(image, "etc/notifier-rules", f)); err != nil {
			t.Fatal(err)
		}
	}
	// ulimit -d: more heap than the manifest's 512 MiB is refused by the system. A process that is not root cannot make the image its root:
	// it sees the same files from outside.
	prefix, script := image, `ulimit -d 524288 && exec "$0/notifier" run -c "$0/etc/notifier/notifier.yaml"`
	if os.Getuid() == 0 {
		prefix, script = "", `ulimit -d 524288 && exec chroot --userspec=65532:65532 "$0" /notifier run -c /etc/notifier/notifier.yaml`
	}
	d := &daemon{t: t, end: make(chan struct{}), cmd: exec.Command("bash", "-c", script, image)}
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "VENDOR_SECRET=not-a-secret", "GOMEMLIMIT=460MiB", "NOTIFIER_KAFKA_BROKERS=" + strings.Join(kafka.ListenAddrs(), ",")}
	if prefix != "" {
		d.cmd.Env = append(d.cmd.Env, "NOTIFIER_RULES="+prefix+"/etc/notifier-rules")
	}
	before := files(t, image)
	d.run()
	d.ready()
	if code, body := d.get("/metrics"); code != http.StatusOK || !strings.Contains(body, `notifier_rules_loaded{mode="shadow"} 1`) {
		t.Errorf("/metrics: %d, and not the one rule in shadow mode", code)
	}
	if after := files(t, image); before != after {
		t.Errorf("it wrote to its file system:\n%s\nbefore:\n%s", after, before)
	}
	mount("..2026_02", func(s string) string { return strings.Replace(s, "mode: shadow", "mode: live", 1) })
	d.until("the edit of the ConfigMap is live", func() bool {
		_, body := d.get("/metrics")
		return strings.Contains(body, `notifier_rules_loaded{mode="live"} 1`)
	})
	if who := owner(t, d.cmd.Process.Pid); who == 0 {
		t.Error("it runs as root")
	}
	if most := peak(t, d.cmd.Process.Pid); most > 512<<10 {
		t.Errorf("it took %d KiB, the manifest gives 512 MiB", most)
	}
	if code := d.drain(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// files lists what a folder holds, with sizes.
func files(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			fmt.Fprintln(&out, p, info.Mode(), info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// owner is the user that a process runs as.
func owner(t *testing.T, pid int) (uid int) {
	t.Helper()
	status(t, pid, "Uid:", &uid)
	return uid
}

// peak is the most memory that a process has had, in KiB.
func peak(t *testing.T, pid int) (kib int) {
	t.Helper()
	status(t, pid, "VmHWM:", &kib)
	return kib
}

// status reads a number of /proc/PID/status.
func status(t *testing.T, pid int, key string, n *int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), key)
	if !ok {
		t.Fatalf("no %s in\n%s", key, b)
	}
	if _, err := fmt.Sscan(rest, n); err != nil {
		t.Fatal(err)
	}
}
