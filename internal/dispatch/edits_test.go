package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// editing is a play whose rule files can be edited. Evaluated again, an event gives the texts of makes, by event id.
type editing struct {
	*play
	files   Live
	makes   map[string]string // event id -> body; "": the rule does not match any more
	asked   []string          // events that were evaluated again
	failing int               // so many reads fail first
}

func newEditing(t *testing.T) *editing {
	e := &editing{files: Live{Set: "1", Rules: map[string]RuleStanding{"r": {Revision: "a"}}}, makes: map[string]string{}}
	e.play = newPlay(t, func(_ *Account, o *Options) {
		o.Users = func() Users { return stubUsers{} }
		o.Live = func() *Live { return &e.files }
		o.Again = func(_ context.Context, ins []*intent.Intent) (out []Again, err error) {
			if e.failing--; e.failing >= 0 {
				return nil, errors.New("no broker")
			}
			for _, in := range ins {
				e.asked = append(e.asked, in.Event.ID)
				a := Again{Revision: e.files.Rules[in.Rule].Revision, Why: "it does not match"}
				if body := e.makes[in.Event.ID]; body != "" {
					made := *in
					made.Content = &intent.Content{Title: "t", Body: body, Open: strings.Contains(body, "${")}
					a.Text, a.Why = intent.Text(&made), ""
				}
				out = append(out, a)
			}
			return out, nil
		}
	})
	return e
}

func (e *editing) edit(rule string, st RuleStanding) {
	rules := map[string]RuleStanding{}
	if rule != "" {
		rules[rule] = st
	}
	e.files = Live{Set: e.files.Set + "+", Rules: rules}
	e.turn()
}

func (e *editing) take(id, body string) *intent.Intent {
	in := e.push(id, "u-"+id, intent.Policy{})
	in.Content.Body, in.Revision, in.Content.Open = body, "a", strings.Contains(body, "${")
	e.Take(in)
	return in
}

func (e *editing) obey(cmd, target string, args map[string]string) {
	e.a.obey(command{Command: ledger.Command{V: 1, ID: "c", Cmd: cmd, Target: target, Args: args, By: "li", Why: "w"}, offset: e.a.pos.Control})
	e.turn()
}

func (e *editing) until(t time.Duration) { e.Advance(e.Now().Add(t)) }

func TestResumeEvaluatesAgainWhatAnOlderRevisionMade(t *testing.T) {
	for _, test := range []struct {
		name string
		send map[string]string
		want []string
	}{
		{"again", nil, []string{"e1 SENT", "e2 SUPPRESSED(superseded-by-rule-change)", "e3 SUPPRESSED(superseded-by-rule-change)"}},
		{"send old", map[string]string{ledger.ArgSend: ledger.SendOld}, []string{"e1 SENT", "e2 SENT", "e3 SENT"}},
	} {
		for _, scope := range []string{"rule/r", "all", "account/main", "lane/main/user"} {
			t.Run(test.name+" "+scope, func(t *testing.T) {
				e := newEditing(t)
				e.obey(ledger.CmdPause, scope, nil)
				e.take("e1", "hello")
				e.take("e2", "hello")
				e.take("e3", "hello")
				e.makes = map[string]string{"e1": "hello", "e2": "welcome"}
				e.edit("r", RuleStanding{Revision: "b"})
				e.want(nil, nil)
				e.obey(ledger.CmdResume, scope, test.send)
				e.until(time.Second)
				if got := kinds(e.said); !slices.Equal(got, test.want) {
					t.Errorf("fates %v, want %v", got, test.want)
				}
				for _, f := range e.said {
					if f.Reason == ledger.SupersededByRule && (f.By != "li" || f.Why != "w" || f.Kind != "operator" || !strings.Contains(f.Detail, map[string]string{"e2": "its text differs", "e3": "it does not match"}[f.Event.ID])) {
						t.Errorf("%+v does not say who, why and what", f)
					}
				}
				if len(e.a.pauses) != 0 || len(e.a.edits.jobs) != 0 {
					t.Errorf("left: %v, %v", e.a.pauses, e.a.edits.jobs)
				}
			})
		}
	}
}

func TestResumeWithoutAnEditAsksNobody(t *testing.T) {
	e := newEditing(t)
	e.obey(ledger.CmdPause, "rule/r", nil)
	e.take("e1", "hello")
	e.edit("r", RuleStanding{Revision: "a"}) // another rule was edited
	e.obey(ledger.CmdResume, "rule/r", nil)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) || e.asked != nil {
		t.Errorf("fates %v after asking for %v", got, e.asked)
	}
}

// What another pause holds as well is evaluated when that one is lifted: the rule may be edited again until then.
func TestTheLastPauseAsks(t *testing.T) {
	e := newEditing(t)
	e.obey(ledger.CmdPause, "rule/r", nil)
	e.obey(ledger.CmdPause, "account/main", nil)
	e.take("e1", "hello")
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "rule/r", nil)
	e.until(time.Second)
	if e.asked != nil || len(e.said) != 0 {
		t.Fatalf("asked %v, said %v", e.asked, kinds(e.said))
	}
	e.makes["e1"] = "hello"
	e.obey(ledger.CmdResume, "account/main", nil)
	e.until(time.Second)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) || !slices.Equal(e.asked, []string{"e1"}) {
		t.Errorf("fates %v after asking for %v", got, e.asked)
	}
}

func TestAnErrorOfReadingAgainHoldsAndTriesAgain(t *testing.T) {
	e := newEditing(t)
	e.failing, e.makes["e1"] = 2, "hello"
	e.obey(ledger.CmdPause, "rule/r", nil)
	e.take("e1", "hello")
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "rule/r", nil)
	e.until(againRetries)
	e.want(nil, nil)
	e.until(2 * againRetries)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) {
		t.Errorf("fates %v", got)
	}
}

// A rule that is switched off holds what waits, whatever comes; live again it is a resume.
func TestSwitchedOffARuleHolds(t *testing.T) {
	for _, mode := range []string{"mode: off", "mode: shadow"} {
		t.Run(mode, func(t *testing.T) {
			e := newEditing(t)
			quiet := e.push("e1", "u1", intent.Policy{Quiet: []intent.Quiet{{From: 11 * 60, To: 13 * 60}}})
			quiet.Revision = "a"
			e.Take(quiet)
			e.edit("r", RuleStanding{Revision: "off", Off: mode})
			e.take("e2", "hello") // of an instance that has not read the files yet
			e.until(3 * time.Hour)
			e.want(nil, nil)
			if p := e.a.pauses["off/r"]; p.Why != mode {
				t.Fatalf("pause %+v", p)
			}
			e.obey(ledger.CmdResume, "rule/r", nil) // the files decide
			e.want(nil, nil)
			e.makes = map[string]string{"e1": "hello"}
			e.edit("r", RuleStanding{Revision: "c"})
			e.until(time.Second)
			if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT", "e2 SUPPRESSED(superseded-by-rule-change)"}) {
				t.Errorf("fates %v", got)
			}
		})
	}
}

func TestAnEditBackSendsWithoutAsking(t *testing.T) {
	e := newEditing(t)
	e.edit("r", RuleStanding{Revision: "off", Off: "mode: off"})
	e.take("e1", "hello")
	e.edit("r", RuleStanding{Revision: "a"})
	e.until(time.Second)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) || e.asked != nil {
		t.Errorf("fates %v after asking for %v", got, e.asked)
	}
}

// What a removed rule holds waits for two minutes: the files of this instance may be the older ones of a rolling reload.
func TestARemovedRuleGivesUpAfterTwoMinutes(t *testing.T) {
	e := newEditing(t)
	e.obey(ledger.CmdPause, "rule/r", nil) // so that it waits
	e.take("e1", "hello")
	e.edit("", RuleStanding{})
	e.obey(ledger.CmdResume, "rule/r", nil)
	e.until(rollingFor - time.Second)
	e.want(nil, nil)
	e.take("e2", "hello") // comes late, and waits its own time
	e.until(time.Second)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SUPPRESSED(superseded-by-rule-change)", "e2 SUPPRESSED(superseded-by-rule-change)"}) {
		t.Errorf("fates %v", got)
	}
	e.take("e3", "hello")
	e.until(rollingFor - time.Second)
	if len(e.said) != 2 {
		t.Errorf("what came after the rule was given up did not wait: %v", kinds(e.said))
	}
	e.makes["e3"] = "hello"
	e.edit("r", RuleStanding{Revision: "a"})
	e.until(time.Second)
	if got := kinds(e.said); !slices.Contains(got, "e3 SENT") {
		t.Errorf("the rule came back: %v", got)
	}
}

// An intent of a rule that only the other instances' files have yet must not be given up.
func TestARuleThatComesWithinTwoMinutesSends(t *testing.T) {
	e := newEditing(t)
	in := e.intent("e1", "new", "u1", intent.Push)
	in.Revision = "n"
	e.Take(in)
	e.until(time.Minute)
	e.want(nil, nil)
	e.edit("new", RuleStanding{Revision: "n"})
	e.until(time.Second)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) {
		t.Errorf("fates %v", got)
	}
}

// What the brake has stopped ends with its rule, and so does the brake: on record, and in the metric that tells of it. One that comes back within
// two minutes is stopped still, and a pause by operators stays.
func TestTheBrakeOfARemovedRuleLeaves(t *testing.T) {
	for _, paused := range []bool{false, true} {
		e := newEditing(t)
		for i := range 2 {
			in := e.push(fmt.Sprintf("e%d", i), fmt.Sprintf("u%d", i), intent.Policy{Brake: &intent.Cap{N: 1, In: time.Hour}})
			in.Revision = "a"
			e.Take(in)
		}
		e.until(time.Second)
		if paused {
			e.obey(ledger.CmdPause, "rule/r", nil)
		}
		tripped := func() bool {
			p := e.a.pauses["rule/r"]
			shown := testutil.ToFloat64(e.a.opt.Metrics.brake.WithLabelValues("r")) == 1
			if shown != (p.OfBrake() != nil) {
				t.Errorf("the metric says %t, the pauses are %v", shown, e.a.pauses)
			}
			return shown
		}
		e.edit("", RuleStanding{})
		e.until(rollingFor - time.Second)
		e.edit("r", RuleStanding{Revision: "a"})
		e.until(2 * rollingFor)
		if !tripped() {
			t.Fatal("the rule came back in time, and its brake is gone")
		}
		e.edit("", RuleStanding{})
		e.files.Stale = true
		e.until(2 * rollingFor)
		if !tripped() {
			t.Error("the brake is forgotten by files that are out of date")
		}
		e.files.Stale = false
		e.until(3 * rollingFor)
		if tripped() {
			t.Error("the rule is gone, its brake stays")
		}
		if _, left := e.a.pauses["rule/r"]; left != paused || len(e.a.sends) > 0 {
			t.Errorf("paused %t; left: %v, counts %v", paused, e.a.pauses, e.a.sends)
		}
		if got := kinds(e.said); !slices.Equal(got, []string{"e0 SENT", "e1 SUPPRESSED(superseded-by-rule-change)"}) {
			t.Errorf("fates %v", got)
		}
	}
}

// The texts of a merge and of ${user.x} are filled by stage 2: what the rule made is compared.
func TestFilledTextsAreComparedAsTheyWereMade(t *testing.T) {
	e := newEditing(t)
	e.obey(ledger.CmdPause, "all", nil)
	if err := e.Know("stub:k", "u-e1", map[string]intent.Value{"level": {Type: "string", Str: "vip"}}); err != nil {
		t.Fatal(err)
	}
	e.take("e1", "for ${level}")
	for _, id := range []string{"e2", "e3"} {
		merged := e.push(id, "u-"+id, intent.Policy{})
		merged.Revision, merged.Merge = "a", &intent.Merge{Key: id, Wait: time.Minute, Vars: map[string]any{"x": "1"}}
		e.Take(merged)
	}
	e.until(2 * time.Minute)
	for _, it := range e.a.items {
		if it.p().Made == "" {
			t.Fatalf("%s: nothing says what the rule made", it.id())
		}
	}
	e.makes = map[string]string{"e1": "for ${level}", "e2": "hello", "e3": "welcome"}
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "all", nil)
	e.until(time.Second)
	got := kinds(e.said)
	if !slices.Equal(got, []string{"e1 SENT", "e2 SENT", "e3 SUPPRESSED(superseded-by-rule-change)"}) {
		t.Errorf("fates %v", got)
	}
}

// A new owner goes on with what a resume began: the pause stays on record until all of it was looked at.
func TestARestartGoesOnWithAResume(t *testing.T) {
	b := setup(t)
	files := &Live{Set: "1", Rules: map[string]RuleStanding{"r": {Revision: "b"}}}
	asked := make(chan struct{}, 10)
	var fail = true
	change := func(o *Options) {
		o.Live = func() *Live { return files }
		o.Again = func(_ context.Context, ins []*intent.Intent) (out []Again, err error) {
			asked <- struct{}{}
			if fail {
				return nil, errors.New("no broker")
			}
			for range ins {
				out = append(out, Again{Revision: "b", Why: "it does not match"})
			}
			return out, nil
		}
	}
	stop := b.start(b.account(), change)
	b.order("p", ledger.CmdPause, "rule/r")
	b.state("paused", func(st *ledger.State) bool { return len(st.Pauses) == 1 })
	in := b.intent("e1", "r", "u1", intent.Push)
	in.Revision = "a"
	b.produce(in)
	b.state("held", func(st *ledger.State) bool { return len(st.Pending) == 1 })
	b.order("r", ledger.CmdResume, "rule/r")
	<-asked
	st := b.state("resuming", func(st *ledger.State) bool { return st.Pauses["rule/r"].Resuming != nil })
	if r := st.Pauses["rule/r"].Resuming; r.By != "li" || r.Why != "test" || r.ID != "r" {
		t.Errorf("resuming %+v", r)
	}
	stop()
	fail = false
	b.start(b.account(), change)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 SUPPRESSED(superseded-by-rule-change)"}) {
		t.Errorf("fates %v", got)
	}
	b.state("resumed", func(st *ledger.State) bool { return len(st.Pauses) == 0 })
	if calls := b.vendor.seen(); len(calls) != 0 {
		t.Errorf("calls %v", calls)
	}
}

func TestManyAreEvaluatedAgainInBatches(t *testing.T) {
	e := newEditing(t)
	e.obey(ledger.CmdPause, "all", nil)
	n := 2*againBatch + 1
	for i := range n {
		id := fmt.Sprint("e", i)
		e.take(id, "hello")
		if i%2 == 0 {
			e.makes[id] = "hello"
		}
	}
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "all", nil)
	e.until(20 * time.Second)
	sent := 0
	for _, k := range kinds(e.said) {
		if strings.HasSuffix(k, "SENT") {
			sent++
		}
	}
	if len(e.said) != n || sent != againBatch+1 || len(e.asked) != n {
		t.Errorf("%d fates, %d sent, %d evaluated again", len(e.said), sent, len(e.asked))
	}
}

// A new owner does not believe its own files for two minutes where they say otherwise than the pause of its predecessor: they may be the
// older ones.
func TestANewOwnerWaitsBeforeItUndoesWhatItsPredecessorSaw(t *testing.T) {
	for _, test := range []struct {
		name  string
		why   string
		files map[string]RuleStanding
		want  string
	}{
		{"switched off, and live here", "mode: off", map[string]RuleStanding{"r": {Revision: "a"}}, "e1 SENT"},
		{"removed", GoneFromSet, nil, "e1 SUPPRESSED(superseded-by-rule-change)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEditing(t)
			e.files.Rules = test.files
			e.a.pauses["off/r"] = ledger.Pause{By: byFiles, Why: test.why, At: noon.Add(-time.Hour)}
			e.take("e1", "hello")
			e.until(rollingFor - time.Second)
			e.want(nil, nil)
			e.until(2 * time.Second)
			if got := kinds(e.said); !slices.Equal(got, []string{test.want}) {
				t.Errorf("fates %v, want %s", got, test.want)
			}
		})
	}
}

// A trigger that an edited rule makes begins a merge of its own: what was open keeps the text, the gates and the end of its revision. Triggers of
// both may come mixed, from instances that read the edit at different times.
func TestAMergeIsOfOneRevision(t *testing.T) {
	e := newEditing(t)
	take := func(n int, revision string) *intent.Intent {
		in := e.push(fmt.Sprint("e", n), "u1", intent.Policy{})
		in.Revision, in.RuleSet, in.Merge = revision, "set-"+revision, &intent.Merge{Key: "k", Wait: time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
		in.Content.Body = "text of " + revision
		e.Take(in)
		return in
	}
	heads := map[string]*intent.Intent{}
	for n, revision := range []string{"a", "b", "a", "b", "b"} {
		if in := take(n, revision); heads[revision] == nil {
			heads[revision] = in
		}
	}
	for revision, count := range map[string]int{"a": 2, "b": 3} {
		p := e.a.items[itemOf(heads[revision].ID)].p()
		if p.Intent.Revision != revision || p.Intent.Content.Body != "text of "+revision || p.Merged.Count != count {
			t.Errorf("the merge of %s: revision %s, %q, %d triggers; want %d", revision, p.Intent.Revision, p.Intent.Content.Body, p.Merged.Count, count)
		}
	}
	ac := e.a.items[itemOf(heads["a"].ID)].ac
	ac.revise(e.a.items[itemOf(heads["b"].ID)], "c") // evaluated again, and the same
	take(5, "c")
	take(6, "b")
	if p := e.a.items[itemOf(heads["b"].ID)].p(); p.Intent.Revision != "c" || p.Merged.Count != 4 || len(ac.merges) != 3 {
		t.Errorf("made one of c: revision %s, %d triggers, %d merges; want 4 and 3", p.Intent.Revision, p.Merged.Count, len(ac.merges))
	}
}

// What happens while held intents are evaluated again counts: paused anew they stay, switched off or removed they are held by the files, and
// of a rule that was edited once more the answer is old.
func TestWhatHappensDuringAnEvaluationCounts(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(*editing)
		after time.Duration
		want  []string
	}{
		{"paused again", func(e *editing) {
			e.a.obey(command{Command: ledger.Command{V: 1, ID: "c9", Cmd: ledger.CmdPause, Target: "rule/r", By: "li", Why: "wait"}, offset: e.a.pos.Control})
		}, time.Second, nil},
		{"switched off", func(e *editing) {
			e.files = Live{Set: "off", Rules: map[string]RuleStanding{"r": {Revision: "off", Off: "mode: off"}}}
		}, time.Hour, nil},
		{"removed", func(e *editing) { e.files = Live{Set: "gone"} }, rollingFor - time.Second, nil},
		{"edited", func(e *editing) {
			e.files = Live{Set: "c", Rules: map[string]RuleStanding{"r": {Revision: "c"}}}
			e.makes["e1"] = "hello"
		}, time.Second, []string{"e1 SENT"}},
	} {
		for _, scope := range []string{"rule/r", "all"} {
			if scope == "all" && test.name == "paused again" {
				continue
			}
			t.Run(test.name+" "+scope, func(t *testing.T) {
				e := newEditing(t)
				e.obey(ledger.CmdPause, scope, nil)
				e.take("e1", "hello")
				again, once := e.a.opt.Again, true
				e.a.opt.Again = func(ctx context.Context, ins []*intent.Intent) (out []Again, err error) {
					if !once {
						return again(ctx, ins)
					}
					once = false
					out, err = again(ctx, ins)
					test.do(e)
					if e.files.Rules["r"].Off != "" || len(e.files.Rules) == 0 { // asked of the new files, as it may happen
						out = make([]Again, len(ins))
					}
					return out, err
				}
				e.edit("r", RuleStanding{Revision: "b"})
				e.obey(ledger.CmdResume, scope, nil)
				e.until(test.after)
				if got := kinds(e.said); !slices.Equal(got, test.want) {
					t.Errorf("fates %v, want %v", got, test.want)
				}
			})
		}
	}
}

// A removed rule may hold more than one turn gives up. What waits for its fate does not go on when its quiet hours end, when somebody
// approves it or when the rule comes back.
func TestWhatIsGivenUpDoesNotGoOn(t *testing.T) {
	e := newEditing(t)
	held := e.push("held", "u1", intent.Policy{Quiet: []intent.Quiet{{From: 11 * 60, To: 13 * 60}}})
	asks := e.push("asks", "u2", intent.Policy{Approval: &intent.Approval{People: 1, Within: time.Hour}})
	opens := e.push("opens", "u3", intent.Policy{})
	opens.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Vars: map[string]any{"x": "1"}}
	late := e.push("late", "u3", intent.Policy{})
	late.Merge = opens.Merge
	for _, in := range []*intent.Intent{held, asks, opens, late} {
		in.Revision = "a"
	}
	e.Take(held, asks, opens)
	for _, it := range e.a.items { // as planOff does; sweep has not come to it
		e.a.giveUp(it, ledger.SupersededByRule)
	}
	doomed := e.a.doomed
	e.a.doomed = nil
	e.obey(ledger.CmdApprove, string(asks.ID), map[string]string{ledger.ArgAccount: "stub:k"})
	e.until(90 * time.Minute)
	e.Take(late)
	if _, ok := e.a.items[itemOf(late.ID)]; !ok && len(e.said) > 0 {
		t.Errorf("a trigger went into a merge that is given up: %v", kinds(e.said))
	}
	e.want(nil, nil)
	e.a.doomed = doomed
	e.turn()
	want := []string{"asks SUPPRESSED(superseded-by-rule-change)", "held SUPPRESSED(superseded-by-rule-change)", "opens SUPPRESSED(superseded-by-rule-change)"}
	if got := kinds(e.said); !slices.Equal(got, want) {
		t.Errorf("fates %v", got)
	}
	e.until(2 * time.Hour)
	if got := kinds(e.said); !slices.Equal(got, []string{want[0], want[1], "late SENT", want[2]}) {
		t.Errorf("fates %v", got)
	}
}

// What another account has handed over, with its texts filled, is compared as the rule made it as well.
func TestWhatWasHandedOverIsComparedAsItWasMade(t *testing.T) {
	e := newEditing(t)
	backup := *e.a.opt.Accounts[0]
	backup.Name, backup.Key = "backup", "stub:b"
	e.a.opt.Accounts = append(e.a.opt.Accounts, &backup)
	e.a.accounts["stub:b"] = newAccount(&backup, noon, noon.Add(-restedFor), time.Time{})
	e.a.keys = append(e.a.keys, "stub:b")
	if err := e.Know("stub:k", "u-e1", map[string]intent.Value{"level": {Type: "string", Str: "vip"}}); err != nil {
		t.Fatal(err)
	}
	e.obey(ledger.CmdPause, "account/backup", nil)
	e.a.close(e.a.accounts["stub:k"].lanes["user"], "credentials", "x")
	in := e.push("e1", "u-e1", intent.Policy{})
	in.Revision, in.Next, in.Content = "a", []string{"backup"}, &intent.Content{Title: "t", Body: "for ${level}", Open: true}
	e.Take(in)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 COALESCED"}) || e.Pending() != 1 {
		t.Fatalf("fates %v, %d pending: it was not handed over", got, e.Pending())
	}
	e.makes["e1"] = "for ${level}"
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "account/backup", nil)
	e.until(time.Second)
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 COALESCED", "e1 SENT"}) {
		t.Errorf("fates %v", got)
	}
}

// Events that lie far apart take long to read: what could not be read in its time is tried in smaller batches, or a pause would never end.
func TestSlowReadsAreTriedInSmallerBatches(t *testing.T) {
	e := newEditing(t)
	again := e.a.opt.Again
	e.a.opt.Again = func(ctx context.Context, ins []*intent.Intent) ([]Again, error) {
		if len(ins) > 2 {
			return nil, context.DeadlineExceeded
		}
		return again(ctx, ins)
	}
	e.obey(ledger.CmdPause, "all", nil)
	want := []string{}
	for i := range 9 {
		id := fmt.Sprint("e", i)
		e.take(id, "hello")
		e.makes[id] = "hello"
		want = append(want, id+" SENT")
	}
	e.edit("r", RuleStanding{Revision: "b"})
	e.obey(ledger.CmdResume, "all", nil)
	e.until(10 * againRetries)
	if got := kinds(e.said); !slices.Equal(got, want) {
		t.Errorf("fates %v", got)
	}
}

// While the files on this process's disk are not live its set may be the older one for longer than two minutes: what others made of a rule
// that it does not know is not given up for that.
func TestNothingIsGivenUpByFilesThatAreOutOfDate(t *testing.T) {
	e := newEditing(t)
	in := e.intent("e1", "new", "u1", intent.Push)
	in.Revision = "n"
	e.files.Stale = true
	e.Take(in)
	e.until(3 * rollingFor)
	e.want(nil, nil)
	e.files = Live{Set: "2", Rules: map[string]RuleStanding{"new": {Revision: "n"}}}
	e.until(time.Hour) // no reload tells the model
	if got := kinds(e.said); !slices.Equal(got, []string{"e1 SENT"}) {
		t.Errorf("fates %v", got)
	}
}

// What a pause held goes on in the order in which it came, in each call and among them.
func TestWhatAPauseHeldGoesOnOldestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.pauseScope(order(0, ledger.CmdPause, "rule/r"), &ledger.Answer{})
	var equal, others []string
	for i := range 40 {
		in := b.intent(fmt.Sprint("e", i), "r", fmt.Sprintf("u%02d", i), intent.Push)
		if i%2 == 0 {
			equal = append(equal, in.Target)
		} else {
			in.Content.Body = in.Target
			others = append(others, in.Target)
		}
		a.admit(in, b.offset)
	}
	a.lift("rule/r")
	l := a.accounts["stub:k"].lanes["user"]
	l.Parallel = 100
	calls := a.plan()
	if len(calls) != 1+len(others) || !slices.Equal(calls[0].vendor.Users, equal) {
		t.Fatalf("%d calls leave, the first to %v", len(calls), calls[0].vendor.Users)
	}
	var got []string
	for _, c := range calls[1:] {
		got = append(got, c.vendor.Users...)
	}
	if !slices.Equal(got, others) {
		t.Errorf("calls leave to %v", got)
	}
}
