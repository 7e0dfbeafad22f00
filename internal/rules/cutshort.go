package rules

import (
	"bytes"
	"path"
	"slices"

	"github.com/notifier/notifier/internal/diag"
)

// CutShort gives the name of a file whose content is only the beginning of what it was in old, "" when there is none: such a
// file is perhaps still being written (N109). Copying a file by truncating and writing it looks like this for a moment, and a
// rule file cut between two rules is good YAML.
func CutShort(old, now []File) string {
	for _, f := range now {
		if path.Ext(f.Name) == ".json" {
			continue
		}
		i := slices.IndexFunc(old, func(o File) bool { return o.Name == f.Name })
		if i >= 0 && len(f.Data) < len(old[i].Data) && bytes.HasPrefix(old[i].Data, f.Data) {
			return f.Name
		}
	}
	return ""
}

// Unfinished is what is said of such a file.
func Unfinished(file string) diag.Diagnostic {
	return diag.Diagnostic{Code: "N109", Severity: diag.Error, File: file,
		Message: diag.Text{EN: "the file is only the beginning of the live one: perhaps it is still being written", ZH: "文件只是现行文件的开头：可能还没写完"},
		Hint:    diag.Text{EN: "finish it; if it is meant so, it takes effect after 60 s without a change", ZH: "请把它写完；如果本来就要改成这样，60 秒不变后生效"}}
}
