package load

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/notifier/notifier/internal/rules"
)

// App is the App Key of the one account in the benches.
const App = "bench"

const catalogue = `version: 1
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
      name: user.name
  profile:
    title: a profile of five short fields
    topic: ` + ProfileTopic + `
    kind: profile
    update: patch
    id: event_id
    time: ts
    user: user_id
    fields:
      city: profile.city
      level: profile.level
      lang: profile.lang
      gender: profile.gender
      points: {path: profile.points, type: number}
`

// perFile keeps a rule file below the loader's 256 KiB.
const perFile = 500

// Files are the catalogue and n rules on orders, with the rule for Hit and the tag rules beside them.
func Files(n int) []rules.File {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	f := filer{files: []rules.File{{Name: "rules/events.yaml", Data: []byte(catalogue)}}}
	for i := range n {
		rule(f.next(), fmt.Sprintf("rule-%05d", i), fmt.Sprintf(`kind == "%s" and amount >= %d`, kind(i%Kinds), threshold(r, n)))
	}
	rule(f.next(), "hit", fmt.Sprintf("kind == %q", Hit))
	f.text.WriteString(`  - {name: city-tag, title: city, event: profile, tags: ["city_${city}"]}
  - {name: level-tag, title: level, event: profile, tags: ["level_${level}"]}
`)
	return f.all()
}

// filer writes rules into files.
type filer struct {
	files []rules.File
	text  strings.Builder
	n     int
}

// next gives where the next rule goes.
func (f *filer) next() *strings.Builder {
	if f.n == perFile {
		f.all()
	}
	f.n++
	return &f.text
}

func (f *filer) all() []rules.File {
	if f.n > 0 {
		f.files = append(f.files, rules.File{Name: fmt.Sprintf("rules/bench-%03d.yaml", len(f.files)), Data: []byte("version: 1\nrules:\n" + f.text.String())})
		f.text.Reset()
		f.n = 0
	}
	return f.files
}

// threshold makes about two of a kind's rules match: amounts are even over 0 to 10,000.
func threshold(r *rand.Rand, n int) int {
	per := float64(n) / Kinds
	if per <= 2 {
		return r.IntN(200)
	}
	return int(10_000 * (1 - min(1, 4/per)*r.Float64()))
}

func rule(b *strings.Builder, name, when string) {
	fmt.Fprintf(b, `  - name: %s
    title: %s
    event: order
    mode: live
    class: service
    when: '%s'
    push:
      title: "Order ${event.id}"
      body: "${name}, your order ${event.id} of ${amount | money} from ${region} is on its way"
      link: "app://orders/${event.id}"
    limits: {expire: 72h}
`, name, name, when)
}

// Load compiles Files(n) as the daemon does.
func Load(n int) (*rules.Set, error) { return Compile(Files(n)) }

// Compile loads files as the daemon does.
func Compile(files []rules.File) (*rules.Set, error) {
	set, list := rules.LoadFiles(files, rules.Options{Accounts: []rules.Account{{Name: "main", Vendor: "rongcloud", Sender: "system"}}})
	if set == nil {
		return nil, fmt.Errorf("the bench's own rules have %d errors, first: %+v", list.Errors(), list[0])
	}
	return set, nil
}
