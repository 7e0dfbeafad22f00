//go:build !race

package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// dockerfile gives the instructions of the last stage, by name.
func dockerfile(t *testing.T) map[string][]string {
	t.Helper()
	text := string(read(t, "deploy/Dockerfile"))
	stage := text[strings.LastIndex(text, "\nFROM ")+1:]
	out := map[string][]string{}
	for line := range strings.Lines(stage) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && name != "#" {
			out[name] = append(out[name], rest)
		}
	}
	return out
}

func TestTheImageHoldsTheProgramAndNothingElse(t *testing.T) {
	is := dockerfile(t)
	if from := is["FROM"]; len(from) != 1 || from[0] != "scratch" {
		t.Errorf("FROM %v", from)
	}
	if user := is["USER"]; len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("USER %v: Kubernetes knows that a user is not root only by its number", user)
	}
	want := []string{"--from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt", "--from=build /notifier /notifier"}
	if got := strings.Join(is["COPY"], "\n"); got != strings.Join(want, "\n") {
		t.Errorf("COPY\n%s", got)
	}
	if e, c := is["ENTRYPOINT"], is["CMD"]; len(e) != 1 || e[0] != `["/notifier"]` || len(c) != 1 || c[0] != `["run", "-c", "/etc/notifier/notifier.yaml"]` {
		t.Errorf("ENTRYPOINT %v CMD %v", e, c)
	}
	// No zone data is copied: it must be in the program.
	if !bytes.Contains(read(t, "cmd/notifier/main.go"), []byte(`_ "time/tzdata"`)) {
		t.Error("the program has no zone data of its own, and the image has none")
	}
	mod := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(read(t, "go.mod"))
	if !bytes.Contains(read(t, "deploy/Dockerfile"), append([]byte("FROM golang:"), append(mod[1], '.')...)) {
		t.Errorf("the image is not built with Go %s", mod[1])
	}
}

// What .dockerignore leaves is enough to build the program, without git; and the bytes are those that are built here.
func TestTheContextOfTheImageBuildsTheSameProgram(t *testing.T) {
	dir := t.TempDir()
	n := 0
	for line := range strings.Lines(string(read(t, "deploy/Dockerfile.dockerignore"))) {
		kept, ok := strings.CutPrefix(strings.TrimSpace(line), "!")
		if !ok {
			continue
		}
		n++
		from, to := filepath.Join(root, kept), filepath.Join(dir, kept)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(from); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Fatal("the context is empty")
	}
	built := filepath.Join(dir, "built")
	t.Setenv("VERSION", version)
	t.Setenv("REVISION", revision)
	output(t, "bash", filepath.Join(dir, "deploy/build.sh"), built)
	one, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Errorf("the program of the image differs: %d bytes, here %d", len(one), len(two))
	}
}

type compose struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	DependsOn   any `yaml:"depends_on"`
	Restart     string
	StopGrace   string   `yaml:"stop_grace_period"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	MemLimit    string   `yaml:"mem_limit"`
	NetworkMode string   `yaml:"network_mode"`
	Environment map[string]string
	Command     []string
	Ports       []string
	Volumes     []string
	Healthcheck map[string]any
}

// mounts gives what a service mounts of the checkout, by the place inside.
func (s service) mounts(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		if !strings.HasPrefix(parts[0], ".") { // a named volume
			continue
		}
		if len(parts) != 3 || parts[2] != "ro" {
			t.Errorf("%s: the volume %q is not read-only", name, v)
			continue
		}
		from := filepath.Join("deploy/compose", parts[0])
		exists(t, name, from)
		out[parts[1]] = from
	}
	return out
}

func TestComposeFits(t *testing.T) {
	var c compose
	strict(t, read(t, "deploy/compose/compose.yaml"), &c)
	for name, s := range c.Services {
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":") {
			t.Errorf("%s has no fixed image: %q", name, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s is open to the network: %q", name, p)
			}
		}
		s.mounts(t, name)
	}
	n := c.Services["notifier"]
	exists(t, "notifier", filepath.Join("deploy/compose", n.Build.Context, n.Build.Dockerfile))
	var env []string
	for k, v := range n.Environment {
		env = append(env, k+"="+v)
	}
	inside := n.mounts(t, "notifier")
	s, _ := load(t, inside["/etc/notifier/notifier.yaml"], "", env)
	if inside[s.Rules] != "rules" {
		t.Errorf("the settings' rules are %s, mounted is %v", s.Rules, inside)
	}
	if s.Kafka.Brokers[0] != "kafka:9092" || c.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"] != "PLAINTEXT://kafka:9092" {
		t.Errorf("Kafka is not at %v", s.Kafka.Brokers)
	}
	if !n.ReadOnly || len(n.CapDrop) != 1 || n.CapDrop[0] != "ALL" || seconds(t, n.StopGrace) <= drain(t) {
		t.Errorf("notifier: read_only %v, cap_drop %v, stop_grace_period %s", n.ReadOnly, n.CapDrop, n.StopGrace)
	}
	memoryFits(t, "compose", n.Environment["GOMEMLIMIT"], strings.TrimSuffix(n.MemLimit, "m")+"Mi")

	// The sandbox listens on loopback only: it must be in the network of the notifier, at the addresses of the settings.
	sb := c.Services["sandbox"]
	first := sb.Command[len(sb.Command)-1]
	ac := s.Accounts[0]
	if sb.Image != n.Image || sb.NetworkMode != "service:notifier" || sb.Command[0] != "sandbox" || ac.Hosts[0] != "http://"+first ||
		ac.Hosts[1] != "http://127.0.0.1:"+strconv.Itoa(port(t, first)+1) {
		t.Errorf("the sandbox is %+v, the settings look for it at %v", sb, ac.Hosts)
	}
	if ac.AppKey != "sbx-app-key-01" || ac.Secret.Reveal() != "sandbox-secret-01" {
		t.Error("the settings have another App Key or secret than the sandbox")
	}

	// Prometheus reads the daemon, with its token, and the alerts; Grafana has the dashboards and reads Prometheus.
	type prometheus struct {
		Global        map[string]string
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			Authorization struct{ Credentials string }
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var p prometheus
	mounted := c.Services["prometheus"].mounts(t, "prometheus")
	strict(t, read(t, mounted["/etc/prometheus/prometheus.yml"]), &p)
	job := p.ScrapeConfigs[0]
	if job.JobName != "notifier" || job.Authorization.Credentials != s.Admin.Token.Reveal() || job.StaticConfigs[0].Targets[0] != "notifier:"+strconv.Itoa(port(t, s.Admin.Listen)) {
		t.Errorf("Prometheus reads %+v", job)
	}
	if len(p.RuleFiles) != 1 || mounted[p.RuleFiles[0]] != "deploy/prometheus/alerts.yaml" {
		t.Errorf("Prometheus has the rules %v", p.RuleFiles)
	}
	if expose := dockerfile(t)["EXPOSE"]; len(expose) != 1 || expose[0] != strconv.Itoa(port(t, s.Admin.Listen)) {
		t.Errorf("EXPOSE %v", expose)
	}
	g := c.Services["grafana"]
	seen := g.mounts(t, "grafana")
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, Type, URL, Access string
			IsDefault               bool `yaml:"isDefault"`
		}
	}
	strict(t, read(t, seen["/etc/grafana/provisioning/datasources/datasource.yaml"]), &sources)
	if d := sources.Datasources[0]; d.URL != "http://prometheus:9090" || !d.IsDefault {
		t.Errorf("Grafana reads %+v", d)
	}
	var boards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type string
			Options    struct{ Path string }
		}
	}
	strict(t, read(t, seen["/etc/grafana/provisioning/dashboards/dashboards.yaml"]), &boards)
	folder := boards.Providers[0].Options.Path
	home, ok := strings.CutPrefix(g.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], folder+"/")
	if seen[folder] != "deploy/grafana" || !ok {
		t.Errorf("Grafana looks for dashboards in %s, mounted is %v", folder, seen)
	}
	exists(t, "grafana", "deploy/grafana/"+home)
}
