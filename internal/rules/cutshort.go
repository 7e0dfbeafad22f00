package rules

import (
	"bytes"
	"path"
	"slices"
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
