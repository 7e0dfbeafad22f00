//go:build !race

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unit reads a systemd unit: section/key to values.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	section := ""
	for line := range strings.Lines(string(read(t, "deploy/systemd/notifier.service"))) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case ok:
			out[section+"/"+key] = append(out[section+"/"+key], value)
		default:
			t.Fatalf("a line that is none of a unit: %q", line)
		}
	}
	return out
}

// goreleaser is the part of .goreleaser.yaml that must agree with other files.
type goreleaser struct {
	Version     int
	ProjectName string `yaml:"project_name"`
	Before      struct{ Hooks []string }
	Builds      []struct {
		ID, Main, Binary         string
		Env, Goos, Goarch, Flags []string
		Ldflags                  []string
		ModTimestamp             string `yaml:"mod_timestamp"`
	}
	Archives []struct {
		ID         string
		Formats    []string
		BuildsInfo map[string]string `yaml:"builds_info"`
		Files      []any
	}
	NFPMs []struct {
		ID, Description, Maintainer, License string
		PackageName                          string `yaml:"package_name"`
		Formats                              []string
		Scripts                              map[string]string
		Contents                             []struct {
			Src, Dst, Type string
			FileInfo       struct{ Mode int } `yaml:"file_info"`
		}
	} `yaml:"nfpms"`
	Checksum map[string]string
	Signs    []struct {
		ID, Artifacts, Cmd, Signature string
		Args, Env                     []string
	}
	SBOMs []struct {
		ID, Artifacts string
		Args          []string
	} `yaml:"sboms"`
	Release   map[string]bool
	Changelog map[string]bool
}

func release(t *testing.T) (g goreleaser) {
	t.Helper()
	strict(t, read(t, ".goreleaser.yaml"), &g)
	return g
}

// installed is what the packages put on a machine: where, and from what file of the repository. Of a pattern dst is the folder.
func installed(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, c := range release(t).NFPMs[0].Contents {
		if !strings.Contains(c.Src, "*") {
			out[c.Dst] = c.Src
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, c.Src))
		if err != nil || len(found) == 0 {
			t.Errorf(".goreleaser.yaml packs %s, which is not there", c.Src)
		}
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
				out[filepath.Join(c.Dst, filepath.Base(f))] = filepath.Join(filepath.Dir(c.Src), filepath.Base(f))
			}
		}
	}
	return out
}

func TestTheUnitFits(t *testing.T) {
	u := unit(t)
	one := func(key string) string {
		if len(u[key]) != 1 {
			t.Errorf("%s is %v", key, u[key])
			return ""
		}
		return u[key][0]
	}
	if one("Service/Type") != "notify" || one("Service/ExecReload") != "/bin/kill -HUP $MAINPID" || seconds(t, one("Service/TimeoutStopSec")+"s") <= drain(t) {
		t.Errorf("Type %v, ExecReload %v, TimeoutStopSec %v", u["Service/Type"], u["Service/ExecReload"], u["Service/TimeoutStopSec"])
	}
	installed := installed(t)
	start := strings.Fields(one("Service/ExecStart"))
	if start[0] != "/usr/bin/notifier" || installed[start[len(start)-1]] != "notifier.example.yaml" {
		t.Errorf("ExecStart %v, packages install %v", start, installed)
	}
	if pre := u["Service/ExecStartPre"]; len(pre) > 0 || one("Service/RestartPreventExitStatus") != "2 3" {
		t.Errorf("RestartPreventExitStatus=%v does not hold for ExecStartPre=%v: wrong settings would be tried for ever", u["Service/RestartPreventExitStatus"], pre)
	}
	if out, code := ran(t, nil, append(slices.Clone(start[1:len(start)-1]), filepath.Join(t.TempDir(), "none.yaml"))...); code != 2 && code != 3 {
		t.Errorf("without settings it exits with %d, which systemd tries again\n%s", code, out)
	}
	if doc := strings.TrimPrefix(one("Unit/Documentation"), "file:"); installed[doc] == "" {
		t.Errorf("no package installs %s", doc)
	}
	if !strings.Contains(string(read(t, "deploy/systemd/sysusers.conf")), "u "+one("Service/User")+" ") {
		t.Errorf("nobody makes the user %s", one("Service/User"))
	}
	memoryFits(t, "notifier.service", strings.TrimPrefix(one("Service/Environment"), "GOMEMLIMIT="), strings.ReplaceAll(one("Service/MemoryMax"), "1G", "1024Mi"))
	for _, key := range []string{"NotifyAccess=main", "KillSignal=SIGTERM", "KillMode=mixed", "Restart=on-failure",
		"NoNewPrivileges=true", "CapabilityBoundingSet=", "AmbientCapabilities=", "PrivateUsers=true", "UMask=0077", "RestrictSUIDSGID=true", "RemoveIPC=true",
		"ProtectSystem=strict", "ProtectHome=true", "PrivateTmp=true", "PrivateDevices=true", "ProtectProc=invisible", "ProcSubset=pid",
		"ProtectHostname=true", "ProtectClock=true", "ProtectKernelTunables=true", "ProtectKernelModules=true", "ProtectKernelLogs=true", "ProtectControlGroups=true",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=true", "RestrictRealtime=true", "LockPersonality=true", "MemoryDenyWriteExecute=true",
		"SystemCallArchitectures=native", "SystemCallErrorNumber=EPERM"} {
		name, want, _ := strings.Cut(key, "=")
		if one("Service/"+name) != want {
			t.Errorf("%s is %v, want %q", name, u["Service/"+name], want)
		}
	}
	if calls := u["Service/SystemCallFilter"]; !slices.Equal(calls, []string{"@system-service", "~@privileged @resources"}) {
		t.Errorf("SystemCallFilter is %q", calls)
	}
	for _, key := range []string{"ReadWritePaths", "StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory"} {
		if paths := u["Service/"+key]; len(paths) > 0 {
			t.Errorf("%s=%v: nothing is written", key, paths)
		}
	}
	if out, code := ran(t, nil, append(slices.Clone(start[1:]), "--help")...); code != 0 {
		t.Errorf("notifier %v: exit %d\n%s", start[1:], code, out)
	}
	verify(t)
}

// verify lets systemd itself judge the unit, where there is one.
func verify(t *testing.T) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd-analyze here: the unit was read by this test only")
		return
	}
	text := strings.ReplaceAll(string(read(t, "deploy/systemd/notifier.service")), "/usr/bin/notifier", program)
	path := filepath.Join(t.TempDir(), "notifier.service")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	// It also names what is wrong with units of this machine; ours must not be among it.
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "notifier.service") {
			t.Errorf("systemd-analyze verify: %s (%v)", line, err)
		}
	}
}

// Who builds a tag has the bytes of the release: the flags are those of deploy/build.sh. What is packed is there.
func TestTheReleaseFits(t *testing.T) {
	g := release(t)
	b := g.Builds[0]
	build := string(read(t, "deploy/build.sh"))
	for _, f := range append(slices.Clone(b.Flags), b.Env...) {
		if !strings.Contains(build, f) {
			t.Errorf("deploy/build.sh does not say %s", f)
		}
	}
	flags := strings.NewReplacer("{{ .Tag }}", "$VERSION", "{{ .FullCommit }}", "$REVISION", "github.com/notifier/notifier/internal/app", "$app").Replace(b.Ldflags[0])
	if !strings.Contains(build, `-ldflags "`+flags+`"`) {
		t.Errorf("deploy/build.sh has other ldflags than %s", flags)
	}
	for _, want := range []string{"-trimpath", "-buildvcs=false"} {
		if !slices.Contains(b.Flags, want) {
			t.Errorf("no %s", want)
		}
	}
	if len(g.SBOMs) == 0 || g.Checksum["algorithm"] != "sha256" {
		t.Errorf("checksum %v, sboms %v", g.Checksum, g.SBOMs)
	}
	for _, h := range g.Before.Hooks {
		if m := regexp.MustCompile(`^bash (\S+)`).FindStringSubmatch(h); m != nil {
			exists(t, ".goreleaser.yaml", m[1])
		}
	}
	made := completions(t)
	var all []string // that are packed
	packed := func(src string) {
		t.Helper()
		if name, ok := strings.CutPrefix(src, "dist-completions/"); ok {
			if !slices.Contains(made, name) {
				t.Errorf("deploy/completions.sh makes no %s, only %v", name, made)
			}
			return
		}
		found, err := filepath.Glob(filepath.Join(root, src))
		if err != nil || len(found) == 0 {
			t.Errorf(".goreleaser.yaml packs %s, which is not there", src)
		}
		all = append(all, found...)
	}
	for _, f := range g.Archives[0].Files {
		switch f := f.(type) {
		case string:
			packed(f)
		case map[string]any:
			packed(f["src"].(string))
		}
	}
	linked(t, all)
	for _, f := range all {
		if name := filepath.Base(f); name == "compose.yaml" || name == "Dockerfile" {
			t.Errorf("the archive has %s, and not the sources that it builds of", f)
		}
	}
	for _, c := range g.NFPMs[0].Contents {
		packed(c.Src)
	}
	const docs = "/usr/share/doc/notifier/"
	var pages []string
	for dst, src := range installed(t) {
		if name, ok := strings.CutPrefix(dst, docs); ok {
			if name != src { // else links lead elsewhere
				t.Errorf("the packages have %s as %s", src, dst)
			}
			pages = append(pages, filepath.Join(root, src))
		}
	}
	linked(t, pages)
	for _, b := range g.SBOMs {
		if i := slices.Index(b.Args, "--source-version"); i < 0 || i+1 == len(b.Args) || b.Args[i+1] != "{{ .Tag }}" {
			t.Errorf("the SBOM of each of %s names no version: %v", b.Artifacts, b.Args)
		}
	}
	users := ""
	for _, c := range g.NFPMs[0].Contents {
		if dir, name := filepath.Split(c.Dst); dir == "/usr/lib/sysusers.d/" {
			users = name
		}
	}
	script := g.NFPMs[0].Scripts["postinstall"]
	if made := postinstalled(t, script); made != "systemd-sysusers "+users+"\n" {
		t.Errorf("%s made %q; the unit's user is in %q, and a package that only puts files there has none", script, made, users)
	}
}

// linked holds that what the pages of an archive lead to is in it.
func linked(t *testing.T, files []string) {
	t.Helper()
	link := regexp.MustCompile(`\]\(([^)#:]+)[#)]`) // not those with a scheme
	links := 0
	for _, page := range files {
		if filepath.Ext(page) != ".md" {
			continue
		}
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			links++
			to := filepath.Join(filepath.Dir(page), m[1])
			if !slices.ContainsFunc(files, func(f string) bool { return f == to || strings.HasPrefix(f, to+"/") }) {
				t.Errorf("%s leads to %s, which is not packed", page, m[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links", links)
	}
}

// postinstalled runs a package's script where systemd has not booted, and gives what it asked of systemd.
func postinstalled(t *testing.T, script string) (asked string) {
	t.Helper()
	exists(t, ".goreleaser.yaml", script)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	for _, name := range []string{"systemd-sysusers", "systemctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n[ "+name+" = systemctl ] || echo "+name+" \"$@\" >>"+log+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	output(t, "sh", filepath.Join(root, script))
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// completions makes the shells' completions as a release does, and gives the files' names.
func completions(t *testing.T) (names []string) {
	t.Helper()
	dir := t.TempDir()
	output(t, "bash", filepath.Join(root, "deploy/completions.sh"), program, dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	output(t, "bash", "-n", filepath.Join(dir, "notifier"))
	for name, begins := range map[string]string{"notifier": "# bash completion", "_notifier": "#compdef notifier", "notifier.fish": "# fish completion for notifier"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(b), begins) {
			t.Errorf("%s: %.40q %v", name, b, err)
		}
	}
	return names
}

// A release is signed as .goreleaser.yaml says, with a key that deploy/release-signers names or not at all, and what the page of installing
// has its readers type finds any change.
func TestAReleaseIsSignedAndVerified(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Fatal("no ssh-keygen here: it signs and verifies releases")
	}
	var verify []string
	for line := range strings.Lines(string(read(t, "docs/deploy.md"))) {
		if cmd, ok := strings.CutPrefix(line, "$ "); ok && (strings.HasPrefix(cmd, "ssh-keygen ") || strings.HasPrefix(cmd, "sha256sum ")) {
			verify = append(verify, strings.TrimSpace(cmd))
		}
	}
	sign := release(t).Signs
	if len(sign) != 1 || sign[0].Artifacts != "checksum" || sign[0].Signature != "${artifact}.sig" || len(verify) != 2 {
		t.Fatalf("signs %+v, users type %q", sign, verify)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(in, name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = filepath.Join(dir, in), append(os.Environ(), "RELEASE_KEY="+filepath.Join(dir, "key"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := do("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "key"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key, err := os.ReadFile(filepath.Join(dir, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	write("deploy/sign.sh", string(read(t, "deploy/sign.sh")))
	write("dist/notifier_linux_amd64.tar.gz", "the program")
	sum, err := do("dist", "sha256sum", "notifier_linux_amd64.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(strings.ReplaceAll(strings.Join(sign[0].Args, " "), "${artifact}", "dist/checksums.txt"))
	signers := string(read(t, "deploy/release-signers"))

	write("dist/checksums.txt", sum)
	write("deploy/release-signers", signers)
	if out, err := do("", sign[0].Cmd, args...); err == nil {
		t.Errorf("signed with a key that deploy/release-signers does not name:\n%s", out)
	}
	if err := os.Remove(filepath.Join(dir, "dist/checksums.txt.sig")); err != nil {
		t.Fatal(err)
	}
	signers += `notifier namespaces="notifier-release" ` + string(key)
	write("deploy/release-signers", signers)
	if out, err := do("", sign[0].Cmd, args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write("dist/release-signers", signers) // a reader has it beside the files
	verified := func() error {
		for _, v := range verify {
			if _, err := do("dist", "sh", "-c", v); err != nil {
				return err
			}
		}
		return nil
	}
	if err := verified(); err != nil {
		t.Errorf("a good release is refused: %v", err)
	}
	write("dist/notifier_linux_amd64.tar.gz", "another program")
	if verified() == nil {
		t.Error("another program is taken for the release's")
	}
	if sum, err = do("dist", "sha256sum", "notifier_linux_amd64.tar.gz"); err != nil {
		t.Fatal(err)
	}
	write("dist/checksums.txt", sum)
	if verified() == nil {
		t.Error("sums that nobody signed are taken for the release's")
	}
}
