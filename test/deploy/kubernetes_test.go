//go:build !race

package deploy

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

type labels = map[string]string

type podSelector struct {
	MatchLabels labels `yaml:"matchLabels"`
}

type Object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name   string
		Labels labels
	}
}

type probe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

type statefulSet struct {
	Object `yaml:",inline"`
	Spec   struct {
		Replicas            int
		ServiceName         string `yaml:"serviceName"`
		PodManagementPolicy string `yaml:"podManagementPolicy"`
		Selector            podSelector
		Template            struct {
			Metadata struct{ Labels labels }
			Spec     struct {
				Grace           int   `yaml:"terminationGracePeriodSeconds"`
				Token           *bool `yaml:"automountServiceAccountToken"`
				Links           *bool `yaml:"enableServiceLinks"`
				SecurityContext struct {
					RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
					RunAsUser      int                   `yaml:"runAsUser"`
					RunAsGroup     int                   `yaml:"runAsGroup"`
					FSGroup        int                   `yaml:"fsGroup"`
					SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
				} `yaml:"securityContext"`
				Spread []struct {
					MaxSkew           int         `yaml:"maxSkew"`
					TopologyKey       string      `yaml:"topologyKey"`
					WhenUnsatisfiable string      `yaml:"whenUnsatisfiable"`
					LabelSelector     podSelector `yaml:"labelSelector"`
				} `yaml:"topologySpreadConstraints"`
				Containers []container
				Volumes    []volume
			}
		}
	}
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct {
		Name, Value string
		ValueFrom   struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup         probe                     `yaml:"startupProbe"`
	Liveness        probe                     `yaml:"livenessProbe"`
	Readiness       probe                     `yaml:"readinessProbe"`
	Resources       map[string]map[string]any // requests, limits
	SecurityContext struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string } `yaml:"configMap"`
	Secret    struct {
		SecretName  string `yaml:"secretName"`
		DefaultMode int    `yaml:"defaultMode"`
	}
}

type kustomization struct {
	Object    `yaml:",inline"`
	Namespace string
	Images    []struct {
		Name    string
		NewName string `yaml:"newName"`
		NewTag  string `yaml:"newTag"`
	}
	Resources  []string
	ConfigMaps []struct {
		Name    string
		Files   []string
		Options struct {
			NoHash bool `yaml:"disableNameSuffixHash"`
		}
	} `yaml:"configMapGenerator"`
}

// manifest reads a file of deploy/kubernetes, strictly, and checks its kind.
func manifest(t *testing.T, file, kind string, v any) {
	t.Helper()
	b := read(t, "deploy/kubernetes/"+file)
	strict(t, b, v)
	var o Object
	if err := yaml.Unmarshal(b, &o); err != nil || o.Kind != kind {
		t.Fatalf("%s is a %q, want %s: %v", file, o.Kind, kind, err)
	}
}

// seconds reads a duration of 15s or a number of seconds.
func seconds(t *testing.T, v any) time.Duration {
	t.Helper()
	if n, ok := v.(int); ok {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(fmt.Sprint(v))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// memoryFits checks that Go's limit, like 460MiB, leaves a tenth of the container's, like 512Mi, for what is not its heap.
func memoryFits(t *testing.T, who, gomemlimit, limit string) {
	t.Helper()
	var soft, hard int
	if _, err := fmt.Sscanf(gomemlimit, "%dMiB", &soft); err != nil {
		t.Fatalf("%s: GOMEMLIMIT %q: %v", who, gomemlimit, err)
	}
	if _, err := fmt.Sscanf(limit, "%dMi", &hard); err != nil {
		t.Fatalf("%s: memory %q: %v", who, limit, err)
	}
	if soft < hard/2 || soft > hard*9/10 {
		t.Errorf("%s: GOMEMLIMIT %s for a limit of %s", who, gomemlimit, limit)
	}
}

func TestTheManifestsFit(t *testing.T) {
	var k kustomization
	manifest(t, "kustomization.yaml", "Kustomization", &k)
	var set statefulSet
	manifest(t, "statefulset.yaml", "StatefulSet", &set)
	pod := set.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatal("the pod has one container")
	}
	c := pod.Containers[0]

	for _, f := range k.Resources {
		exists(t, "kustomization.yaml", "deploy/kubernetes/"+f)
	}
	all, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/*.yaml"))
	if err != nil || len(all) != len(k.Resources)+2 { // kustomization.yaml and notifier.yaml
		t.Errorf("%d files, %d resources: one is not named in kustomization.yaml (%v)", len(all), len(k.Resources), err)
	}
	if len(k.Images) != 1 || k.Images[0].Name != c.Image {
		t.Errorf("the image %q is not among %v", c.Image, k.Images)
	}

	if set.Spec.Replicas != 2 || set.Spec.PodManagementPolicy != "Parallel" || seconds(t, pod.Grace) < drain(t)+5*time.Second {
		t.Errorf("replicas %d, policy %s, grace %d s for a drain of %s", set.Spec.Replicas, set.Spec.PodManagementPolicy, pod.Grace, drain(t))
	}
	sc, csc := pod.SecurityContext, c.SecurityContext
	if !sc.RunAsNonRoot || fmt.Sprintf("%d:%d", sc.RunAsUser, sc.RunAsGroup) != dockerfile(t)["USER"][0] || sc.SeccompProfile.Type != "RuntimeDefault" ||
		csc.Escalation == nil || *csc.Escalation || !csc.ReadOnly || !slices.Equal(csc.Capabilities.Drop, []string{"ALL"}) || pod.Token == nil || *pod.Token || pod.Links == nil || *pod.Links {
		t.Errorf("the pod may do more than it must: %+v %+v", sc, csc)
	}
	if sc.FSGroup == 0 {
		t.Error("the secret's files cannot be read without fsGroup")
	}

	// What the settings say is what the pod has.
	env := []string{"NOTIFIER_KAFKA_INSTANCE=notifier-0"}
	limit := ""
	for _, e := range c.Env {
		switch e.Name {
		case "NOTIFIER_KAFKA_INSTANCE":
			if e.ValueFrom.FieldRef.FieldPath != "metadata.name" {
				t.Errorf("kafka.instance comes of %q", e.ValueFrom.FieldRef.FieldPath)
			}
		case "GOMEMLIMIT":
			limit = e.Value
		default:
			t.Errorf("this test does not know the variable %s", e.Name)
		}
	}
	memoryFits(t, "statefulset.yaml", limit, fmt.Sprint(c.Resources["limits"]["memory"]))
	mounts := map[string]string{} // by volume
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
		if !m.ReadOnly {
			t.Errorf("%s can be written", m.MountPath)
		}
	}
	s, secrets := load(t, "deploy/kubernetes/notifier.yaml", mounts["secrets"], env)
	if s.Kafka.Instance != "notifier-0" || s.Kafka.TLS == nil || s.Kafka.SASL == nil {
		t.Errorf("Kafka: %+v", s.Kafka)
	}
	if s.Rules != mounts["rules"] || !slices.Equal(c.Args, []string{"run", "-c", mounts["settings"] + "/notifier.yaml"}) {
		t.Errorf("rules %s, args %v, mounted %v", s.Rules, c.Args, mounts)
	}
	generated := map[string][]string{}
	for _, g := range k.ConfigMaps {
		generated[g.Name] = g.Files
		for _, f := range g.Files {
			exists(t, "kustomization.yaml", "deploy/kubernetes/"+f)
		}
		if g.Options.NoHash != (g.Name == "notifier-rules") {
			t.Errorf("%s: with a hash in its name an edit restarts the pods, without it does not", g.Name)
		}
	}
	secret := ""
	for _, v := range pod.Volumes {
		switch v.Name {
		case "settings":
			if !slices.Equal(generated[v.ConfigMap.Name], []string{"notifier.yaml"}) {
				t.Errorf("settings are %v", generated[v.ConfigMap.Name])
			}
		case "rules":
			files, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/rules/*"))
			if err != nil || len(files) != len(generated[v.ConfigMap.Name]) {
				t.Errorf("rules are %v, in the folder %v: %v", generated[v.ConfigMap.Name], files, err)
			}
		case "secrets":
			if secret = v.Secret.SecretName; v.Secret.DefaultMode != 0o440 {
				t.Errorf("mode %o", v.Secret.DefaultMode)
			}
		default:
			t.Errorf("this test does not know the volume %s", v.Name)
		}
	}
	for _, name := range append(secrets, "admin") {
		if !bytes.Contains(read(t, "deploy/kubernetes/kustomization.yaml"), []byte("--from-file="+name)) {
			t.Errorf("kustomization.yaml does not say that the secret needs %s", name)
		}
	}

	// The port is the settings', in all files.
	if len(c.Ports) != 1 || c.Ports[0].ContainerPort != port(t, s.Admin.Listen) {
		t.Errorf("ports %v, admin.listen %s", c.Ports, s.Admin.Listen)
	}
	var svc struct {
		Object `yaml:",inline"`
		Spec   struct {
			ClusterIP string `yaml:"clusterIP"`
			Selector  labels
			Ports     []struct {
				Name       string
				Port       int
				TargetPort string `yaml:"targetPort"`
			}
		}
	}
	manifest(t, "service.yaml", "Service", &svc)
	if svc.Metadata.Name != set.Spec.ServiceName || svc.Spec.ClusterIP != "None" || svc.Spec.Ports[0].TargetPort != c.Ports[0].Name {
		t.Errorf("the service is %+v", svc)
	}
	var pdb struct {
		Object `yaml:",inline"`
		Spec   struct {
			MaxUnavailable int `yaml:"maxUnavailable"`
			Selector       podSelector
		}
	}
	manifest(t, "disruption.yaml", "PodDisruptionBudget", &pdb)
	var np struct {
		Object `yaml:",inline"`
		Spec   struct {
			PodSelector podSelector `yaml:"podSelector"`
			PolicyTypes []string    `yaml:"policyTypes"`
			Ingress     []struct{ Ports []struct{ Port int } }
			Egress      []struct {
				Ports []struct {
					Port     int
					Protocol string
				}
			}
		}
	}
	manifest(t, "networkpolicy.yaml", "NetworkPolicy", &np)
	if np.Spec.Ingress[0].Ports[0].Port != c.Ports[0].ContainerPort {
		t.Errorf("the policy lets in %v", np.Spec.Ingress)
	}
	out := map[int]bool{}
	for _, e := range np.Spec.Egress {
		for _, p := range e.Ports {
			out[p.Port] = true
		}
	}
	if !out[53] || !out[443] || !out[port(t, s.Kafka.Brokers[0])] {
		t.Errorf("the policy lets out %v", slices.Sorted(maps.Keys(out)))
	}
	var pm struct {
		Object `yaml:",inline"`
		Spec   struct {
			Selector  podSelector
			Endpoints []struct {
				Port, Path, Interval string
				Authorization        struct {
					Credentials struct{ Name, Key string }
				}
				Relabelings []struct {
					TargetLabel  string `yaml:"targetLabel"`
					Replacement  string
					SourceLabels []string `yaml:"sourceLabels"`
				}
			} `yaml:"podMetricsEndpoints"`
		}
	}
	manifest(t, "podmonitor.yaml", "PodMonitor", &pm)
	e := pm.Spec.Endpoints[0]
	if e.Port != c.Ports[0].Name || e.Path != "/metrics" || e.Authorization.Credentials.Name != secret || e.Authorization.Credentials.Key != "admin" ||
		e.Relabelings[0].TargetLabel != "job" || e.Relabelings[0].Replacement != "notifier" {
		t.Errorf("Prometheus reads %+v", e)
	}
	for who, sel := range map[string]labels{"statefulset": set.Spec.Selector.MatchLabels, "spread": pod.Spread[0].LabelSelector.MatchLabels, "service": svc.Spec.Selector,
		"disruption": pdb.Spec.Selector.MatchLabels, "networkpolicy": np.Spec.PodSelector.MatchLabels, "podmonitor": pm.Spec.Selector.MatchLabels} {
		if len(sel) == 0 || !maps.Equal(sel, set.Spec.Template.Metadata.Labels) {
			t.Errorf("%s selects %v, the pods have %v", who, sel, set.Spec.Template.Metadata.Labels)
		}
	}

	// The probes ask for what the daemon answers, without a token.
	d := start(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "NOTIFIER_ADMIN_TOKEN=a-token") })
	d.ready()
	for name, p := range map[string]probe{"startup": c.Startup, "liveness": c.Liveness, "readiness": c.Readiness} {
		if code, body := d.get(p.HTTPGet.Path); code != http.StatusOK || p.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("%s asks %+v: %d %s", name, p.HTTPGet, code, body)
		}
	}
	if code, _ := d.get(e.Path); code != http.StatusUnauthorized {
		t.Errorf("%s without a token: %d", e.Path, code)
	}
}

// The rules of the ConfigMap are good, proved by their tests, and in their canonical form.
func TestTheRulesOfTheConfigMapAreGood(t *testing.T) {
	folder := absolute(t, "deploy/kubernetes/rules")
	for _, args := range [][]string{{"check", "--strict", folder}, {"test", folder}, {"fmt", "--diff", folder}} {
		if out, code := ran(t, nil, args...); code != 0 {
			t.Errorf("notifier %s: exit %d\n%s", strings.Join(args, " "), code, out)
		}
	}
}
