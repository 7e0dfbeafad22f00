// Package manifests renders deploy/kubernetes as `kubectl apply -k` does, and reads what comes of it into the API's own types. It is a module
// of its own because nothing else needs those: `GOWORK=off go -C test/manifests test ./...`. What the manifests say, test/deploy judges.
package manifests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const folder = "../../deploy/kubernetes"

// types are the kinds that the manifests may be of.
var types = map[string]func() metav1.Object{
	"apps/v1 StatefulSet":                 func() metav1.Object { return &appsv1.StatefulSet{} },
	"v1 Service":                          func() metav1.Object { return &corev1.Service{} },
	"v1 ConfigMap":                        func() metav1.Object { return &corev1.ConfigMap{} },
	"policy/v1 PodDisruptionBudget":       func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"networking.k8s.io/v1 NetworkPolicy":  func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"monitoring.coreos.com/v1 PodMonitor": func() metav1.Object { return &monitoringv1.PodMonitor{} },
}

// render gives the objects that kubectl would apply. A field that the API does not have, or of another type, is an error, and so is a volume
// of a ConfigMap that is not among them under the name that rendering gave it.
func render(dir string) (objects []metav1.Object, err error) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	maps := map[string]bool{}
	for _, r := range rendered.Resources() {
		kind := r.GetApiVersion() + " " + r.GetKind()
		made := types[kind]
		if made == nil {
			return nil, fmt.Errorf("%s %s is of no type that this test knows", kind, r.GetName())
		}
		text, err := r.MarshalJSON()
		if err != nil {
			return nil, err
		}
		o := made()
		strict, err := json.UnmarshalStrict(text, o) // the API server's own: unlike encoding/json it tells capital letters apart
		if err := errors.Join(append(strict, err)...); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, r.GetName(), err)
		}
		if m, ok := o.(*corev1.ConfigMap); ok {
			maps[m.Name] = len(m.Data) > 0
		}
		objects = append(objects, o)
	}
	for _, o := range objects {
		set, ok := o.(*appsv1.StatefulSet)
		if !ok {
			continue
		}
		for _, v := range set.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil && !maps[v.ConfigMap.Name] {
				err = errors.Join(err, fmt.Errorf("volume %s is of ConfigMap %s, which is empty or not among %v", v.Name, v.ConfigMap.Name, maps))
			}
		}
	}
	return objects, err
}

// What would be applied is what the API knows: each kind is there, in the namespace, with the image of the kustomization.
func TestTheManifestsAreTheAPIs(t *testing.T) {
	objects, err := render(folder)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, o := range objects {
		kinds[fmt.Sprintf("%T", o)]++
		if o.GetNamespace() != "notifier" {
			t.Errorf("%T %s is in namespace %q", o, o.GetName(), o.GetNamespace())
		}
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			if image := o.Spec.Template.Spec.Containers[0].Image; image != "notifier:dev" {
				t.Errorf("the image is %s", image)
			}
		case *corev1.ConfigMap:
			if o.Name != "notifier-rules" && !strings.HasPrefix(o.Name, "notifier-settings-") {
				t.Errorf("ConfigMap %s: the rules' must keep its name, the settings' must have a hash", o.Name)
			}
		}
	}
	for _, made := range types {
		if kind := fmt.Sprintf("%T", made()); kinds[kind] == 0 {
			t.Errorf("nothing is a %s", kind)
		}
	}
	if kinds["*v1.ConfigMap"] != 2 {
		t.Errorf("%v", kinds)
	}
}

// Mistakes that YAML alone does not show are found.
func TestMistakesAreFound(t *testing.T) {
	for _, m := range []struct{ file, from, to, want string }{
		{"statefulset.yaml", "serviceName: notifier", "servicename: notifier", `unknown field "spec.servicename"`},
		{"statefulset.yaml", "replicas: 2", `replicas: "two"`, "cannot unmarshal string"},
		{"statefulset.yaml", "configMap: {name: notifier-settings}", "configMap: {name: settings}", "volume settings is of ConfigMap settings"},
		{"podmonitor.yaml", "targetLabel: job", "target_label: job", `unknown field "spec.podMetricsEndpoints[0].relabelings[0].target_label"`},
		{"networkpolicy.yaml", "{port: 8088}", "{number: 8088}", `unknown field "spec.ingress[0].ports[0].number"`},
		{"kustomization.yaml", "  - service.yaml\n", "  - services.yaml\n", "render"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, m.file)
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), m.from) {
			t.Fatalf("%s has no %q any more (%v)", m.file, m.from, err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(b), m.from, m.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := render(dir); err == nil || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%s with %q: %v, want %q", m.file, m.to, err, m.want)
		}
	}
}
