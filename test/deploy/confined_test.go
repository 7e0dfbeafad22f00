//go:build linux && !race

package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
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

// pod is what the manifests make of a process: the image with its mounts, confined by test/deploy/jail.
type pod struct {
	t    *testing.T
	root string // the image's file system, from outside
	jail string // the program that confines
	env  []string
}

// put writes a file of the image. It gives more rights than the image does: what keeps the program from writing is the mount.
func (p *pod) put(name string, b []byte, mode fs.FileMode) {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, b, mode), os.Chmod(path, mode))
	for dir := filepath.Dir(path); len(dir) >= len(p.root); dir = filepath.Dir(dir) {
		err = errors.Join(err, os.Chmod(dir, 0o777))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// command is a command of the program in the pod. Its namespaces need no root: whoever starts it is the only user there is in them.
func (p *pod) command(args ...string) *exec.Cmd {
	const capSetGID, capSetUID, capSetPCap, capSysChroot, capSysAdmin = 6, 7, 8, 18, 21 // linux/capability.h: what the jail needs to confine
	host := struct{ user, group int }{os.Getuid(), os.Getgid()}
	root := host.user == 0
	if root {
		host.user, host.group = nobody, nobody
	}
	cmd := exec.Command(p.jail, slices.Concat([]string{p.root, strconv.Itoa(memory(p.t)), "/notifier"}, args)...)
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: nobody, HostID: host.user, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: nobody, HostID: host.group, Size: 1}},
		GidMappingsEnableSetgroups: root,
		AmbientCaps:                []uintptr{capSetGID, capSetUID, capSetPCap, capSysChroot, capSysAdmin},
	}
	return cmd
}

// nobody is the user of the image.
const nobody = 65532

// memory is the limit of the manifest, in MiB.
func memory(t *testing.T) (mib int) {
	t.Helper()
	var set statefulSet
	manifest(t, "statefulset.yaml", "StatefulSet", &set)
	limit := fmt.Sprint(set.Spec.Template.Spec.Containers[0].Resources["limits"]["memory"])
	if _, err := fmt.Sscanf(limit, "%dMi", &mib); err != nil {
		t.Fatalf("memory %s: %v", limit, err)
	}
	return mib
}

// run starts the daemon in the pod, as the manifest does.
func (p *pod) run() *daemon {
	p.t.Helper()
	d := &daemon{t: p.t, end: make(chan struct{}), cmd: p.command("run", "-c", "/etc/notifier/notifier.yaml"), token: "a-token"}
	d.run()
	return d
}

// exec is `kubectl exec`: another command in the pod.
func (p *pod) exec(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("notifier %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// rules mounts what edit makes of the manifests' rules as a ConfigMap: files are links into ..data, which is a link to the folder of a version.
func (p *pod) rules(version string, edit func(string) string) {
	p.t.Helper()
	for _, f := range []string{"events.yaml", "orders.yaml"} {
		p.put("etc/notifier-rules/"+version+"/"+f, []byte(edit(string(read(p.t, "deploy/kubernetes/rules/"+f)))), 0o644)
	}
	folder := filepath.Join(p.root, "etc/notifier-rules")
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			p.t.Fatal(err)
		}
	}
	link(version, "..tmp")
	if err := os.Rename(filepath.Join(folder, "..tmp"), filepath.Join(folder, "..data")); err != nil {
		p.t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(folder, "orders.yaml")); err != nil {
		link("..data/events.yaml", "events.yaml")
		link("..data/orders.yaml", "orders.yaml")
	}
}

// authority gives an authority's certificate and one that it signed for this machine.
func authority(t *testing.T) (ca []byte, pair tls.Certificate) {
	t.Helper()
	made := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = tmpl, key
		}
		tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	root, rootKey := made(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, key := made(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "this machine"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, root, rootKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// The daemon runs where its manifests put it, by the settings and the rules of the manifests: the image (a program, certificates, nothing
// else) as a root that cannot be written, ConfigMaps and secrets as they are mounted, a user without a name and without rights, the memory
// of the manifest, and only the system calls of the unit. Kafka wants TLS and a login, the vendor is behind TLS, both under an authority that
// is in the image alone. It evaluates, reloads an edit of the ConfigMap, sends, drains, and goes on in its next life.
func TestTheDaemonRunsAsItsManifestsSay(t *testing.T) {
	ca, pair := authority(t)
	const password = "kafka-password"
	kafka, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "shop.orders"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "notifier", password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	sbx, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sbx.Close() })
	schema.Hold(t, sbx)
	behind, err := url.Parse(sbx.Ready().Primary)
	if err != nil {
		t.Fatal(err)
	}
	vendor := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(behind))
	vendor.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	vendor.StartTLS()
	t.Cleanup(vendor.Close)

	p := &pod{t: t, root: filepath.Join(t.TempDir(), "root"), jail: filepath.Join(t.TempDir(), "jail")}
	output(t, "go", "build", "-o", p.jail, "./jail")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	p.put("notifier", b, 0o755)
	p.put("etc/ssl/certs/ca-certificates.crt", ca, 0o644)
	settings := strings.NewReplacer("data_center: beijing", fmt.Sprintf("hosts: [%q]", vendor.URL), "your-app-key", sandbox.DefaultKey).Replace(string(read(t, "deploy/kubernetes/notifier.yaml")))
	p.put("etc/notifier/notifier.yaml", []byte(settings+"timezone: America/Sao_Paulo\n"), 0o644) // zone data must be in the program
	for name, value := range map[string]string{"rongcloud": sandbox.DefaultSecret, "kafka": password, "admin": "a-token"} {
		p.put("run/secrets/notifier/"+name, []byte(value+"\n"), 0o440)
		if os.Getuid() == 0 { // fsGroup
			if err := os.Chown(filepath.Join(p.root, "run/secrets/notifier", name), 0, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.rules("..2026_01", func(s string) string { return s })
	p.env = []string{"GOMEMLIMIT=460MiB", "NOTIFIER_KAFKA_INSTANCE=notifier-0", "NOTIFIER_KAFKA_BROKERS=" + strings.Join(kafka.ListenAddrs(), ","), "NOTIFIER_KAFKA_START=earliest",
		"NOTIFIER_ADMIN_LISTEN=127.0.0.1:0", "LANG=en_US.UTF-8"}

	before := files(t, p.root)
	d := p.run()
	d.ready()
	confined(t, d.cmd.Process.Pid)
	if code, body := d.get("/metrics"); code != http.StatusOK || !strings.Contains(body, `notifier_rules_loaded{mode="shadow"} 1`) {
		t.Errorf("/metrics: %d, and not the one rule in shadow mode", code)
	}
	if after := files(t, p.root); before != after {
		t.Errorf("it wrote to its file system:\n%s\nbefore:\n%s", after, before)
	}

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.DialTLSConfig(&tls.Config{RootCAs: pool}), kgo.SASL(scram.Auth{User: "notifier", Pass: password}.AsSha512Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	order := func(id string) *kgo.Record {
		return &kgo.Record{Topic: "shop.orders", Value: fmt.Appendf(nil, `{"type":"order.paid","data":{"order_id":%q,"paid_at":%q,"user_id":"u-%s","amount_fen":81200}}`, id, time.Now().Format(time.RFC3339), id)}
	}
	var backlog []*kgo.Record
	for i := range 20_000 {
		backlog = append(backlog, order("s-"+strconv.Itoa(i)))
	}
	if err := cl.ProduceSync(context.Background(), backlog...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	d.until("all events in shadow mode have their fate", func() bool {
		_, body := d.get("/metrics")
		return strings.Contains(body, `notifier_fates_total{fate="SUPPRESSED",reason="shadow",rule="order-thanks"} 20000`)
	})
	if sent := sbx.Journal(0); len(sent) > 0 {
		t.Errorf("in shadow mode %d calls left", len(sent))
	}

	p.rules("..2026_02", func(s string) string { return strings.Replace(s, "mode: shadow", "mode: live", 1) })
	d.until("the edit of the ConfigMap is live", func() bool {
		_, body := d.get("/metrics")
		return strings.Contains(body, `notifier_rules_loaded{mode="live"} 1`)
	})
	sends := func(id string) {
		t.Helper()
		if err := cl.ProduceSync(context.Background(), order(id)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		d.until("the push of "+id, func() bool {
			return slices.ContainsFunc(sbx.Journal(0), func(e sandbox.Entry) bool { return e.Executed && strings.Contains(string(e.Body), `"u-`+id+`"`) })
		})
	}
	sends("first")
	if out := p.exec("fates", "first", "-c", "/etc/notifier/notifier.yaml"); !strings.Contains(out, "SENT") {
		t.Errorf("fates:\n%s", out)
	}
	if most := peak(t, d.cmd.Process.Pid); most > memory(t)<<10 {
		t.Errorf("it took %d KiB, the manifest gives %d MiB", most, memory(t))
	}
	if code := d.drain(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	d = p.run()
	d.ready()
	sends("second")
	if code := d.drain(); code != 0 {
		t.Errorf("exit code %d of the second life", code)
	}
	if out := p.exec("fates", "-c", "/etc/notifier/notifier.yaml"); !strings.Contains(out, "20002 with intents; 20002 intents = 20002 fates + 0 pending") {
		t.Errorf("fates:\n%s", out[max(0, len(out)-500):])
	}
}

// confined fails unless a process is what the manifests promise: not root, without rights and with no way to get any, with refused system
// calls and limited memory, in a root that is mounted read-only.
func confined(t *testing.T, pid int) {
	t.Helper()
	said := string(proc(t, pid, "status"))
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(said, want+"\n") {
			t.Errorf("/proc/PID/status has no %q", want)
		}
	}
	if os.Getuid() == 0 && !strings.Contains(said, "Uid:\t65532\t65532\t65532\t65532\n") || strings.Contains(said, "Uid:\t0\t") {
		t.Errorf("it runs as another user: %s", said)
	}
	mounts := strings.Split(strings.TrimSpace(string(proc(t, pid, "mountinfo"))), "\n")
	for _, m := range mounts {
		if f := strings.Fields(m); len(f) < 6 || !slices.Contains(strings.Split(f[5], ","), "ro") {
			t.Errorf("it sees a mount that can be written: %s", m)
		}
	}
	if limits := string(proc(t, pid, "limits")); !regexp.MustCompile(fmt.Sprintf(`(?m)^Max data size +%d `, memory(t)<<20)).MatchString(limits) {
		t.Errorf("its memory is not limited:\n%s", limits)
	}
}

// A program in the pod that wants to write cannot, although the files' rights let it.
func TestThePodCannotBeWritten(t *testing.T) {
	p := &pod{t: t, root: filepath.Join(t.TempDir(), "root"), jail: filepath.Join(t.TempDir(), "jail")}
	output(t, "go", "build", "-o", p.jail, "./jail")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	p.put("notifier", b, 0o755)
	p.put("data/rules.yaml", []byte("rules: []\nversion: 1\n"), 0o666) // not in its canonical form
	out, err := p.command("completion", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("in the pod no command runs: %v\n%s", err, out)
	}
	out, err = p.command("fmt", "/data").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "read-only file system") {
		t.Errorf("it wrote: %v\n%s", err, out)
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

// peak is the most memory that a process has had, in KiB.
func peak(t *testing.T, pid int) (kib int) {
	t.Helper()
	_, rest, ok := strings.Cut(string(proc(t, pid, "status")), "VmHWM:")
	if !ok {
		t.Fatal("/proc/PID/status has no VmHWM")
	}
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// proc reads a file of /proc/PID.
func proc(t *testing.T, pid int, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
