package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/notifier/notifier/internal/diag"
)

// What a rule says beside its effect: an edit of it leaves the revision as it is. So does `mode`: switched off and on again, the rule
// says what it said. Only shadow is another revision, since what it makes is not sent.
var beside = map[string]bool{"title": true, "notes": true, "owner": true, "links": true, "tests": true, "mode": true, "sample": true}

// revisionOf names what one rule does: its keys, the defaults of its file and its events in the catalogue, without spelling, comments and
// what is for people. Intents carry it, so that an edit of one rule says nothing of what the others hold. It may differ where nothing
// that counts does (then stage 2 compares the texts), never the other way round.
func (l *loader) revisionOf(n, defaults *diag.Node, r *Rule) string {
	b := fmt.Appendf(l.digest[:0], "%s %t ", l.opt.Zone, r.Mode == Shadow)
	b = digestNode(b, n)
	b = digestNode(b, defaults)
	for _, s := range r.specs {
		if l.digests[s.Name] == nil {
			l.digests[s.Name] = digestNode(nil, l.declared[s.Name])
		}
		b = append(b, l.digests[s.Name]...)
	}
	l.digest = b
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:12]
}

// digestNode appends a node so that no two different ones are written alike: (KIND "TEXT" NODE...). What it writes is part of the
// format, since revisions are on what waits.
func digestNode(b []byte, n *diag.Node) []byte {
	if n == nil {
		return append(b, '-')
	}
	b = append(strconv.AppendUint(append(b, '('), uint64(n.Kind), 10), ' ')
	b = append(strconv.AppendQuote(b, n.Text), ' ')
	for _, f := range n.Fields {
		if !beside[f.Key.Text] {
			b = digestNode(digestNode(b, f.Key), f.Value)
		}
	}
	for _, it := range n.Items {
		b = digestNode(b, it)
	}
	return append(b, ')')
}
