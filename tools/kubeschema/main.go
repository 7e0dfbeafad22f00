// Command kubeschema prints a JSON Schema of the kinds that deploy/kubernetes is made of, from the API's own types: a field that the API does
// not have, or a value of another type, is refused as the API server's strict decoding refuses it. The types take minutes to compile, so what
// this prints is kept in test/manifests/testdata, and the tests there take seconds:
//
//	GOWORK=off go -C tools/kubeschema run . >test/manifests/testdata/schema.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kinds are those that the manifests may be of, by apiVersion and kind.
var kinds = map[string]any{
	"apps/v1 StatefulSet":                 appsv1.StatefulSet{},
	"v1 Service":                          corev1.Service{},
	"v1 ConfigMap":                        corev1.ConfigMap{},
	"policy/v1 PodDisruptionBudget":       policyv1.PodDisruptionBudget{},
	"networking.k8s.io/v1 NetworkPolicy":  networkingv1.NetworkPolicy{},
	"monitoring.coreos.com/v1 PodMonitor": monitoringv1.PodMonitor{},
}

type schema = map[string]any

// written are the types that read JSON by themselves, with the forms that they take.
var written = map[reflect.Type]schema{
	reflect.TypeFor[resource.Quantity]():  {"type": []string{"string", "number"}},
	reflect.TypeFor[intstr.IntOrString](): {"type": []string{"integer", "string"}},
	reflect.TypeFor[metav1.Time]():        {"type": "string"},
	reflect.TypeFor[metav1.MicroTime]():   {"type": "string"},
	reflect.TypeFor[metav1.Duration]():    {"type": "string"},
	reflect.TypeFor[metav1.FieldsV1]():    {"type": "object"},
}

// made are the types that were met, by name.
type made map[string]schema

func (m made) of(t reflect.Type) schema {
	if s := written[t]; s != nil {
		return s
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		panic(fmt.Sprintf("%s reads JSON by itself: say which forms it takes", t))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": m.of(t.Elem())}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return schema{"type": "string"} // base64
		}
		return schema{"type": "array", "items": m.of(t.Elem())}
	case reflect.Struct:
		name := strings.ReplaceAll(strings.TrimPrefix(t.PkgPath(), "k8s.io/"), "/", ".") + "." + t.Name()
		if m[name] == nil {
			properties := schema{}
			m[name] = schema{"type": "object", "additionalProperties": false, "properties": properties} // before its fields: a type may hold itself
			m.fields(t, properties)
		}
		return schema{"$ref": "#/$defs/" + name}
	default:
		panic(fmt.Sprintf("%s is of a kind that no manifest has", t))
	}
}

func (m made) fields(t reflect.Type, properties schema) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch inline := f.Anonymous && name == "" || strings.Contains(options, "inline"); {
		case name == "-":
		case inline && f.Type.Kind() == reflect.Pointer:
			m.fields(f.Type.Elem(), properties)
		case inline:
			m.fields(f.Type, properties)
		case name == "":
			panic(fmt.Sprintf("%s.%s has no name in JSON", t, f.Name))
		default:
			properties[name] = m.of(f.Type)
		}
	}
}

func main() {
	defs := made{}
	roots := schema{}
	for kind, v := range kinds {
		roots[kind] = defs.of(reflect.TypeOf(v))
	}
	b, err := json.Marshal(schema{"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": roots, "$defs": defs})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// A type a line, so that a change shows.
	fmt.Println(strings.NewReplacer(`"$defs":{`, "\"$defs\":{\n", `"type":"object"},"`, "\"type\":\"object\"},\n\"").Replace(string(b)))
}
