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
	}{
		{"per_user a day of 23 hours", berlin, "per_user: 1 per day", []step{
			{"2000-03-25T23:30:00+01:00", "u1 a", sent, ""}, {"2000-03-26T00:30:00+01:00", "u1 b", sent, ""},
			{"2000-03-26T23:30:00+02:00", "u1 c", capped, ""}, {"2000-03-27T00:30:00+02:00", "u1 d", sent, ""}}},
		{"per_user a day of 25 hours", newYork, "per_user: 1 per day", []step{
			{"2000-10-29T00:30:00-04:00", "u1 a", sent, ""}, {"2000-10-29T23:30:00-05:00", "u1 b", capped, ""},
			{"2000-10-29T23:59:00-05:00", "u2 b", sent, ""}, {"2000-10-30T00:30:00-05:00", "u1 c", sent, ""}}},
		{"per_user rolling over a day of 23 hours", berlin, "per_user: 1 in 24h", []step{
			{"2000-03-25T20:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T20:30:00+02:00", "u1 b", capped, ""}, {"2000-03-26T21:30:00+02:00", "u1 c", sent, ""}}},
		{"per_user the month with the leap day", shanghai, "per_user: 1 per month", []step{
			{"2000-02-28T12:00:00+08:00", "u1 b", sent, ""},
			{"2000-02-29T23:30:00+08:00", "u1 c", capped, ""}, {"2000-03-01T00:30:00+08:00", "u1 d", sent, ""}}},
		{"per_user the week of the clock change", berlin, "per_user: 1 per week", []step{
			{"2000-03-25T12:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T23:30:00+02:00", "u1 b", capped, ""}, {"2000-03-27T00:30:00+02:00", "u1 c", sent, ""}}},
		{"rule on the leap day", shanghai, "rule: 1 per day", []step{
			{"2000-02-28T23:30:00+08:00", "u1 a", sent, ""}, {"2000-02-29T00:30:00+08:00", "u2 a", sent, ""},
			{"2000-02-29T23:30:00+08:00", "u3 a", capped, ""}, {"2000-03-01T00:30:00+08:00", "u4 a", sent, ""}}},
		{"rule rolling over a day of 25 hours", newYork, "rule: 1 in 24h", []step{
			{"2000-10-28T23:00:00-04:00", "u1 a", sent, ""}, {"2000-10-29T21:30:00-05:00", "u2 a", capped, ""}, {"2000-10-29T22:30:00-05:00", "u3 a", sent, ""}}},
		{"once over a day of 23 hours", berlin, `once: {by: "${product}", in: 24h}`, []step{
			{"2000-03-25T20:00:00+01:00", "u1 a", sent, ""}, {"2000-03-26T20:30:00+02:00", "u1 a", repeated, ""},
			{"2000-03-26T20:59:00+02:00", "u1 b", sent, ""}, {"2000-03-26T21:30:00+02:00", "u1 a", sent, ""}}},
		{"quiet hours over the jump", newYork, "quiet: 22:00-08:00, expire: 12h", []step{
			{"2000-04-01T21:30:00-05:00", "u1 a", sent, ""}, {"2000-04-01T23:00:00-05:00", "u1 b", sent, "2000-04-02T08:00:00-04:00"}}},
		{"quiet hours that end where no time is", newYork, "quiet: 22:00-02:30, expire: 12h", []step{
			{"2000-04-01T23:00:00-05:00", "u1 a", sent, "2000-04-02T03:00:00-04:00"}}},
		{"quiet hours over the hour that is twice", berlin, "quiet: 22:00-02:30, expire: 12h", []step{
			{"2000-10-28T23:00:00+02:00", "u1 a", sent, "2000-10-29T02:30:00+02:00"}}},
		{"brake over the leap day", shanghai, "brake: 2 in 24h", []step{
			{"2000-02-28T23:30:00+08:00", "u1 a", sent, ""}, {"2000-02-29T00:30:00+08:00", "u2 a", sent, ""}, {"2000-02-29T10:00:00+08:00", "u3 a", "SUPPRESSED(expired)", ""}}},
		{"expire over a day of 25 hours", newYork, "quiet: 00:00-23:50, expire: 24h", []step{
			{"2000-10-29T00:30:00-04:00", "u1 a", "SUPPRESSED(expired)", ""}, {"2000-10-29T01:30:00-05:00", "u2 a", sent, "2000-10-29T23:50:00-05:00"}}},
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
			file := pushRule(`{body: "${product}"}`, "    mode: live\n    limits: {"+limits+"}\n")
			simulate(t, setup{after: until(moment(t, c.steps[0].at)) - time.Hour, zone: c.zone, rules: file, quiet: true}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				want := map[string]string{}
				var leaves []time.Time
				for _, st := range c.steps {
					time.Sleep(time.Until(moment(t, st.at)))
					user, product, _ := strings.Cut(st.event, " ")
					event := w.order(user, product)
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
				sends := w.executed("/push/user.json")
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
