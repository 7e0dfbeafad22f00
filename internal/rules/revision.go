package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/notifier/notifier/internal/diag"
)

// What a rule, the defaults of its file, and an event of the catalogue say beside their effect: an edit of it leaves the revision as it is. So does
// a rule's `mode`: switched off and on again, the rule says what it said. Only shadow is another revision, since what it makes is not sent. Only
// where these keys stand themselves: the `title` of a push is what people read.
var (
	besideRule     = map[string]bool{"title": true, "notes": true, "owner": true, "links": true, "tests": true, "mode": true}
	besideDefaults = map[string]bool{"owner": true}
	besideEvent    = map[string]bool{"title": true, "sample": true}
	besideField    = map[string]bool{"title": true}
)

// revisionOf names what one rule does: its keys, the defaults of its file and its events in the catalogue, without spelling, comments and
// what is for people. Intents carry it, so that an edit of one rule says nothing of what the others hold. It may differ where nothing
// that counts does (then stage 2 compares the texts), never the other way round.
func (l *loader) revisionOf(n, defaults *diag.Node, r *Rule) string {
	b := fmt.Appendf(l.digest[:0], "%s %t ", l.opt.Zone, r.Mode == Shadow)
	b = digestNode(b, n, besideRule)
	b = digestNode(b, defaults, besideDefaults)
	for _, s := range r.specs {
		if l.digests[s.Name] == nil {
			l.digests[s.Name] = digestNode(nil, l.declared[s.Name], besideEvent, nil, besideField) // event -> fields -> each
		}
		b = append(b, l.digests[s.Name]...)
	}
	l.digest = b
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:12]
}

// digestNode appends a node so that no two different ones are written alike: (KIND "TEXT" NODE...). What it writes is part of the
// format, since revisions are on what waits. beside are keys to leave out, of the node, of the nodes under its keys, and so on.
func digestNode(b []byte, n *diag.Node, beside ...map[string]bool) []byte {
	if n == nil {
		return append(b, '-')
	}
	var out map[string]bool
	if len(beside) > 0 {
		out, beside = beside[0], beside[1:]
	}
	b = append(strconv.AppendUint(append(b, '('), uint64(n.Kind), 10), ' ')
	b = append(strconv.AppendQuote(b, n.Text), ' ')
	for _, f := range n.Fields {
		if !out[f.Key.Text] {
			b = digestNode(digestNode(b, f.Key), f.Value, beside...)
		}
	}
	for _, it := range n.Items {
		b = digestNode(b, it)
	}
	return append(b, ')')
}
