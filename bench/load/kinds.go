package load

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/notifier/notifier/internal/rules"
)

// KindNames are the kinds of rules that a set of any size can have, after perf.md's "Workloads":
//
//	types  kind == T and amount >= X, over 50 types
//	store  kind == T and store == S, over 50 types and 1,000 stores
//	range  kind == T and amount >= A and amount < B, one type, the intervals do not overlap but for two rules on each
//	in     kind == T and region in [3 of them], over 50 types
//	mixed  a third each of types, in, and (kind == T or vip) and amount >= X
//
// Exactly two rules match an event whatever their number; of mixed one to three, two on average. So what the comparison of two
// sizes shows is the search, not what is found.
var KindNames = []string{"types", "store", "range", "in", "mixed"}

// KindSet is n rules of one kind and the orders they are asked about.
type KindSet struct {
	kind string
	n    int
	per  int // rules on one type
	over int // types
}

// NewKind takes a kind of KindNames and 10 rules or more; of mixed 200 or more.
func NewKind(kind string, n int) KindSet {
	k := KindSet{kind: kind, n: n, over: Kinds}
	switch {
	case kind == "range":
		k.over = 1
	case n < 2*Kinds:
		k.over = max(1, n/2)
	}
	k.per = n / k.over
	return k
}

// Name is the i-th rule's.
func (k KindSet) Name(i int) string { return fmt.Sprintf("rule-%06d", i) }

// When is the i-th rule's condition.
func (k KindSet) When(i int) string {
	t, j := kind(i%k.over), i/k.over // the j-th rule on the type
	switch k.kind {
	case "types":
		return fmt.Sprintf(`kind == "%s" and amount >= %d`, t, k.bound(j, 2))
	case "store":
		return fmt.Sprintf(`kind == "%s" and store == "s-%04d"`, t, j/2)
	case "range":
		return fmt.Sprintf(`kind == "%s" and amount >= %.2f and amount < %.2f`, t, float64(j/2)*k.step(), float64(j/2+1)*k.step())
	case "in":
		return fmt.Sprintf(`kind == "%s" and region in [%s]`, t, k.regionsOf(j*3/2))
	}
	switch m := j / 3; j % 3 {
	case 0:
		return fmt.Sprintf(`kind == "%s" and amount >= %d`, t, k.bound(m, 1))
	case 1:
		return fmt.Sprintf(`kind == "%s" and region in [%s]`, t, k.regionsOf(m*3))
	default:
		low := 0
		if i%k.over == 0 {
			low = 1 // of the first type alone: all others would match a vip's event
		}
		return fmt.Sprintf(`(kind == "%s" or vip) and amount >= %d`, t, k.bound(m, low))
	}
}

// bound is the amount that the j-th rule of a type asks for: the first few less than any order has, the others more.
func (k KindSet) bound(j, low int) int {
	if j < low {
		return 100 + 400*j
	}
	return 2000 + (j*7919)%8000
}

// step is the width of an interval of range.
func (k KindSet) step() float64 { return 10_000 / float64((k.per+1)/2) }

// regions is how many there are: with three to a rule, two rules of a type name each; of mixed one.
func (k KindSet) regions() int {
	if k.kind == "mixed" {
		return (k.per + 1) / 3 * 3
	}
	return max(3, k.per*3/2)
}

func (k KindSet) regionsOf(from int) string {
	var list []string
	for i := range 3 {
		list = append(list, fmt.Sprintf(`"r-%02d"`, (from+i)%k.regions()))
	}
	return strings.Join(list, ", ")
}

// kindCatalogue is what the conditions read.
const kindCatalogue = `version: 1
events:
  order:
    title: an order of 1 KB
    topic: ` + Topic + `
    id: event_id
    time: ts
    user: user.id
    fields:
      kind: kind
      amount: {path: payment.amount, type: number}
      store: store.id
      region: store.region
      vip: {path: user.vip, type: bool}
`

// Files are the catalogue and the rules, whose texts are constant: what is written takes the same time in all sizes, and little.
func (k KindSet) Files() []rules.File {
	f := filer{files: []rules.File{{Name: "rules/events.yaml", Data: []byte(kindCatalogue)}}}
	for i := range k.n {
		fmt.Fprintf(f.next(), "  - {name: %s, title: t, event: order, mode: live, class: service, when: '%s', push: {body: b}, limits: {expire: 72h}}\n", k.Name(i), k.When(i))
	}
	return f.all()
}

// Orders are distinct events of 1 KB that the rules are asked about.
func (k KindSet) Orders(seed uint64, n int) [][]byte {
	r := rand.New(rand.NewPCG(seed, uint64(k.n)))
	var out [][]byte
	for i := range n {
		d := draw(r)
		d.kind = kind(r.IntN(k.over))
		switch k.kind {
		case "types", "mixed":
			d.amount = 1000 + r.Float64()*999
		case "store":
			d.store = r.IntN(k.per / 2)
		}
		if k.kind == "in" || k.kind == "mixed" {
			d.region = r.IntN(k.regions())
		}
		out = append(out, d.order(r, OrderID(i), 1_700_000_000_000))
	}
	return out
}
