package intent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Text identifies what a rule made for a target: whom it reaches and with which texts, not under which policy. Two intents of one
// event with equal Text are the same notification. A merge counts by its templates.
func Text(in *Intent) string {
	what := struct {
		Target   string
		Audience string
		Content  *Content
		One      *One
		UserWhen string
	}{in.Target, in.Audience.Key(), in.Content, nil, in.UserWhen}
	if in.Merge != nil {
		what.One = in.Merge.One
	}
	b, err := json.Marshal(what)
	if err != nil { // strings and raw JSON checked at load
		return string(in.ID)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}
