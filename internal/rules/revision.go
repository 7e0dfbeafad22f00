package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/notifier/notifier/internal/diag"
)

// What a rule says beside its effect: an edit of it leaves the revision as it is. So does `mode`: switched off and on again, the rule
// says what it said. Only shadow is another revision, since what it makes is not sent.
var beside = map[string]bool{"title": true, "notes": true, "owner": true, "links": true, "tests": true, "mode": true, "sample": true}

// revisionOf names what one rule does: its keys, the defaults of its file and its events in the catalogue, without spelling, comments and
// what is for people. Intents carry it, so that an edit of one rule says nothing of what the others hold. It may differ where nothing
// that counts does (then stage 2 compares the texts), never the other way round.
func (l *loader) revisionOf(n, defaults *diag.Node, r *Rule) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %t ", l.opt.Zone, r.Mode == Shadow)
	digestNode(h, n)
	digestNode(h, defaults)
	for _, s := range r.specs {
		if l.digests[s.Name] == nil {
			var b bytes.Buffer
			digestNode(&b, l.declared[s.Name])
			l.digests[s.Name] = b.Bytes()
		}
		h.Write(l.digests[s.Name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// digestNode writes a node so that no two different ones are written alike.
func digestNode(h io.Writer, n *diag.Node) {
	if n == nil {
		_, _ = io.WriteString(h, "-")
		return
	}
	fmt.Fprintf(h, "(%d %q ", n.Kind, n.Text)
	for _, f := range n.Fields {
		if !beside[f.Key.Text] {
			digestNode(h, f.Key)
			digestNode(h, f.Value)
		}
	}
	for _, it := range n.Items {
		digestNode(h, it)
	}
	_, _ = io.WriteString(h, ")")
}
