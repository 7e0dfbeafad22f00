package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/tagsync"
)

func TestAUserAsItIsShown(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	s := &settings.Settings{Zone: time.FixedZone("", 8*3600), Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k"}, {Name: "other", Vendor: "rongcloud", AppKey: "o"}}}
	st := ledger.NewState()
	users := tagsync.NewTable()
	st.Users["rongcloud:k"] = users
	users.Put("u-1", &tagsync.User{Acked: []string{"city_bj", "theirs"}, Foreign: []string{"theirs"}, Fields: map[string]tagsync.Field{
		"city": {Value: intent.Value{Type: "string", Str: "北京"}, Version: 7}, "level": {Version: 8}, "likes": {Value: intent.Value{Type: "list", Str: "0"}, Version: 6}, "pets": {Value: intent.Value{Type: "list", List: []string{"cat", "dog\x1b"}}, Version: 9}}})
	users.Put("u-2", &tagsync.User{})
	st.Taken["rongcloud:k/rule/thanks/u-1"] = &ledger.Taken{At: []time.Time{now.Add(-2 * time.Hour), now.Add(-time.Hour)}}
	st.Taken["rongcloud:k/rule/thanks/x/u-1"] = &ledger.Taken{At: []time.Time{now}}
	st.Attempts["A-0-1"] = &ledger.Attempt{Account: "rongcloud:k", State: ledger.Started, Users: []string{"u-1"}, Set: []string{"city_sh"}}
	in := &intent.Intent{ID: "t/0/1/thanks/u-1", Event: intent.EventRef{ID: "ord-1"}, Rule: "thanks", Account: "main", Key: "rongcloud:k", Target: "u-1", Action: intent.Push}
	st.Pending[string(in.ID)] = &ledger.Pending{Intent: in, At: now}
	fates := []ledger.Fate{{Event: intent.EventRef{ID: "ord-0"}, Rule: "thanks", User: "u-1", Account: "main", Fate: ledger.Sent}}
	for _, p := range []struct{ name, user, format string }{{"show", "u-1", "text"}, {"json", "u-1", "json"}, {"bare", "u-2", "text"}} {
		var f []ledger.Fate
		if p.user == "u-1" {
			f = fates
		}
		v := app.UserOf(s, map[int32]*ledger.State{0: st}, f, p.user, now)
		var out bytes.Buffer
		if err := printUser(&out, p.format, &v, s.Zone); err != nil {
			t.Fatal(err)
		}
		holdGolden(t, filepath.Join("testdata", "user", p.name+".txt"), out.String())
	}
	if v := app.UserOf(s, map[int32]*ledger.State{0: st}, nil, "u-3", now); !v.Empty() {
		t.Errorf("of an unknown user: %+v", v)
	}
}

func TestUserShowAndForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	for _, u := range []string{"u-1", "u-2"} {
		w.produce("profiles", fmt.Sprintf(`{"id":"p-%s","at":%q,"user":%q,"city":"bj"}`, u, time.Now().Format(time.RFC3339), u))
	}
	w.order("ord-1", "u-1")
	tags := func(u string) string { return fmt.Sprint(w.sbx.Tags(sandbox.DefaultKey)[u]) }
	until(t, "tags and push", func() bool { return tags("u-1") == "[city_bj]" && tags("u-2") == "[city_bj]" && w.sent("ord-1") == 1 })
	until(t, "all of it on record", func() bool {
		code, out, _ := once(t, w.dir, "user", "show", "u-1")
		return code == 0 && strings.Contains(out, "field city             bj") && strings.Contains(out, "tags city_bj   acknowledged") && strings.Contains(out, "remembered  event ord-1  rule thanks  account main") &&
			strings.Contains(out, "2 fates on record")
	})
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"show", "nobody"}, `nothing is held on user "nobody"`},
		{[]string{"forget", "nobody", "--why", "x", "--yes"}, `nothing is held on user "nobody"`},
		{[]string{"forget", "u-1", "--yes"}, "--why is missing"},
		{[]string{"forget", "u-1", "--why", "x"}, "user forget u-1: tags and fields in 1 account are cleared, what waits is given up, 0 intents"},
	} {
		if code, _, talk := once(t, w.dir, append([]string{"user"}, c.args...)...); code != exitUsage || !strings.Contains(talk, c.says) {
			t.Errorf("user %v: exit %d %q, want %q", c.args, code, talk, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "user", "forget", "u-1", "--why", "request 4711", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "1 row is cleared") {
		t.Fatalf("forget: exit %d %s %s", code, out, talk)
	}
	until(t, "the user to be forgotten", func() bool {
		_, out, _ := once(t, w.dir, "user", "show", "u-1")
		return !strings.Contains(out, "field city") && !strings.Contains(out, "tags ") && tags("u-1") == "[]"
	})
	if tags("u-2") != "[city_bj]" {
		t.Errorf("u-2 has %s", tags("u-2"))
	}
	if notes := w.commands(ledger.CmdForget); len(notes) != 1 || notes[0].Why != "request 4711" {
		t.Errorf("on control: %+v", notes)
	}
}
