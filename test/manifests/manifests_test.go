// Package manifests renders deploy/kubernetes as `kubectl apply -k` does, and holds what comes of it to the API: testdata/schema.json, which
// tools/kubeschema makes of the API's own types. It is a module of its own because nothing else needs kustomize:
// `GOWORK=off go -C test/manifests test ./...`. What the manifests say, test/deploy judges.
package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const folder = "../../deploy/kubernetes"

// object is what of a rendered object is looked at here.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Data       map[string]string
	Spec       struct {
		Template struct {
			Spec struct {
				Containers []struct{ Image string }
				Volumes    []struct {
					Name      string
					ConfigMap struct{ Name string }
				}
			}
		}
	}
}

// kinds gives the schema of each kind that a manifest may be of, by apiVersion and kind.
func kinds() (map[string]*jsonschema.Schema, error) {
	b, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, err
	}
	root, err := c.Compile("schema.json")
	if err != nil {
		return nil, err
	}
	return root.Properties, nil
}

// render gives the objects that kubectl would apply. A field that the API does not have, or of another type, is an error, and so is a volume
// of a ConfigMap that is not among them under the name that rendering gave it.
func render(dir string) (objects []object, err error) {
	schemas, err := kinds()
	if err != nil {
		return nil, err
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	maps := map[string]bool{}
	for _, r := range rendered.Resources() {
		kind := r.GetApiVersion() + " " + r.GetKind()
		schema := schemas[kind]
		if schema == nil {
			return nil, fmt.Errorf("%s %s is of no kind that the schema has", kind, r.GetName())
		}
		text, err := r.MarshalJSON()
		if err != nil {
			return nil, err
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if err := schema.Validate(value); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, r.GetName(), err)
		}
		var o object
		if err := json.Unmarshal(text, &o); err != nil {
			return nil, err
		}
		if o.Kind == "ConfigMap" {
			maps[o.Metadata.Name] = len(o.Data) > 0
		}
		objects = append(objects, o)
	}
	for _, o := range objects {
		for _, v := range o.Spec.Template.Spec.Volumes {
			if v.ConfigMap.Name != "" && !maps[v.ConfigMap.Name] {
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
	seen := map[string]int{}
	for _, o := range objects {
		seen[o.APIVersion+" "+o.Kind]++
		if o.Metadata.Namespace != "notifier" {
			t.Errorf("%s %s is in namespace %q", o.Kind, o.Metadata.Name, o.Metadata.Namespace)
		}
		switch o.Kind {
		case "StatefulSet":
			if image := o.Spec.Template.Spec.Containers[0].Image; image != "notifier:dev" {
				t.Errorf("the image is %s", image)
			}
		case "ConfigMap":
			if o.Metadata.Name != "notifier-rules" && !strings.HasPrefix(o.Metadata.Name, "notifier-settings-") {
				t.Errorf("ConfigMap %s: the rules' must keep its name, the settings' must have a hash", o.Metadata.Name)
			}
		}
	}
	schemas, err := kinds()
	if err != nil || len(schemas) < 6 {
		t.Fatalf("%d kinds: %v", len(schemas), err)
	}
	for kind := range schemas {
		if seen[kind] == 0 {
			t.Errorf("nothing is a %s", kind)
		}
	}
	if seen["v1 ConfigMap"] != 2 {
		t.Errorf("%v", seen)
	}
}

// Mistakes that YAML alone does not show are found.
func TestMistakesAreFound(t *testing.T) {
	for _, m := range []struct {
		file, from, to string
		want           []string
	}{
		{"statefulset.yaml", "serviceName: notifier", "servicename: notifier", []string{"at '/spec'", "'servicename' not allowed"}},
		{"statefulset.yaml", "replicas: 2", `replicas: "two"`, []string{"at '/spec/replicas'", "got string, want integer"}},
		{"statefulset.yaml", "periodSeconds: 2", "periodSeconds: 2.5", []string{"startupProbe/periodSeconds'", "got number, want integer"}},
		{"statefulset.yaml", "runAsNonRoot: true", "runAsNonroot: true", []string{"securityContext'", "'runAsNonroot' not allowed"}},
		{"statefulset.yaml", "configMap: {name: notifier-settings}", "configMap: {name: settings}", []string{"volume settings is of ConfigMap settings"}},
		{"podmonitor.yaml", "targetLabel: job", "target_label: job", []string{"at '/spec/podMetricsEndpoints/0/relabelings/0'", "'target_label' not allowed"}},
		{"networkpolicy.yaml", "{port: 8088}", "{number: 8088}", []string{"at '/spec/ingress/0/ports/0'", "'number' not allowed"}},
		{"disruption.yaml", "maxUnavailable: 1", "maxUnavailable: true", []string{"at '/spec/maxUnavailable'", "got boolean"}},
		{"service.yaml", "kind: Service", "kind: Ingress", []string{"no kind that the schema has"}},
		{"kustomization.yaml", "  - service.yaml\n", "  - services.yaml\n", []string{"render"}},
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
		_, err = render(dir)
		for _, want := range m.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s with %q: %v, want %q", m.file, m.to, err, want)
			}
		}
	}
}
