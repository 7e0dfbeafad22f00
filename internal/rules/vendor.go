package rules

import (
	"slices"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// Vendor is what the loader asks of whoever will send a rule's deliveries: rules know no vendor's contract. It is asked once for each
// push and broadcast rule that has no mistake of its own.
type Vendor interface {
	// Check gives what the contract forbids. account is the name of one of the Options' accounts, or any with AnyAccount.
	Check(account string, d Delivery) []Problem
}

// Delivery is what a rule wants sent, as its file writes it: texts still have their holes (Literal).
type Delivery struct {
	Action   intent.Action
	To       string           // whom a push names; "": the event's user
	Audience *intent.Audience // of a broadcast
	Content  *intent.Content
}

// Problem is one thing that a vendor would refuse, or could not do.
type Problem struct {
	Path    []string // of keys below push or broadcast: message, content, duration; none: the block itself
	AtKey   bool     // the key is at fault, not its value
	Code    string
	Message diag.Text
	Hint    diag.Text
}

// Literal gives what of a text is known before any event, and whether that is all of it.
func Literal(text string) (literal string, whole bool) {
	t, err := parseTemplate(text)
	if err != nil {
		return "", false
	}
	whole = true
	for _, p := range t.parts {
		literal += p.text
		whole = whole && p.ref == ""
	}
	return literal, whole
}

// vendor asks the vendor about a rule. n is the rule's node.
func (l *loader) vendor(n *diag.Node, r *Rule) {
	body := n.Get(string(r.Action))
	if l.opt.Vendor == nil || r.content == nil || r.Account == "" || body == nil {
		return
	}
	if lostInside(body) || r.content.title == nil && body.Get("title") != nil || r.content.body == nil && body.Get("body") != nil {
		return // what it says is not known: a value is missing, or the fields of its holes are
	}
	c := new(intent.Content)
	if err := r.content.render(c, &subject{}, true); err != nil {
		return // too long, which is said elsewhere
	}
	d := Delivery{Action: r.Action, Content: c, Audience: r.audience.raw()}
	if r.to != nil {
		d.To = r.to.String()
	}
	found := l.opt.Vendor.Check(r.Account, d)
	for _, other := range r.next { // the first that cannot do it speaks: what one vendor forbids, its other accounts forbid too
		if len(found) == 0 {
			found = l.opt.Vendor.Check(other, d)
		}
	}
	for _, p := range found {
		p.cured()
		if len(p.Path) == 0 {
			n.Key(string(r.Action)).Error(p.Code, p.Message, p.Hint)
			continue
		}
		p.report(body, n)
	}
	for _, v := range r.variants {
		own := *c
		own.Title, own.Body = v.content.title.String(), v.content.body.String()
		d.Content = &own
		for _, p := range l.opt.Vendor.Check(r.Account, d) {
			if len(p.Path) == 1 && v.node.Get(p.Path[0]) != nil {
				p.report(v.node, nil)
			}
		}
	}
	if r.oneNode == nil {
		return
	}
	// The text for a single trigger stands in merge.one.
	one := *c
	if r.content.oneTitle != nil {
		one.Title = r.content.oneTitle.String()
	}
	if r.content.oneBody != nil {
		one.Body = r.content.oneBody.String()
	}
	d.Content = &one
	for _, p := range l.opt.Vendor.Check(r.Account, d) {
		if len(p.Path) == 1 && r.oneNode.Get(p.Path[0]) != nil {
			p.report(r.oneNode, nil)
		}
	}
}

// lostInside reports whether a value of a block, or of one in it, is not known.
func lostInside(n *diag.Node) bool {
	return n.Lost() || slices.ContainsFunc(n.Fields, func(f diag.Field) bool { return lostInside(f.Value) }) || slices.ContainsFunc(n.Items, lostInside)
}

// cured gives a finding that has no cure of its own the page where the vendor's contract is told.
func (p *Problem) cured() {
	if p.Hint.EN == "" {
		p.Hint = diag.Text{EN: "`notifier explain-code " + p.Code + "` tells what the vendor takes", ZH: "运行 `notifier explain-code " + p.Code + "` 看厂商允许什么"}
	}
}

// report puts a finding at the deepest node of its path that is there. The vendor's own block may stand at the rule as well.
func (p Problem) report(body, rule *diag.Node) {
	p.cured()
	at := body
	if b := p.Path[0]; slices.Contains(vendorBlocks, b) && body.Get(b) == nil && rule.Get(b) != nil {
		at = rule
	}
	for i, k := range p.Path {
		key, value := at.Key(k), at.Get(k)
		if value == nil {
			break
		}
		at = value
		if last := i == len(p.Path)-1; last && (p.AtKey || value.Kind != diag.Scalar) {
			at = key
		}
	}
	at.Error(p.Code, p.Message, p.Hint)
}

// vendorBlocks are the keys of the vendors' own extras.
var vendorBlocks = []string{"rongcloud", "getui"}

// raw is the audience as its file writes it.
func (a *audience) raw() *intent.Audience {
	if a == nil {
		return nil
	}
	out := &intent.Audience{Everyone: a.everyone, Online: a.online, Package: a.pkg}
	for to, from := range map[*[]string][]*template{&out.AllOf: a.all, &out.AnyOf: a.any, &out.NoneOf: a.none} {
		for _, t := range from {
			*to = append(*to, t.String())
		}
	}
	return out
}
