package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

const catalogue = `version: 1
events:
  user.changed:
    topic: users
    kind: profile
    update: patch
    id: id
    user: user
    fields: {city: city, level: level, vip: {path: vip, type: bool}}
`

const tagRules = `version: 1
rules:
  - name: city-tag
    event: user.changed
    tags: ["city_${city}"]
  - name: level-tag
    event: user.changed
    tags: ["level_${level}"]
  - name: vip-tag
    event: user.changed
    when: vip
    tags: [vip]
  - name: also-vip
    event: user.changed
    when: city == "bj"
    tags: [vip]
`

func ruleSet(t *testing.T) *rules.Set {
	t.Helper()
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "r.yaml", Data: []byte(tagRules)}}, rules.Options{AnyAccount: true})
	if set == nil {
		t.Fatal(list)
	}
	return set
}

func text(s string) tagsync.Field {
	return tagsync.Field{Value: intent.Value{Type: event.String, Str: s}, Version: 7}
}

// Every state of a tag: given and there, given and not there, there and given by nobody, kept for an unknown field, somebody else's.
func TestARowTellsWhereEachTagComesFrom(t *testing.T) {
	set := ruleSet(t)
	fields := map[string]tagsync.Field{"city": text("bj"), "vip": {}}
	for _, c := range []struct {
		name string
		user tagsync.User
		want string
	}{
		{"settled", tagsync.User{Fields: fields, Acked: []string{"city_bj", "level_3", "old", "vip", "x"}, Foreign: []string{"x"}}, `user u1
  account main
     ✓ city_bj                  rule city-tag "city_${city}", r.yaml:3
     ✓ level_3                  rule level-tag "level_${level}", r.yaml:6: kept, a field that it asks is unknown
     ✗ old                      no rule gives it any more, to be removed
     ✓ vip                      rule also-vip "vip", r.yaml:13
     ✓ x                        foreign: no rule of ours gives it
       city = bj
       vip = (absent)
`},
		{"on its way", tagsync.User{Fields: fields, Acked: []string{}}, `user u1
  account main
     → city_bj                  rule city-tag "city_${city}", r.yaml:3, to be set
     → vip                      rule also-vip "vip", r.yaml:13, to be set
     – level_${level}           rule level-tag, r.yaml:6, left out: field level is unknown
       city = bj
       vip = (absent)
`},
		{"unclear", tagsync.User{Fields: map[string]tagsync.Field{"city": text("sh")}, Had: []string{"city_sh"}}, `user u1
  account main
     what the vendor has is not certain: it was not read yet, or the last write had no clear answer
     ? city_sh                  rule city-tag "city_${city}", r.yaml:3
     – level_${level}           rule level-tag, r.yaml:6, left out: field level is unknown
       city = sh
`},
		{"a value that makes no tag", tagsync.User{Fields: map[string]tagsync.Field{"city": text("bad city"), "level": {}}, Acked: []string{}}, `user u1
  account main
     no tags
     – city_${city}             rule city-tag, r.yaml:3, left out: ${city} gives no tag: 1 to 40 bytes of letters, digits, _ and - (city = "bad city")
     – level_${level}           rule level-tag, r.yaml:6, left out: ${level} is missing
       city = bad city
       level = (absent)
`},
		{"gone", tagsync.User{Acked: []string{"vip"}, Gone: true}, `user u1
  account main
     the user is gone upstream: the tags are taken away
     ✗ vip                      no rule gives it any more, to be removed
`},
	} {
		var b strings.Builder
		u := User{User: "u1", Accounts: []Account{Row(set, "main", &c.user)}}
		if err := u.WriteText(&b, time.UTC, diag.EN); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Tags for which a change of the tag rules waits are not told as coming: the change may be rejected.
func TestTagsOfAChangeThatWaitsAreNotOnTheirWay(t *testing.T) {
	set := ruleSet(t)
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change ledger.TagChange
		gone   bool
		want   string // "" as if there were none
	}{
		"approval":                     {ledger.TagChange{State: ledger.TagsApproval, At: at}, false, "标签规则有改动，正在等批准：标签暂时不变；下一步：notifier approvals list"},
		"rejected":                     {ledger.TagChange{State: ledger.TagsRejected, At: at, By: "li", Why: "太多"}, false, "标签规则的改动被 li 驳回：太多；标签不变，直到下次重新加载规则，或这个用户有新的资料事件"},
		"counting":                     {ledger.TagChange{State: ledger.TagsCounting, At: at}, false, "标签规则有改动：正在数哪些用户的标签会变"},
		"a new owner with other rules": {ledger.TagChange{State: ledger.TagsSettled, At: at, Waits: at.Add(time.Minute)}, false, "标签规则有改动：2026-11-21 06:01:00 +00:00 重新判断用户"},
		"writing":                      {ledger.TagChange{State: ledger.TagsWriting, At: at}, false, ""},
		"settled":                      {ledger.TagChange{State: ledger.TagsSettled, At: at}, false, ""},
		"the user is gone":             {ledger.TagChange{State: ledger.TagsApproval, At: at}, true, ""},
	} {
		ac := Row(set, "main", &tagsync.User{Fields: map[string]tagsync.Field{"city": text("bj"), "vip": {}}, Acked: []string{"city_bj", "old"}, Gone: c.gone})
		ac.Await(&c.change)
		var b strings.Builder
		u := User{User: "u1", Accounts: []Account{ac}}
		if err := u.WriteText(&b, time.UTC, diag.ZH); err != nil {
			t.Fatal(err)
		}
		coming := strings.Contains(b.String(), "将要")
		if c.want == "" && (!coming || ac.Change != nil) {
			t.Errorf("%s: %s", name, b.String())
		}
		for _, w := range []string{c.want + "\n", "– old                      已没有规则给它，改动生效前不去掉\n", "– vip                      规则 also-vip \"vip\"，r.yaml:13，改动生效前不打\n", "✓ city_bj"} {
			if c.want != "" && (coming || !strings.Contains(b.String(), w)) {
				t.Errorf("%s: %q is missing\n%s", name, w, b.String())
			}
		}
	}
}
