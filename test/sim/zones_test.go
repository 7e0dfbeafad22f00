//go:build synctests

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// step is an event of a day and what becomes of it; leaves is when, if it is not at once.
type step struct{ at, event, want, leaves string }

// Every limit of a rule, over days that are not 24 hours long, a leap day, the beginning of weeks and months, and the death of the process
// after every event. A day is the settings' day; what is rolling knows no days.
func TestLimitsOverDaysThatAreNotTheSame(t *testing.T) {
	const (
		berlin, newYork, shanghai = "Europe/Berlin", "America/New_York", "Asia/Shanghai"
		sent, capped, repeated    = "SENT", "SUPPRESSED(capped)", "SUPPRESSED(repeated)"
	)
	for _, c := range []struct {
		name, zone, limits string
		steps              []step
		sale               bool   // the steps are sales, which take the quota of the whole app
		keys               string // of the settings
	}{
		{name: "per_user a day of 23 hours", zone: berlin, limits: "per_user: 1 per day", steps: []step{
			{"2000-03-25T23:30:00+01:00", "u1 a", sent, ""}, {"2000-03-26T00:30:00+01:00", "u1 b", sent, ""},
			{"2000-03-26T23:30:00+02:00", "u1 c", capped, ""}, {"2000-03-27T00:30:00+02:00", "u1 d", sent, ""}}},
		{name: "per_user a day of 25 hours", zone: newYork, limits: "per_user: 1 per day", steps: []step{
			{"2000-10-29T00:30:00-04:00", "u1 a", sent, ""}, {"2000-10-29T23:30:00-05:00", "u1 b", capped, ""},
			{"2000-10-29T23:59:00-05:00", "u2 b", sent, ""}, {"2000-10-30T00:30:00-05:00", "u1 c", sent, ""}}},
		{name: "per_user rolling over a day of 23 hours", zone: berlin, limits: "per_user: 1 in 24h", steps: []step{
			{"2000-03-25T20:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T20:30:00+02:00", "u1 b", capped, ""}, {"2000-03-26T21:30:00+02:00", "u1 c", sent, ""}}},
		{name: "per_user the month with the leap day", zone: shanghai, limits: "per_user: 1 per month", steps: []step{
			{"2000-02-28T12:00:00+08:00", "u1 b", sent, ""},
			{"2000-02-29T23:30:00+08:00", "u1 c", capped, ""}, {"2000-03-01T00:30:00+08:00", "u1 d", sent, ""}}},
		{name: "per_user the week of the clock change", zone: berlin, limits: "per_user: 1 per week", steps: []step{
			{"2000-03-25T12:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T23:30:00+02:00", "u1 b", capped, ""}, {"2000-03-27T00:30:00+02:00", "u1 c", sent, ""}}},
		{name: "rule on the leap day", zone: shanghai, limits: "rule: 1 per day", steps: []step{
			{"2000-02-28T23:30:00+08:00", "u1 a", sent, ""}, {"2000-02-29T00:30:00+08:00", "u2 a", sent, ""},
			{"2000-02-29T23:30:00+08:00", "u3 a", capped, ""}, {"2000-03-01T00:30:00+08:00", "u4 a", sent, ""}}},
		{name: "rule rolling over a day of 25 hours", zone: newYork, limits: "rule: 1 in 24h", steps: []step{
			{"2000-10-28T23:00:00-04:00", "u1 a", sent, ""}, {"2000-10-29T21:30:00-05:00", "u2 a", capped, ""}, {"2000-10-29T22:30:00-05:00", "u3 a", sent, ""}}},
		{name: "once over a day of 23 hours", zone: berlin, limits: `once: {by: "${product}", in: 24h}`, steps: []step{
			{"2000-03-25T20:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T20:30:00+02:00", "u1 a", repeated, ""},
			{"2000-03-26T20:59:00+02:00", "u1 b", sent, ""}, {"2000-03-26T21:30:00+02:00", "u1 a", sent, ""}}},
		{name: "quiet hours over the jump", zone: newYork, limits: "quiet: 22:00-08:00, expire: 12h", steps: []step{
			{"2000-04-01T21:30:00-05:00", "u1 a", sent, ""}, {"2000-04-01T23:00:00-05:00", "u1 b", sent, "2000-04-02T08:00:00-04:00"}}},
		{name: "quiet hours that end where no time is", zone: newYork, limits: "quiet: 22:00-02:30, expire: 12h", steps: []step{
			{"2000-04-01T23:00:00-05:00", "u1 a", sent, "2000-04-02T03:00:00-04:00"}}},
		{name: "quiet hours over the hour that is twice", zone: berlin, limits: "quiet: 22:00-02:30, expire: 12h", steps: []step{
			{"2000-10-28T23:00:00+02:00", "u1 a", sent, "2000-10-29T02:30:00+02:00"}}},
		{name: "brake over the leap day", zone: shanghai, limits: "brake: 2 in 24h", steps: []step{
			{"2000-02-28T23:30:00+08:00", "u1 a", sent, ""}, {"2000-02-29T00:30:00+08:00", "u2 a", sent, ""}, {"2000-02-29T10:00:00+08:00", "u3 a", "SUPPRESSED(expired)", ""}}},
		{name: "expire over a day of 25 hours", zone: newYork, limits: "quiet: 00:00-23:50, expire: 24h", steps: []step{
			{"2000-10-29T00:30:00-04:00", "u1 a", "SUPPRESSED(expired)", ""}, {"2000-10-29T01:30:00-05:00", "u2 a", sent, "2000-10-29T23:50:00-05:00"}}},
		{name: "user_limits a day of 23 hours", zone: berlin, limits: "expire: 2h", keys: "user_limits: {service: 1 per day}\n", steps: []step{
			{"2000-03-25T23:30:00+01:00", "u1 a", sent, ""}, {"2000-03-26T00:30:00+01:00", "u1 b", sent, ""},
			{"2000-03-26T22:30:00+02:00", "u1 c", capped, ""}, {"2000-03-26T23:00:00+02:00", "u2 c", sent, ""}, {"2000-03-27T00:30:00+02:00", "u1 d", sent, ""}}},
		{name: "user_limits that a rule is free of", zone: berlin, limits: "per_user: none", keys: "user_limits: {service: 1 per day}\n", steps: []step{
			{"2000-03-25T12:30:00+01:00", "u1 a", sent, ""}, {"2000-03-25T13:30:00+01:00", "u1 b", sent, ""}}},
		{name: "quiet hours of weekdays over the jump", zone: berlin, limits: `quiet: ["mon-fri 12:00-14:00", "sat 22:00-10:00"], expire: 12h`, steps: []step{
			{"2000-03-24T12:30:00+01:00", "u1 a", sent, "2000-03-24T14:00:00+01:00"}, {"2000-03-24T23:00:00+01:00", "u1 b", sent, ""},
			{"2000-03-25T12:30:00+01:00", "u1 c", sent, ""}, {"2000-03-25T23:00:00+01:00", "u1 d", sent, "2000-03-26T10:00:00+02:00"}}},
		{name: "a rule's quota on a day of 25 hours", zone: newYork, sale: true, limits: "quota: 1 per day, expire: 48h", steps: []step{
			{"2000-10-29T00:30:00-04:00", "c1 a", sent, ""}, {"2000-10-29T23:00:00-05:00", "c2 b", sent, "2000-10-30T00:00:00-05:00"}}},
		{name: "a rule's quota that is not waited for", zone: newYork, sale: true, limits: "quota: 1 per day, no_quota: drop", steps: []step{
			{"2000-10-29T00:30:00-04:00", "c1 a", sent, ""}, {"2000-10-29T23:00:00-05:00", "c2 b", "SUPPRESSED(no-quota)", ""}, {"2000-10-30T00:30:00-05:00", "c3 c", sent, ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limits := c.limits
			if !strings.Contains(limits, "quiet") {
				limits += ", quiet: none"
			}
			if !strings.Contains(limits, "expire") {
				limits += ", expire: 2h"
			}
			file, happens, path := pushRule(`{body: "${product}"}`, "    mode: live\n    limits: {"+limits+"}\n"), (*world).order, "/push/user.json"
			if c.sale {
				file, happens, path = strings.Replace(ruleFile, "quiet: none, expire: 240h", limits, 1), (*world).sale, "/push.json"
			}
			simulate(t, setup{after: until(moment(t, c.steps[0].at)) - time.Hour, zone: c.zone, keys: c.keys, rules: file, quiet: true}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				want := map[string]string{}
				var leaves []time.Time
				for _, st := range c.steps {
					time.Sleep(time.Until(moment(t, st.at)))
					target, product, _ := strings.Cut(st.event, " ")
					event := happens(w, target, product)
					want[event] = st.want
					if st.leaves != "" {
						leaves = append(leaves, moment(t, st.leaves))
					} else if st.want == sent {
						leaves = append(leaves, moment(t, st.at))
					}
					time.Sleep(20 * time.Minute)
					d.kill()
					time.Sleep(time.Minute)
					d = w.start(s)
				}
				last := moment(t, c.steps[len(c.steps)-1].at)
				if n := len(leaves); leaves[n-1].After(last) {
					last = leaves[n-1]
				}
				time.Sleep(time.Until(last.Add(150 * time.Minute)))
				d.stop()
				if got := w.words(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("fates %v, want %v", got, want)
				}
				sends := w.executed(path)
				if len(sends) != len(leaves) {
					t.Fatalf("%d sends, want %d", len(sends), len(leaves))
				}
				for i, e := range sends {
					if late := at(e).Sub(leaves[i]); late < 0 || late > 11*time.Minute { // in these tests a restarted daemon takes up to 10 min to see its first event
						t.Errorf("send %d left at %s, want %s", i, at(e).In(leaves[i].Location()), leaves[i])
					}
				}
			})
		})
	}
}
