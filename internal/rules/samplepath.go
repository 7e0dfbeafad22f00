package rules

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// sampleFits warns of fields that find nothing usable in their event's sample though it has what they seem to mean. A field that is just not
// there is no mistake: many records lack one.
func (l *loader) sampleFits(s *event.Spec, data []byte, ev *event.Event) {
	var unread map[string]bool
	for i, f := range s.Fields {
		at := l.declared[s.Name].Get("fields").Get(f.Name)
		if at != nil && at.Kind == diag.Mapping {
			at = at.Get("path")
		}
		if at == nil || f.Path == "" {
			continue
		}
		switch ev.Values[i].State {
		case event.Bad:
			msg := diag.Text{EN: "the sample's `" + f.Path + "` is no " + string(f.Type) + ": the field counts as missing", ZH: "样例里的 `" + f.Path + "` 不是 " + string(f.Type) + " 类型，这个字段会算作缺失"}
			if f.Values != nil {
				msg = diag.Text{EN: "the sample's `" + f.Path + "` is none of the `values`: the field counts as missing", ZH: "样例里的 `" + f.Path + "` 不在 `values` 里，这个字段会算作缺失"}
			}
			at.Warn("W610", msg, diag.Text{EN: "change `type` or `values`, or the sample", ZH: "请改 `type` 或 `values`，或改样例"})
		case event.Missing:
			if unread == nil {
				unread = unreadPaths(s, data)
			}
			if fix := likelyPath(f.Path, sortedKeys(unread)); fix != "" {
				at.Warn("W610", diag.Text{EN: "the sample has no `" + f.Path + "`: the field is missing", ZH: "样例里没有 `" + f.Path + "`，这个字段取不到值"},
					diag.Text{EN: "did you mean `" + fix + "`?", ZH: "是不是想写 `" + fix + "`？"}).Fix = fix
			}
		}
	}
}

// unreadPaths gives the paths of a sample that nothing of its event reads.
func unreadPaths(s *event.Spec, data []byte) map[string]bool {
	doc := gjson.ParseBytes(data)
	if s.Format == event.Debezium {
		if payload := doc.Get("payload"); payload.Exists() {
			doc = payload
		}
		doc = doc.Get("after")
	}
	out := map[string]bool{}
	addPaths(out, doc, "", 0)
	for _, p := range []string{s.ID, s.User, s.Version, s.Time.Path} {
		delete(out, p)
	}
	for _, m := range s.Match {
		delete(out, m.Path)
	}
	for _, f := range s.Fields {
		delete(out, f.Path)
	}
	return out
}

// What of a sample is looked at: it may have a MiB.
const (
	maxSamplePaths = 500
	maxSampleDepth = 10
)

func addPaths(out map[string]bool, v gjson.Result, above string, depth int) {
	v.ForEach(func(k, v gjson.Result) bool {
		switch path := strings.TrimPrefix(above+"."+k.Str, "."); {
		case strings.ContainsAny(k.Str, `.*?\|#@`) || k.Str == "":
		case !v.IsObject():
			out[path] = true
		case depth < maxSampleDepth:
			addPaths(out, v, path, depth+1)
		}
		return len(out) < maxSamplePaths
	})
}

// likelyPath gives the one of some paths that was meant: it differs in one name that is spelt nearly so, or it alone ends in the same name.
func likelyPath(path string, paths []string) string {
	own := strings.Split(path, ".")
	same, near := []string{}, ""
	for _, p := range paths {
		names := strings.Split(p, ".")
		if names[len(names)-1] == own[len(own)-1] {
			same = append(same, p)
		}
		if len(names) != len(own) || near != "" {
			continue
		}
		differs := -1
		for i := range names {
			if names[i] != own[i] && differs >= 0 {
				differs = len(names)
			} else if names[i] != own[i] {
				differs = i
			}
		}
		if differs >= 0 && differs < len(names) && diag.Nearest(own[differs], []string{names[differs]}) != "" {
			near = p
		}
	}
	if near == "" && len(same) == 1 && !slices.Contains(own, "#") {
		return same[0]
	}
	return near
}
