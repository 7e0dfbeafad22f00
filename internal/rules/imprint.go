package rules

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// imprint is what rules put on their intents that does not differ between them: those alike share one, which is then in the
// processor's caches whichever rule matches.
type imprint struct {
	account, class string
	action         intent.Action
	shadow         bool
	expire         time.Duration
	policy         intent.Policy // without Expire
}

// imprints gives each rule its imprint, and says which are plain: pushes to the event's user with nothing beside the imprint, the name
// and the texts.
func imprints(rules []*Rule) {
	known := map[string]*imprint{}
	for _, r := range rules {
		p := &imprint{account: r.Account, class: r.Class, action: r.Action, shadow: r.Mode == Shadow, expire: r.expire, policy: *r.policy}
		key, err := json.Marshal([]any{p.account, p.class, p.action, p.shadow, p.expire, p.policy})
		if same := known[string(key)]; same != nil && err == nil {
			p = same
		}
		known[string(key)] = p
		r.print, r.Name = p, strings.Clone(r.Name) // names side by side, not each in its file
		r.plain = r.Action == intent.Push && r.Mode != Canary && r.life == nil && r.to == nil && r.merge == nil && r.once == nil && r.userWhen == nil &&
			len(r.variants) == 0 && len(r.next) == 0
	}
}
