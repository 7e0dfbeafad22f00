package rules

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
)

const consentCatalogue = `version: 1
events:
  order.paid: {topic: orders, id: id, user: user, fields: {vip: {path: vip, type: bool}}}
  profile.changed:
    {topic: users, kind: profile, update: patch, id: id, user: user, fields: {city: city, blocked: {path: b, type: bool, alias: 已拉黑}, push_ok: {path: p, type: bool}}}
`

// loadConsent loads rules for two accounts, main and second.
func loadConsent(catalogue, rules string, consent ...Consent) (*Set, diag.List) {
	opt := demoAccount()
	second := opt.Accounts[0]
	second.Name = "second"
	opt.Accounts = append(opt.Accounts, second)
	opt.Consent = consent
	return LoadFiles([]File{{"events.yaml", []byte(catalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" + rules)}}, opt)
}

// A name that no profile event has, or one that is not true or false, is obeyed by nobody: who is blocked would be sent to.
func TestConsentNamesABoolOfTheProfileTable(t *testing.T) {
	rule := rule("thanks", "order.paid", "    when: always\n    account: main\n    push: {body: b}")
	noProfile, _, _ := strings.Cut(consentCatalogue, "  profile.changed:")
	for _, c := range []struct {
		name, catalogue, field string
		code, says, fix        string
	}{
		{"right", consentCatalogue, "blocked", "", "", ""},
		{"misspelt", consentCatalogue, "blokced", "N708", "no profile event has a field `blokced`", "blocked"},
		{"nothing like it", consentCatalogue, "gone", "N708", "no profile event has a field `gone`", ""},
		{"a text", consentCatalogue, "city", "N708", "`city` is a string field, not a bool", ""},
		{"of a business event only", consentCatalogue, "vip", "N708", "no profile event has a field `vip`", ""},
		{"an alias", consentCatalogue, "已拉黑", "N708", "`已拉黑` is an alias", "blocked"},
		{"no profile event", noProfile, "blocked", "N708", "the catalogue has no event of `kind: profile`", ""},
		{"an event that may have more fields", strings.Replace(consentCatalogue, "{path: p, type: bool}", "{path: p, type: !x }", 1), "push_ok", "N105", "", ""},
	} {
		set, l := loadConsent(c.catalogue, rule, Consent{Setting: "consent.never", Field: c.field})
		if codes(l) != c.code || (set == nil) != (c.code != "") {
			t.Errorf("%s: %s", c.name, show(l))
			continue
		}
		if c.says == "" {
			continue
		}
		if d := l[0]; !strings.Contains(d.Message.EN, c.says) || d.Message.ZH == "" || d.Hint.EN == "" || d.Fix != c.fix {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// Also one that has no push yet: whom a later push must not reach was said before.
func TestWhereConsentIsAskedAnAccountTakesProfileIntents(t *testing.T) {
	push := rule("thanks", "order.paid", "    when: always\n    account: main\n    push: {body: b}") // of class service
	broadcast := rule("offer", "order.paid", "    when: always\n    account: main\n    broadcast: {audience: {all_of: [x]}, body: b}\n    limits: {expire: 1h}")
	for _, c := range []struct {
		name, rules string
		consent     []Consent
		want        bool
	}{
		{"none is asked", push, nil, false},
		{"a block list", push, []Consent{{Setting: "consent.never", Field: "blocked"}}, true},
		{"for the class", push, []Consent{{Setting: "consent.service", Field: "push_ok", Class: "service"}}, true},
		{"for the other class", push, []Consent{{Setting: "consent.marketing", Field: "push_ok", Class: "marketing"}}, true},
		{"a rule that is off", strings.Replace(push, "mode: live", "mode: off", 1), []Consent{{Setting: "consent.never", Field: "blocked"}}, true},
		{"a broadcast, which asks nobody", broadcast, []Consent{{Setting: "consent.never", Field: "blocked"}}, true},
	} {
		set, l := loadConsent(consentCatalogue, c.rules, c.consent...)
		if set == nil {
			t.Fatalf("%s: %s", c.name, show(l))
		}
		if got := set.HasProfile("main"); got != c.want {
			t.Errorf("%s: takes profile intents: %t, want %t", c.name, got, c.want)
		}
		if got := set.HasProfile("second"); got != c.want {
			t.Errorf("%s: the account without a rule takes profile intents: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestAFieldOfConsentThatNobodyHasIsShownAsWritten(t *testing.T) {
	_, l := loadConsent(consentCatalogue, rule("thanks", "order.paid", "    when: always\n    account: main\n    push: {body: b}"), Consent{Setting: "consent.never", Field: "blokced"})
	var got bytes.Buffer
	for _, lang := range []diag.Lang{diag.EN, diag.ZH} {
		if err := diag.WriteText(&got, l, lang); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/consent.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, golden)), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
