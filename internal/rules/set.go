package rules

import (
	"maps"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Set is a revision of the rules: everything that Load found, checked and compiled.
type Set struct {
	Hash      string // of the files; on every intent
	Catalogue *event.Catalogue
	Rules     []*Rule
	Files     []FileInfo
	Advice    diag.List // facts worth knowing, nothing to mend

	opt      Options
	business map[string]*plan            // by event: its push and broadcast rules
	profile  map[string]*plan            // by event: push rules on profile events
	tagRules map[string][]*Rule          // by account
	tagHash  map[string]string           // by account: see TagRules
	reserves map[string][]intent.Reserve // by account
	accounts []string                    // that take profile intents, sorted
	table    map[string]*event.Field
	users    *userConditions
	samples  map[string][]byte // by event, for tests
	watch    *watch
}

// FileInfo is what check says of one file.
type FileInfo struct {
	Name                 string
	Events, Rules, Tests int
}

// plan is the rules that one event may trigger, in the order of the files, and what their conditions read.
type plan struct {
	rules []*Rule
	env   []string // environment names of all conditions
	index *index   // business events: which of the rules to ask; nil: all
}

func (p *plan) add(r *Rule) {
	p.rules = append(p.rules, r)
	for _, c := range slices.Concat(r.when, r.unless) {
		for _, name := range c.env {
			if !slices.Contains(p.env, name) {
				p.env = append(p.env, name)
			}
		}
	}
}

// index arranges the rules by what triggers them.
func (s *Set) index(table map[string]*event.Field) {
	s.business, s.profile, s.tagRules, s.table = map[string]*plan{}, map[string]*plan{}, map[string][]*Rule{}, table
	s.users = &userConditions{scope: userScope(table, s.Catalogue.Specs), compiled: map[string]*condition{}}
	accounts := map[string]bool{}
	s.reserves = map[string][]intent.Reserve{}
	if len(s.opt.Consent) > 0 { // of all accounts: what was said before an account's first push rule cannot be learnt any more
		for _, ac := range s.opt.Accounts {
			accounts[ac.Name] = true
		}
	}
	imprints(s.Rules)
	for _, r := range s.Rules {
		if r.parked.Load() { // by the set that s is made of: see Only
			s.watch.some.Store(true)
		}
		if r.Action == intent.Tags {
			s.tagRules[r.Account] = append(s.tagRules[r.Account], r)
			accounts[r.Account] = true // also when it is off: the table must be right when it is on again
			continue
		}
		if r.Mode == Off {
			continue
		}
		if r.content != nil {
			for _, c := range append([]*content{r.content}, r.content.variants...) {
				c.fix()
			}
		}
		if r.asksUsers() {
			accounts[r.Account] = true
		}
		if r.reserve > 0 && r.Mode == Live {
			s.reserves[r.Account] = append(s.reserves[r.Account], r.reserved())
		}
		for _, spec := range r.specs {
			to := s.business
			if spec.Kind == event.Profile {
				to = s.profile
				accounts[r.Account] = true
			}
			if to[spec.Name] == nil {
				to[spec.Name] = &plan{}
			}
			to[spec.Name].add(r)
			if spec.Kind != event.Profile && len(r.specs) == 1 && r.content != nil {
				for _, t := range r.content.templates() {
					t.locate(spec)
				}
			}
		}
	}
	for _, r := range s.Rules {
		if r.Action == intent.Push && r.Mode != Off && accounts[r.Account] { // whoever sends it instead is asked for the same consent
			for _, name := range r.next {
				accounts[name] = true
			}
		}
	}
	for name, p := range s.business {
		if p.index = newIndex(s.Catalogue.Spec(name), p.rules, short); p.index == nil {
			for _, r := range p.rules { // asked one by one, by programs that the first event need not wait for
				for _, c := range slices.Concat(r.when, r.unless) {
					c.code()
				}
			}
		}
	}
	s.accounts = slices.Sorted(maps.Keys(accounts))
	s.tagHash = map[string]string{}
	for account, list := range s.tagRules {
		var texts []string
		for _, r := range list {
			if r.Mode != Off {
				texts = append(texts, s.tagText(r))
			}
		}
		s.tagHash[account] = hashTagRules(texts)
	}
}

// Topics gives the topics that stage 1 reads, sorted.
func (s *Set) Topics() []string { return s.Catalogue.Topics() }

// Zone is where the rules' days are.
func (s *Set) Zone() *time.Location { return s.opt.Zone }

// HasProfile reports whether an account takes profile intents: it has tag rules, pushes on profile events, or rules that ask the
// profile table when they send, or pushes instead of such an account; or the settings ask for consent, which is in the table.
func (s *Set) HasProfile(account string) bool { return slices.Contains(s.accounts, account) }

// Rule gives a rule by name, nil when there is none.
func (s *Set) Rule(name string) *Rule {
	for _, r := range s.Rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Modes counts the rules by mode: the gauge notifier_rules_loaded.
func (s *Set) Modes() map[Mode]int {
	out := map[Mode]int{Live: 0, Shadow: 0, Canary: 0, Off: 0}
	for _, r := range s.Rules {
		out[r.Mode]++
	}
	return out
}

// Decode gives the events of a record: Catalogue.Decode.
func (s *Set) Decode(rec event.Record) ([]event.Event, error) { return s.Catalogue.Decode(rec) }

// DecodeInto gives the events of a record in room that is used again: Catalogue.DecodeInto.
func (s *Set) DecodeInto(room []event.Event, rec event.Record) ([]event.Event, error) {
	return s.Catalogue.DecodeInto(room, rec)
}
