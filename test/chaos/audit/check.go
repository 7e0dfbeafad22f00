package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Input is everything the audit looks at.
type Input struct {
	Vendor  string   // Getui, or RongCloud
	Shops   []string // accounts with broadcasts
	Events  []Record
	Intents []Record
	Fates   []Record
	Dead    []Record
	Ledger  []Record
	Acked   []Place  // events that the broker acknowledged
	Kills   []Moment // in order
	Starts  []Moment // in order
	Drains  []Moment // when a process had ended after SIGTERM, in order

	Journal  io.Reader                      // the sandbox's --log file
	Tags     map[string]map[string][]string // account -> user -> the vendor's set at the end
	Overruns int                            // of /_sbx/stats
	Doubles  int

	TagDay map[string]int  // Getui: account -> changes of tags a day, where they are few
	Told   map[string]Told // what the program says in the end of the tags of these accounts
}

// Told is what `notifier quota` and `notifier pending list` say of a lane.
type Told struct {
	Waiting int
	Until   time.Time
	Events  []string
}

// Report is the outcome. Problems is empty when all is well; each begins with its kind and a colon.
type Report struct {
	Events, Quiet, Intents, Dead int
	Fates                        map[string]int // by action, fate and reason
	Calls                        map[string]int // executed, by path
	Faults                       map[string]int // arrivals that a fault met
	Unknown                      int
	Refused                      int // for a limit per second, because an earlier call arrived late
	Pending                      int // broadcasts that wait for a slot
	Undone                       int // Getui: profile intents whose change of tags waits for the next day
	Repeats                      int // tag calls that told the vendor nothing new because a killed process had made them; at Getui pushes that came again and were dropped
	ListsUnknown                 int // pushes that went by a list and are UNKNOWN
	Needless                     int // tag calls that told the vendor nothing new, whatever the reason
	Rewrites                     int // users written beyond one for each SENT profile intent
	Crashes                      []Crash
	Drains                       int             // ends in peace that were looked at
	FirstCall                    []time.Duration // from a start to the first call of that process, sorted
	Callers                      map[string]int  // starts after which a call came, by release
	Problems                     []string
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// checker is one audit under way.
type checker struct {
	*Report
	in    Input
	x     *expectation
	l     *ledger
	calls []call
	names map[string]id // intent id on the wire + account
	fates map[id]*fateRecord
	got   map[sendKey]int // executed sends

	messages map[string]string // Getui: texts stored for lists, by task
}

// sendKey is what the vendor sees of an intent: the texts name rule and event.
type sendKey struct{ account, rule, event, target string }

// Check audits a run that has drained. An error means that something could not be read, and nothing is said of the run.
func Check(in Input) (*Report, error) {
	c := &checker{Report: &Report{Fates: map[string]int{}, Calls: map[string]int{}, Faults: map[string]int{}, Callers: map[string]int{}}, in: in,
		x: expect(in.Events, in.Shops), names: map[string]id{}, fates: map[id]*fateRecord{}, got: map[sendKey]int{}, messages: map[string]string{}}
	var err error
	if c.l, err = readLedger(in.Ledger, in.Starts, in.Kills, in.Drains); err != nil {
		return nil, err
	}
	if err := c.readJournal(); err != nil {
		return nil, err
	}
	c.Events, c.Quiet, c.Intents, c.Dead, c.Crashes, c.Drains = len(in.Events), c.x.quiet, len(in.Intents), len(in.Dead), c.l.crashes, c.l.drains
	c.checkAcked()
	c.checkDead()
	if err := c.checkIntents(); err != nil {
		return nil, err
	}
	if err := c.checkFates(); err != nil {
		return nil, err
	}
	c.checkTwins()
	c.checkCalls()
	c.checkLists()
	c.checkSends()
	c.checkTags()
	c.checkTold()
	c.checkQuota()
	c.checkBooks()
	c.firstCalls()
	return c.Report, nil
}

func (c *checker) readJournal() error {
	in := bufio.NewScanner(c.in.Journal)
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		var one call
		if err := json.Unmarshal(in.Bytes(), &one); err != nil {
			return fmt.Errorf("sandbox journal, line %d: %w", len(c.calls)+1, err)
		}
		if json.Unmarshal(one.Raw, &one.body) != nil {
			one.body = body{}
		}
		c.calls = append(c.calls, one)
		if one.Fault != "" {
			c.Faults[one.Fault]++
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("sandbox journal: %w", err)
	}
	return nil
}

// checkAcked: what the embedded broker acknowledged is in its topics after all the kills.
func (c *checker) checkAcked() {
	have := map[string]string{}
	for _, r := range c.in.Events {
		var e event
		_ = json.Unmarshal(r.Value, &e) // a record that cannot be read has no id
		have[r.place()] = e.ID
	}
	for _, p := range c.in.Acked {
		at := fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset)
		got, ok := have[at]
		if !ok {
			c.problem("broker lost an event: %s was acknowledged at %s", p.Event, at)
		} else if got != p.Event && !strings.HasPrefix(p.Event, "bad-") {
			c.problem("broker changed an event: %s was acknowledged at %s, there is %s", p.Event, at, got)
		}
	}
}

func (c *checker) checkDead() {
	seen := map[string]bool{}
	for _, r := range c.in.Dead {
		if seen[r.Origin] {
			c.problem("dead letter twice: %s", r.Origin)
		}
		seen[r.Origin] = true
		if !c.x.dead[r.Origin] || r.Reason != "undecodable" {
			c.problem("dead letter extra: %s (%s)", r.Origin, r.Reason)
		}
	}
	for at := range c.x.dead {
		if !seen[at] {
			c.problem("dead letter missing: %s", at)
		}
	}
}

// checkIntents: stage 1 is exactly-once, so every intent that the input implies is in the topic once.
func (c *checker) checkIntents() error {
	seen := map[id]bool{}
	for _, r := range c.in.Intents {
		in, err := readIntent(r)
		if err != nil {
			return err
		}
		i := id{Record{Topic: in.Event.Topic, Partition: in.Event.Partition, Offset: in.Event.Offset}.place(), in.Rule, in.Target, in.Account}
		switch w := c.x.wants[i]; {
		case w == nil:
			c.problem("intent extra: %s", i)
		case seen[i]:
			c.problem("intent twice: %s", i)
		case w.action != in.Action || w.event != in.Event.ID:
			c.problem("intent differs: %s is %s of event %s", i, in.Action, in.Event.ID)
		}
		seen[i] = true
		c.names[in.ID+" "+in.Account] = i
	}
	for i := range c.x.wants {
		if !seen[i] {
			c.problem("intent missing: %s", i)
		}
	}
	return nil
}

// checkFates: one fate for each intent, of a kind it may have; only a broadcast may still wait.
func (c *checker) checkFates() error {
	for _, r := range c.in.Fates {
		f, err := decode[fateRecord](r)
		if err != nil {
			return err
		}
		i, ok := c.names[f.Intent+" "+f.Account]
		if !ok {
			c.problem("fate without intent: %s %s", f.Intent, &f)
			continue
		}
		if old := c.fates[i]; old != nil {
			c.problem("two fates: %s is %s and %s", i, old, &f)
			continue
		}
		c.fates[i] = &f
		c.Fates[f.Action+" "+f.String()]++
		w := c.x.wants[i]
		if w == nil {
			continue // said already
		}
		late := f.String() == "SUPPRESSED(expired)" && !w.expire.IsZero() && !f.At.Before(w.expire)
		if !slices.Contains(allowed[w.action], f.String()) && !late {
			c.problem("wrong fate: %s is %s (%s)", i, &f, f.Detail)
		}
		if f.Fate == "UNKNOWN" {
			c.Unknown++
			if c.atGetui(i.account) {
				c.checkWindow(i, &f)
			}
			if !c.l.unknown[f.Attempt] {
				c.problem("unfounded UNKNOWN: %s names attempt %q, which the ledger never called unknown", i, f.Attempt)
			}
		}
	}
	for i, w := range c.x.wants {
		f := c.fates[i]
		switch {
		case f == nil && w.action == "broadcast":
			c.Pending++
		case f == nil && c.waitsForTheDay(w):
			c.Undone++
		case f == nil:
			c.problem("lost: %s has no fate", i)
		case f.Fate == "COALESCED":
			into, ok := c.names[f.Into+" "+i.account]
			if !ok || into.target != i.target || into.rule != i.rule || into == i {
				c.problem("coalesced into a stranger: %s into %q", i, f.Into)
			}
		}
	}
	return nil
}

var allowed = map[string][]string{
	"tags":      {"SENT", "COALESCED", "SUPPRESSED(stale)", "SUPPRESSED(unchanged)"},
	"push":      {"SENT", "UNKNOWN", "SUPPRESSED(duplicate)"},
	"broadcast": {"SENT", "UNKNOWN", "SUPPRESSED(duplicate)"},
}

func (w *want) send() sendKey { return sendKey{w.account, w.rule, w.event, w.target} }

// checkTwins: of equal intents (one event produced several times) all but one are duplicates.
func (c *checker) checkTwins() {
	twins, dups := map[sendKey]int{}, map[sendKey]int{}
	for i, w := range c.x.wants {
		if w.action == "tags" {
			continue
		}
		twins[w.send()]++
		if f := c.fates[i]; f != nil && f.Reason == "duplicate" {
			dups[w.send()]++
		}
	}
	for k, n := range twins {
		if dups[k] != n-1 {
			c.problem("duplicates: %d of %d intents of event %s, rule %s, target %s are duplicates", dups[k], n, k.event, k.rule, k.target)
		}
	}
}

// checkCalls: every call was on record before it arrived, and says what an intent wants said.
func (c *checker) checkCalls() {
	for i := range c.calls {
		one := &c.calls[i]
		if one.Path == "/user/tags/get.json" || one.asksGetui() {
			continue // a probe: reads only
		}
		at, ok := c.l.started[one.id()]
		if arrived := time.UnixMilli(one.AtMS); !ok {
			c.problem("call without attempt: %s %s of %s", one.Path, one.id(), one.App)
		} else if at.After(arrived.Add(5 * time.Millisecond)) { // the broker's milliseconds and the vendor's
			c.problem("call before its attempt: %s %s arrived %s early", one.Path, one.id(), at.Sub(arrived))
		}
		if !one.Executed {
			continue
		}
		if one.atGetui() {
			c.getuiSends(one)
			continue
		}
		c.Calls[one.Path]++
		account := strings.TrimPrefix(one.App, "key-")
		text, users := one.body.Notification.PushContent, one.body.UserIDs
		switch one.Path {
		case "/push.json":
			text, users = one.body.Notification.Alert, []string{"*"}
		case "/push/user.json":
		default:
			continue
		}
		rule, event, _ := strings.Cut(text, " ")
		for _, u := range users {
			c.got[sendKey{account, rule, event, u}]++
		}
	}
}

// checkSends compares the vendor's journal with the fates, both ways.
func (c *checker) checkSends() {
	fate := map[sendKey]*fateRecord{}
	known := map[sendKey]*want{}
	for i, w := range c.x.wants {
		if w.action == "tags" {
			continue
		}
		k := w.send()
		known[k] = w
		if f := c.fates[i]; f != nil && f.Reason != "duplicate" {
			fate[k] = f
		}
	}
	for k, n := range c.got {
		w := known[k]
		switch {
		case w == nil:
			c.problem("phantom: %s/%s for event %s reached %s, nobody asked for it", k.account, k.rule, k.event, k.target)
		case n > 1 && w.action == "broadcast":
			c.problem("broadcast doubled: %s for event %s arrived %d times", k.rule, k.event, n)
		case n > 1:
			c.problem("push doubled: %s for event %s reached %s %d times", k.rule, k.event, k.target, n)
		case fate[k] == nil:
			c.problem("sent without fate: %s for event %s reached %s, its intent is pending", k.rule, k.event, k.target)
		}
	}
	for k, f := range fate {
		if f.Fate == "SENT" && c.got[k] == 0 {
			c.problem("lost push: %s for event %s to %s is SENT, the vendor never got it", k.rule, k.event, k.target)
		}
	}
}

func (c *checker) checkTags() {
	for account, have := range c.in.Tags {
		names := map[string]bool{}
		for u := range have {
			names[u] = true
		}
		for u := range c.x.users {
			names[u] = true
		}
		for _, u := range slices.Sorted(maps.Keys(names)) {
			if c.undone(account)[u] != nil {
				continue
			}
			want, got := c.x.users[u].tags(account), slices.Sorted(slices.Values(have[u]))
			slices.Sort(want)
			if !slices.Equal(want, got) {
				c.problem("wrong tags: %s/%s has %v, want %v", account, u, got, want)
			}
		}
	}
	if c.in.Vendor != Getui { // there a user's tags may take several calls
		c.countRewrites()
	}
}

// countRewrites counts the users in tag calls beyond one for each SENT.
func (c *checker) countRewrites() {
	sent := 0
	for _, f := range c.fates {
		if f.Action == "tags" && f.Fate == "SENT" {
			sent++
		}
	}
	for i := range c.calls {
		one := &c.calls[i]
		if !one.Executed {
			continue
		}
		switch one.Path {
		case "/user/tag/set.json":
			c.Rewrites++
		case "/user/tag/batch/set.json":
			c.Rewrites += len(one.body.UserIDs)
		}
	}
	c.Rewrites -= sent
	c.countRepeats()
}

// checkQuota asks the sandbox's counts, and counts the scarce calls again: 2 in any hour, 3 in a run of minutes.
func (c *checker) checkQuota() {
	if n := c.in.Overruns - c.bought(); n > 0 {
		c.problem("overrun: the sandbox counts %d", n)
	}
	if c.in.Doubles > 0 {
		c.problem("doubles: the sandbox counts %d", c.in.Doubles)
	}
	c.checkGetuiQuota()
	if c.in.Vendor == Getui {
		return
	}
	c.checkRefusals()
	at := map[string][]int64{}
	for i := range c.calls {
		if one := &c.calls[i]; one.Executed && one.Path == "/push.json" {
			at[one.App] = append(at[one.App], one.AtMS)
		}
	}
	for app, ts := range at {
		slices.Sort(ts)
		if len(ts) > 3 {
			c.problem("overrun: %s made %d broadcasts, 3 a day are allowed", app, len(ts))
		}
		for i := 2; i < len(ts); i++ {
			if d := time.Duration(ts[i]-ts[i-2]) * time.Millisecond; d < time.Hour {
				c.problem("overrun: %s made 3 broadcasts in %s, 2 an hour are allowed", app, d)
			}
		}
	}
}

// checkRefusals: the vendor has no reason to refuse a call for its limits (1008). There is one excuse, and only where the limit is
// per second: a call that arrived after the daemon had given it up took the room of a later one.
func (c *checker) checkRefusals() {
	late := map[string][]int64{} // App Key -> arrivals after their attempt's time
	for i := range c.calls {
		one := &c.calls[i]
		if a := c.l.ever[one.id()]; a != nil && one.Executed && one.AtMS > a.NotAfter.UnixMilli() {
			late[one.App] = append(late[one.App], one.AtMS)
		}
	}
	for i := range c.calls {
		one := &c.calls[i]
		if one.Code != 1008 || one.Executed {
			continue
		}
		c.Refused++
		if one.Path == "/push.json" || !slices.ContainsFunc(late[one.App], func(at int64) bool { return at <= one.AtMS && one.AtMS-at <= 1000 }) {
			c.problem("overrun: the vendor refused %s of %s for its limits, our ledger should have", one.id(), one.App)
		}
	}
}

// checkBooks: the ledger is at rest, agrees with the topics, and its sums hold.
func (c *checker) checkBooks() {
	for _, a := range c.l.attempts {
		if a.State == "started" || a.State == "again" {
			c.problem("open attempt: %s of %s/%s after the drain", a.ID, a.Account, a.Lane)
		}
	}
	for _, id := range c.l.torn {
		c.problem("torn drain: the process that ended in peace left %s open", id)
	}
	for u, r := range c.l.users {
		if !r.RewriteAt.IsZero() {
			c.problem("open rewrite: %s at %s after the drain", u, r.RewriteAt.Format(time.RFC3339))
		}
	}
	var intents, fates int64
	for _, p := range c.l.positions {
		intents += p.Intents
		fates += p.Fates
	}
	if int(intents) != len(c.in.Intents) {
		c.problem("books: the ledger took in %d intents, the topic has %d", intents, len(c.in.Intents))
	}
	if int(fates) != len(c.in.Fates) {
		c.problem("books: the ledger counts %d fates, the topic has %d", fates, len(c.in.Fates))
	}
	if int(intents-fates) != len(c.l.pending) {
		c.problem("books: %d intents - %d fates, but %d pending", intents, fates, len(c.l.pending))
	}
	for _, s := range c.in.Shops {
		if n := c.idle(c.waiting()[s], s); n != "" {
			c.problem("idle slot: %s", n)
		}
	}
	if len(c.l.pending) != c.Pending+c.Undone {
		c.problem("books: the ledger has %d pending, %d broadcasts and %d profile intents have no fate", len(c.l.pending), c.Pending, c.Undone)
	}
}

// waiting counts the broadcasts without fate, by account.
func (c *checker) waiting() map[string]int {
	out := map[string]int{}
	for i, w := range c.x.wants {
		if w.action == "broadcast" && c.fates[i] == nil {
			out[i.account]++
		}
	}
	return out
}

// firstCalls measures from the start of a process to the arrival of its first call. An attempt is of its owner's process that
// started last before its record.
func (c *checker) firstCalls() {
	first := make([]time.Duration, len(c.in.Starts))
	for i := range c.calls {
		id := c.calls[i].id()
		at, ok := c.l.started[id]
		if !ok {
			continue
		}
		n := len(c.in.Starts) - 1
		for n >= 0 && (c.in.Starts[n].At.After(at) || !c.l.ever[id].of(c.in.Starts[n].Process)) {
			n--
		}
		if n < 0 {
			continue
		}
		if d := time.UnixMilli(c.calls[i].AtMS).Sub(c.in.Starts[n].At); first[n] == 0 || d < first[n] {
			first[n] = d
		}
	}
	for n, d := range first {
		if d > 0 {
			c.Callers[c.in.Starts[n].Release]++
			c.FirstCall = append(c.FirstCall, d)
		}
	}
	slices.Sort(c.FirstCall)
}
