package audit

import "fmt"

// Left says what a run has still to do before it can be judged; empty when only broadcasts wait, for slots that are not there, and at Getui
// tags for the next day.
func Left(in Input) (string, error) {
	c := &checker{Report: &Report{Fates: map[string]int{}}, in: in, x: expect(in.Events, in.Shops), names: map[string]id{}, fates: map[id]*fateRecord{}}
	var err error
	if c.l, err = readLedger(in.Ledger, nil, nil, nil); err != nil {
		return "", err
	}
	if err := c.checkIntents(); err != nil {
		return "", err
	}
	if err := c.checkFates(); err != nil {
		return "", err
	}
	lost, open, rewrites := 0, 0, 0
	for i, w := range c.x.wants {
		if c.fates[i] == nil && w.action != "broadcast" && !c.waitsForTheDay(w) {
			lost++
		}
	}
	var taken int64
	for _, p := range c.l.positions {
		taken += p.Intents
	}
	if n := len(in.Intents) - int(taken); n > 0 {
		return fmt.Sprintf("stage 2 has %d intents to take in", n), nil
	}
	for _, a := range c.l.attempts {
		if a.State == "started" || a.State == "again" {
			open++
		}
	}
	for _, u := range c.l.users {
		if !u.RewriteAt.IsZero() {
			rewrites++
		}
	}
	if lost+open+rewrites > 0 {
		return fmt.Sprintf("%d intents without fate, %d open attempts, %d users to be written once more", lost, open, rewrites), nil
	}
	for _, s := range in.Shops {
		if what := c.idle(c.waiting()[s], s); what != "" {
			return what, nil
		}
	}
	return "", nil
}

// idle says that broadcasts of an account wait although its slots are not used: two of this hour, at Getui 20 of the day.
func (c *checker) idle(waiting int, account string) string {
	if c.in.Vendor == Getui {
		return c.getuiIdle(waiting, account)
	}
	used := 0
	for _, a := range c.l.attempts {
		if a.Lane == "broadcast" && a.Account == "rongcloud:key-"+account && a.State != "not-sent" {
			used++
		}
	}
	if waiting > 0 && used < 2 {
		return fmt.Sprintf("%s: %d broadcasts wait, %d of 2 slots used", account, waiting, used)
	}
	return ""
}
