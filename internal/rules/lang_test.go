package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

func inZone(t testing.TB, name string) Options {
	t.Helper()
	opt := demoAccount()
	var err error
	if opt.Zone, err = time.LoadLocation(name); err != nil {
		t.Fatal(err)
	}
	return opt
}

// The life of a rule is half-open, in its own zone or the settings', over the jumps of clocks and leap days.
func TestLife(t *testing.T) {
	for _, c := range []struct{ name, zone, life, at, want string }{
		{"the first moment", "Asia/Shanghai", "from: 2026-11-11 00:00", "2026-11-11T00:00:00+08:00", "in"},
		{"just before", "Asia/Shanghai", "from: 2026-11-11 00:00", "2026-11-10T23:59:59.999+08:00", "out"},
		{"the last moment", "Asia/Shanghai", "until: 2026-11-12T00:00", "2026-11-11T23:59:59.999+08:00", "in"},
		{"the moment after", "Asia/Shanghai", "until: 2026-11-12 00:00:00", "2026-11-12T00:00:00+08:00", "out"},
		{"a zone of its own", "Asia/Shanghai", "from: 2026-11-11T00:00:00-05:00", "2026-11-11T12:59:59+08:00", "out"},
		{"a zone of its own, reached", "Asia/Shanghai", "from: 2026-11-11T00:00:00-05:00", "2026-11-11T13:00:00+08:00", "in"},
		{"UTC", "America/New_York", "until: 2026-11-11T00:00:00Z", "2026-11-10T18:59:59-05:00", "in"},
		{"both", "America/New_York", "from: 2026-06-01 00:00\n    until: 2026-06-02 00:00", "2026-06-01T23:59:00-04:00", "in"},
		{"both, over", "America/New_York", "from: 2026-06-01 00:00\n    until: 2026-06-02 00:00", "2026-06-02T00:00:00-04:00", "out"},
		{"a time that is twice is the first", "America/New_York", "from: 2026-11-01 01:30", "2026-11-01T01:30:00-04:00", "in"},
		{"so until ends at the first", "Europe/Berlin", "until: 2026-10-25 02:30", "2026-10-25T02:30:00+02:00", "out"},
		{"a time that does not exist is the jump", "Europe/Berlin", "from: 2026-03-29 02:30", "2026-03-29T03:00:00+02:00", "in"},
		{"and not before it", "Europe/Berlin", "from: 2026-03-29 02:30", "2026-03-29T01:59:59+01:00", "out"},
		{"a leap day", "Asia/Shanghai", "from: 2028-02-29 00:00\n    until: 2028-03-01 00:00", "2028-02-29T12:00:00+08:00", "in"},
		{"the day after it", "Asia/Shanghai", "from: 2028-02-29 00:00\n    until: 2028-03-01 00:00", "2028-03-01T00:00:00+08:00", "out"},
	} {
		s := mustLoad(t, rule("life", "order.paid", "    "+c.life+"\n    when: amount > 0\n    push: {body: b}"), inZone(t, c.zone))
		e := happen(t, s, "orders", paid)
		var err error
		if e.Time, err = time.Parse(time.RFC3339Nano, c.at); err != nil {
			t.Fatal(err)
		}
		got := map[bool]string{true: "in", false: "out"}[len(s.Evaluate(e)) == 1]
		if got != c.want {
			t.Errorf("%s: %s in %s at %s is %s, want %s", c.name, c.life, c.zone, c.at, got, c.want)
		}
		e = happen(t, s, "orders", strings.Replace(paid, "amount_fen", "x", 1))
		e.Time, _ = time.Parse(time.RFC3339Nano, c.at)
		if s.Evaluate(e); (s.Rule("life").Missing() == 1) != (c.want == "in") {
			t.Errorf("%s: outside of its life a rule counts no missing field: %d", c.name, s.Rule("life").Missing())
		}
	}
}

// A canary and variants place a user by rule and user alone: these numbers must never change, or people would see another text after
// an update. Another rule, or the other purpose, places the same user elsewhere.
func TestBucketsNeverChange(t *testing.T) {
	got := fmt.Sprint(bucket("canary", "thanks", "u-1"), bucket("canary", "thanks", "u-2"), bucket("canary", "welcome", "u-1"), bucket("variant", "thanks", "u-1"), bucket("variant", "thanks", "用户"))
	if want := "33 58 43 83 37"; got != want {
		t.Errorf("buckets %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		rule, user := rapid.String().Draw(t, "rule"), rapid.String().Draw(t, "user")
		b := bucket("canary", rule, user)
		if b < 0 || b > 99 || b != bucket("canary", rule, user) {
			t.Fatalf("bucket %d", b)
		}
		for p := range 100 { // who is in stays in when the percentage grows
			r := Rule{Name: rule, Mode: Canary, percent: p}
			if r.leavesOut(user) != (b >= p) {
				t.Fatalf("canary %d%% of bucket %d", p, b)
			}
		}
	})
}

// Each user gets the share that the rule says, within what chance allows, whoever evaluates and whenever.
func TestCanaryAndVariantsKeepTheirShares(t *testing.T) {
	text := strings.Replace(rule("thanks", "order.paid", `    when: always
    push:
      to: "${order_id}"
      title: "t ${city}"
      body: "b ${amount}"
      link: "app://${city}"
      variants:
        - {name: plain, share: 20, body: "plain ${order_id}"}
        - {name: loud, share: 50%, title: "loud ${level}"}
        - {name: both, share: 30, title: "both", body: "both"}`), "live", "canary 30%", 1)
	s, again := mustLoad(t, text, demoAccount()), mustLoad(t, "# edited\n"+text, demoAccount())
	const users = 5000
	n := map[string]int{}
	for i := range users {
		user := fmt.Sprint("u-", i)
		e := happen(t, s, "orders", strings.Replace(paid, `"order_id":"o-1"`, `"order_id":"`+user+`"`, 1))
		got, twin := s.Evaluate(e), again.Evaluate(happen(t, again, "orders", strings.Replace(paid, `"order_id":"o-1"`, `"order_id":"`+user+`"`, 1)))
		if len(got) != 1 || len(twin) != 1 || got[0].Canary != twin[0].Canary || got[0].Variant != twin[0].Variant {
			t.Fatalf("%s: %+v and %+v", user, got, twin)
		}
		in := got[0]
		if in.Canary {
			if in.Content != nil || in.Variant != "" || in.Dead != "" {
				t.Fatalf("who is left out has a text: %+v", in)
			}
			continue
		}
		n[in.Variant]++
		want := map[string]string{"plain": "t 北京|plain " + user, "loud": "loud vip|b 812.50", "both": "both|both"}[in.Variant]
		if got := in.Content.Title + "|" + in.Content.Body; got != want || in.Content.Link != "app://北京" {
			t.Fatalf("%s: %s, want %s", in.Variant, got, want)
		}
	}
	in := n["plain"] + n["loud"] + n["both"]
	near := func(what string, got int, want float64) {
		if f := float64(got); f < want*0.85 || f > want*1.15 { // five standard deviations or more
			t.Errorf("%s: %d, want about %.0f", what, got, want)
		}
	}
	near("in the canary", in, users*0.3)
	near("plain", n["plain"], users*0.3*0.2)
	near("loud", n["loud"], users*0.3*0.5)
	near("both", n["both"], users*0.3*0.3)
}

// A left-out user whose text could not be written is left out, not a dead letter; in a merge each has the texts of one variant.
func TestLeftOutComesBeforeTexts(t *testing.T) {
	s := mustLoad(t, strings.Replace(rule("thanks", "order.paid", "    when: always\n    push: {body: \"${city}\", to: \"${followers}\"}"), "live", "canary 1%", 1), demoAccount())
	for _, in := range s.Evaluate(happen(t, s, "orders", strings.Replace(paid, `"city":"北京",`, "", 1))) {
		if !in.Canary || in.Dead != "" {
			t.Errorf("got %+v", in)
		}
	}
	s = mustLoad(t, rule("thanks", "order.paid", `    when: always
    push: {body: "${count} ${first.city}", variants: [{name: a, share: 50, title: "${latest.level}"}, {name: b, share: 50, title: "${list.amount | join}"}]}
    merge: {wait: 1m}
    limits: {expire: 1h}`), demoAccount())
	in := s.Evaluate(happen(t, s, "orders", paid))[0]
	c, err := RenderMerged(in.Content, in.Merge, []map[string]any{in.Merge.Vars, in.Merge.Vars}, 2)
	want := map[string]string{"a": "vip|2 北京", "b": "812.50、812.50|2 北京"}[in.Variant]
	if err != nil || c.Title+"|"+c.Body != want {
		t.Errorf("variant %q: %+v, %v, want %s", in.Variant, c, err, want)
	}
}

// user_when is over the table of profile fields, by name or alias; what is absent, unknown, of another type or not understood any more
// does not meet it.
func TestUserWhen(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", "    when: always\n    user_when: level == \"vip\" and (score ?? 0) < 5\n    push: {body: b}"), demoAccount())
	in := s.Evaluate(happen(t, s, "orders", paid))
	if len(in) != 1 || in[0].UserWhen != `level == "vip" and (score ?? 0) < 5` {
		t.Fatalf("got %+v", in)
	}
	if !s.HasProfile("main") {
		t.Error("the account of a rule that asks the profile table does not keep it")
	}
	absent := intent.Value{}
	for _, c := range []struct {
		source string
		row    row
		want   bool
	}{
		{in[0].UserWhen, row{"level": str("vip")}, true},
		{in[0].UserWhen, row{"level": str("vip"), "score": num("5")}, false},
		{in[0].UserWhen, row{"level": str("vip"), "score": absent}, true},
		{in[0].UserWhen, row{"level": absent}, false},
		{in[0].UserWhen, row{}, false},
		{in[0].UserWhen, row{"level": num("1")}, false},
		{`city != "北京"`, row{"level": str("vip")}, false},
		{`not has(city)`, row{}, true},
		{`since < since`, row{"since": intent.Value{Type: event.Time, Str: "2026-11-21T03:00:00Z"}}, false},
		{`score > 1`, row{"score": intent.Value{Type: event.Number, Str: "many"}}, false},
		{`gone == "x"`, row{"gone": str("x")}, false},           // the field was taken out of the catalogue
		{`city == `, row{"city": str("x")}, false},              // no condition
		{`city == 'it''s'`, row{"city": str("its")}, false},     // quotation marks of another kind
		{`city == "it's"`, row{"city": str("it's")}, true},      // in a quoted scalar
		{strings.Repeat("(", 100) + "true" + ")", row{}, false}, // deeper than a rule may be
		{`city matches "` + strings.Repeat("a", 300) + `"`, row{"city": str("a")}, false},
	} {
		if got := s.Meets(c.source, c.row.get); got != c.want {
			t.Errorf("%s on %v: %t, want %t", c.source, c.row, got, c.want)
		}
	}
	s, l := load(t, rule("alias", "order.paid", "    when: always\n    user_when: 级别 == \"gold\"\n    push: {body: b}"), demoAccount())
	if s != nil {
		t.Errorf("an alias that the table does not have: %s", show(l))
	}
}

// What is compiled is bounded, however many sources old intents carry, and may be asked from several goroutines.
func TestUserConditionsAreBounded(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", "    when: always\n    push: {body: b}"), demoAccount())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range maxUserConditions {
				source := fmt.Sprintf("score == %d", i+g*100)
				if !s.Meets(source, row{"score": num(fmt.Sprint(i + g*100))}.get) {
					t.Errorf("%s is not met", source)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.users.compiled); n > maxUserConditions {
		t.Errorf("%d compiled", n)
	}
}

// Open holes stay open in stage 1, whatever the event brings beside them, and are filled from the row and the clock.
func TestOpenHoles(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", `    when: always
    push:
      title: "$ ${city}${user.level} $${user.level} \"\\"
      body: "${user.score | default(\"-\")} ${user.since | date(\"YYYY-MM-DD\")} ${now | date(\"HH:mm\")} ${now}"
      data: {a: "${order_id}", b: "${user.city | upper}"}
    limits: {expire: 1h}`)+rule("plain", "order.paid", "    when: always\n    push: {body: \"${city}\"}"), demoAccount())
	row := row{"level": str("vip"), "since": {Type: event.Time, Str: "2026-11-20T20:00:00Z"}, "city": str("sh")}
	now := time.Date(2026, 11, 21, 3, 4, 5, 0, time.UTC)
	for _, city := range []string{"北京", "$", "a$", "${user.level}", "$${", "$｛", `${"x"}`, `\"`, "}", "${", "a\nb"} {
		e := happen(t, s, "orders", paid)
		i, _ := e.Spec.Index("city")
		e.Values[i].Str = city
		got := s.Evaluate(e)
		if len(got) != 2 || !got[0].Content.Open || got[1].Content.Open || got[1].Content.Body != city {
			t.Fatalf("%q: %+v", city, got)
		}
		in, err := got[0].Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := intent.Decode(in)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Fill(back.Content, row.get, now)
		if err != nil || c.Open {
			t.Fatalf("%q: %+v %v", city, c, err)
		}
		want := &intent.Content{Title: "$ " + city + `vip ${user.level} "\`, Body: "- 2026-11-21 11:04 2026-11-21 11:04", Data: map[string]string{"a": "o-1", "b": "SH"}}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%q (-want +got):\n%s", city, diff)
		}
	}
	delete(row, "level")
	open := s.Evaluate(happen(t, s, "orders", paid))[0].Content
	if c, err := s.Fill(open, row.get, now); err == nil {
		t.Errorf("a field that is missing: %+v", c)
	}
	row["level"] = str(strings.Repeat("x", maxContent))
	if c, err := s.Fill(open, row.get, now); err == nil {
		t.Errorf("too long: %d bytes", len(c.Title))
	}
}

// In a merge the open holes stay open until the merge has closed.
func TestOpenHolesOfAMerge(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", `    when: always
    push: {title: "${list.city | join}", body: "${count} ${user.level} ${now | date(\"HH\")}"}
    merge: {wait: 1m, one: {body: "only ${city} for ${user.level}"}}
    limits: {expire: 1h}`), demoAccount())
	in := s.Evaluate(happen(t, s, "orders", paid))[0]
	if in.Dead != "" || !slices.Equal(slices.Sorted(maps.Keys(in.Merge.Vars)), []string{"city"}) {
		t.Fatalf("got %+v", in)
	}
	for count, want := range map[int]string{1: "北京|only 北京 for vip", 2: "北京、${x}$|2 vip 11"} {
		items := []map[string]any{in.Merge.Vars, {"city": "${x}$"}}[:count]
		c, err := RenderMerged(in.Content, in.Merge, items, count)
		if err != nil || !c.Open {
			t.Fatalf("%d: %+v %v", count, c, err)
		}
		c, err = s.Fill(c, row{"level": str("vip")}.get, time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC))
		if err != nil || c.Title+"|"+c.Body != want {
			t.Errorf("%d: %+v %v, want %s", count, c, err, want)
		}
	}
}

// send_at and a list of accounts are the intent's; who may be asked for the profile table keeps it.
func TestSendAtAndAccountsAreOnTheIntent(t *testing.T) {
	opt := demoAccount()
	second := opt.Accounts[0]
	second.Name = "second"
	third := second
	third.Name = "third"
	opt.Accounts = append(opt.Accounts, second, third)
	v := &critic{}
	opt.Vendor = v
	s := mustLoad(t, rule("thanks", "order.paid", "    when: always\n    account: [second, main]\n    send_at: \"00:00\"\n    push: {body: \"${user.level}\"}\n    limits: {expire: 30h}")+
		rule("offer", "sale.opened", "    when: always\n    account: third\n    broadcast: {audience: {all_of: [x]}, body: \"${now}\"}\n    limits: {expire: 1h}"), opt)
	in := s.Evaluate(happen(t, s, "orders", paid))[0]
	if in.Account != "second" || !slices.Equal(in.Next, []string{"main"}) || in.Policy.SendAt == nil || *in.Policy.SendAt != 0 {
		t.Errorf("got %+v", in)
	}
	tagged := mustLoad(t, "  - {name: city-tag, event: profile.changed, account: main, tags: [\"city_${city}\"]}\n"+rule("thanks", "order.paid", "    when: always\n    account: [main, third]\n    push: {body: b}"), opt)
	if !tagged.HasProfile("third") || tagged.HasProfile("second") {
		t.Error("who sends instead of an account with a profile table could not ask for consent")
	}
	if !s.HasProfile("second") || !s.HasProfile("main") || s.HasProfile("third") {
		t.Error("an account that may send the push does not keep the profile table, or one does that need not")
	}
	if len(v.got) != 5 { // each account of the list, and the broadcast's
		t.Errorf("the vendor was asked %d times", len(v.got))
	}
	if got := s.Evaluate(happen(t, s, "sales", `{"id":"1","city":"x"}`)); len(got) != 1 || !got[0].Content.Open || got[0].Next != nil {
		t.Errorf("got %+v", got)
	}
	opt.Consents = true // nothing but a push rule: whom consent names is in the table of all accounts, also of one whose first push rule comes later
	asked := mustLoad(t, rule("thanks", "order.paid", "    when: always\n    account: [second, main]\n    push: {body: b}"), opt)
	if in := asked.Evaluate(happen(t, asked, "users", `{"id":"p-1","at":1,"user":"u"}`)); !asked.HasProfile("main") || !asked.HasProfile("second") || !asked.HasProfile("third") || len(in) != 3 {
		t.Errorf("the settings ask for consent, and not all accounts keep the profile table: %+v", in)
	}
}

// A finding on a variant's text stands at the variant.
func TestAVendorsFindingsOnVariants(t *testing.T) {
	v := &critic{problems: [][]string{{"title"}}}
	opt := demoAccount()
	opt.Vendor = v
	_, list := load(t, rule("thanks", "order.paid", "    when: always\n    tests: [{name: n, event: {}, expect: no match}]\n    push:\n      body: b\n      variants:\n        - {name: a, share: 50, title: t}\n        - {name: b, share: 50, body: c}"), opt)
	lines := map[int]bool{}
	for _, d := range list {
		lines[d.Line] = true
	}
	if len(v.got) != 3 || !lines[12] || lines[13] {
		t.Errorf("asked %d times:\n%s", len(v.got), show(list))
	}
}

// A share is so many buckets and not one more: the first bucket behind it is the next variant's.
func TestASharesLastBucketIsItsOwn(t *testing.T) {
	first, second := new(content), new(content)
	r := &Rule{Name: "thanks", variants: []variant{{name: "first", upTo: 20, content: first}, {name: "second", upTo: 100, content: second}}}
	want := map[int]string{19: "first", 20: "second"}
	for i := 0; len(want) > 0; i++ {
		user := fmt.Sprint("u-", i)
		b := bucket("variant", r.Name, user)
		if want[b] == "" {
			continue
		}
		if _, got := r.contentFor(user); got != want[b] {
			t.Errorf("bucket %d is of variant %s, want %s", b, got, want[b])
		}
		delete(want, b)
	}
}
