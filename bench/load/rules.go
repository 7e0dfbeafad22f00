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
	files := []rules.File{{Name: "rules/events.yaml", Data: []byte(catalogue)}}
	r := rand.New(rand.NewPCG(7, uint64(n)))
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			files = append(files, rules.File{Name: fmt.Sprintf("rules/bench-%03d.yaml", len(files)), Data: []byte("version: 1\nrules:\n" + b.String())})
			b.Reset()
		}
	}
	for i := range n {
		rule(&b, fmt.Sprintf("rule-%05d", i), fmt.Sprintf(`kind == "%s" and amount >= %d`, kind(i%Kinds), threshold(r, n)))
		if i%perFile == perFile-1 {
			flush()
		}
	}
	rule(&b, "hit", fmt.Sprintf("kind == %q", Hit))
	b.WriteString(`  - {name: city-tag, title: city, event: profile, tags: ["city_${city}"]}
  - {name: level-tag, title: level, event: profile, tags: ["level_${level}"]}
`)
	flush()
	return files
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
func Load(n int) (*rules.Set, error) {
	set, list := rules.LoadFiles(Files(n), rules.Options{Accounts: []rules.Account{{Name: "main", Vendor: "rongcloud", Sender: "system"}}})
	if set == nil {
		return nil, fmt.Errorf("the bench's own rules have %d errors, first: %+v", list.Errors(), list[0])
	}
	return set, nil
}
