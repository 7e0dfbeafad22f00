package sandbox

import (
	"maps"
	"net/http"
)

// oneTarget makes the audience check of a call for exactly one cid or alias; target
// receives it.
func oneTarget(k *fieldCheck, kind string, target *string) func(map[string]any) {
	return func(m map[string]any) {
		if all := k.texts(k.object(m, "audience", true), kind, 1); len(all) > 0 {
			*target = all[0]
		}
	}
}

var badTarget = badParameter("target user is invalid")

// cids are the devices under a target, none for one that is unknown here.
func (c *getuiCall) cids(kind, target string) []string {
	if kind == "alias" {
		return c.app.aliases[target]
	}
	if c.app.users[target] == nil {
		return nil
	}
	return []string{target}
}

func (c *getuiCall) singleCID() (any, *getuiRefusal)   { return c.single("cid") }
func (c *getuiCall) singleAlias() (any, *getuiRefusal) { return c.single("alias") }

// single sends one message to one target, which an alias may fan out.
func (c *getuiCall) single(kind string) (any, *getuiRefusal) {
	var target string
	k := &fieldCheck{}
	msg := c.readMessage(k, c.body, true, oneTarget(k, kind, &target))
	if k.refused != nil {
		return nil, k.refused
	}
	cids := c.cids(kind, target)
	if first, repeated := c.repeated(msg); repeated {
		task, statuses, refused := c.repeat(msg, first, cids)
		return map[string]any{task: statuses}, refused
	}
	if refused := c.admit(false, 1); refused != nil {
		return nil, refused
	}
	if len(cids) == 0 {
		return nil, badTarget
	}
	task, statuses := c.send(msg, cids)
	return map[string]any{task: statuses}, nil
}

// send carries out one message of a single or batch call.
func (c *getuiCall) send(msg *message, cids []string) (task string, statuses map[string]string) {
	c.charge(1)
	task = c.newTaskID("RASS")
	statuses = c.deliver(msg, task, cids)
	c.remember(msg, task, statuses)
	return task, statuses
}

// deliver hands the message to devices and says per device what became of it.
func (c *getuiCall) deliver(msg *message, task string, cids []string) map[string]string {
	c.executed = true
	statuses := map[string]string{}
	for _, cid := range cids {
		word, channel := c.handOver(c.app, c.route.pattern, task, msg, c.app.users[cid])
		statuses[cid] = word
		if channel != "" {
			c.reached = append(c.reached, cid)
		}
	}
	return statuses
}

// repeated says whether the message's request id was executed within the window, and
// counts one that comes back with another message: the vendor loses that one (8.4).
func (c *getuiCall) repeated(msg *message) (seenID, bool) {
	first, known := c.known(msg.requestID)
	if known && first.hash != msg.hash {
		c.stats.RequestIDConflicts++
	}
	if known && c.knobs.DupMode != "leak" {
		c.repeats = append(c.repeats, msg.requestID)
		return first, true
	}
	return seenID{}, false
}

func (c *getuiCall) known(requestID string) (seenID, bool) {
	first, known := c.app.seen.get(requestID)
	return first, known && requestID != "" && max(c.now-first.at, first.at-c.now) < c.knobs.DupWindowMS
}

// repeat answers for a message that is not sent again, as the knob says.
func (c *getuiCall) repeat(msg *message, first seenID, cids []string) (string, map[string]string, *getuiRefusal) {
	switch c.knobs.DupMode {
	case "reject":
		return "", nil, badParameter("request_id cannot be repeat.")
	case "drop_new_task":
		statuses := map[string]string{}
		for _, cid := range cids {
			statuses[cid] = offline
		}
		return c.newTaskID(first.taskID[:4]), statuses, nil
	default:
		return first.taskID, first.statuses, nil
	}
}

func (c *getuiCall) remember(msg *message, task string, statuses map[string]string) {
	if msg.requestID != "" {
		c.app.seen.put(msg.requestID, seenID{c.now, msg.hash, task, statuses})
	}
}

func (c *getuiCall) batchCID() (any, *getuiRefusal)   { return c.batch("cid") }
func (c *getuiCall) batchAlias() (any, *getuiRefusal) { return c.batch("alias") }

// oneOfBatch is a message of a batch with its target.
type oneOfBatch struct {
	*message
	target string
}

// batch is section 4.2. It is judged as a whole before any of it is sent.
func (c *getuiCall) batch(kind string) (any, *getuiRefusal) {
	all, async, refused := c.readBatch(kind)
	if refused != nil {
		return nil, refused
	}
	fresh, inBatch := 0, map[string]bool{}
	for _, m := range all {
		_, known := c.known(m.requestID)
		known = known || inBatch[m.requestID]
		inBatch[m.requestID] = true
		switch {
		case !known || c.knobs.DupMode == "leak":
			fresh++
		case c.knobs.DupMode == "reject":
			first, _ := c.repeated(m.message)
			_, _, refused := c.repeat(m.message, first, nil)
			return nil, refused
		}
	}
	if refused := c.admit(false, fresh); refused != nil {
		return nil, refused
	}
	if c.knobs.BatchBadTarget == "reject_all" {
		for _, m := range all {
			if len(c.cids(kind, m.target)) == 0 {
				return nil, badTarget
			}
		}
	}

	data := map[string]any{}
	for _, m := range all {
		cids := c.cids(kind, m.target)
		if first, repeated := c.repeated(m.message); repeated {
			task, statuses, _ := c.repeat(m.message, first, cids)
			data[task] = statuses
		} else if len(cids) > 0 {
			task, statuses := c.send(m.message, cids)
			data[task] = statuses
		} else if c.knobs.BatchBadTarget == "status" {
			data[c.newTaskID("RASS")] = map[string]string{m.target: "target_invalid"}
		}
	}
	if async {
		return nil, nil
	}
	return data, nil
}

func (c *getuiCall) readBatch(kind string) (all []oneOfBatch, async bool, refused *getuiRefusal) {
	k := &fieldCheck{}
	async = k.flag(c.body, "is_async")
	items := k.list(c.body, "msg_list", c.knobs.BatchMax, true)
	c.countOversized(len(items), 200)
	if k.refused != nil {
		return nil, false, k.refused
	}
	var targets []string
	for _, item := range items {
		m, is := item.(map[string]any)
		if !is {
			return nil, false, badParameter("msg_list type error")
		}
		one := oneOfBatch{}
		one.message = c.readMessage(k, m, true, oneTarget(k, kind, &one.target))
		if k.refused != nil {
			return nil, false, k.refused
		}
		all, targets = append(all, one), append(targets, one.target)
	}
	k.unique(kind, targets)
	return all, async, k.refused
}

// countOversized counts a call beyond the published most, whatever the knobs allow.
func (c *getuiCall) countOversized(n, most int) {
	if n > most {
		c.stats.OversizedCalls++
	}
}

// listMessage keeps a message for the list calls (section 4.3).
func (c *getuiCall) listMessage() (any, *getuiRefusal) {
	k := &fieldCheck{}
	msg := c.readMessage(k, c.body, false, nil)
	if k.refused != nil {
		return nil, k.refused
	}
	if first, repeated := c.repeated(msg); repeated {
		task, _, refused := c.repeat(msg, first, nil)
		return map[string]any{"taskid": task}, refused
	}
	if refused := c.admit(false, 1); refused != nil {
		return nil, refused
	}
	c.charge(1)
	c.executed = true
	t := c.newTask("RASL", msg)
	c.remember(msg, t.id, nil)
	return map[string]any{"taskid": t.id}, nil
}

func (c *getuiCall) listCID() (any, *getuiRefusal)   { return c.list("cid") }
func (c *getuiCall) listAlias() (any, *getuiRefusal) { return c.list("alias") }

// list sends a kept message. It has no request id: what comes twice is sent twice.
func (c *getuiCall) list(kind string) (any, *getuiRefusal) {
	k := &fieldCheck{}
	audience := k.object(c.body, "audience", true)
	items, _ := audience[kind].([]any)
	c.countOversized(len(items), 1000)
	targets := k.texts(audience, kind, c.knobs.ListMax)
	k.unique(kind, targets)
	id := k.text(c.body, "taskid", 0, true)
	async := k.flag(c.body, "is_async")
	detail := k.flag(c.body, "need_alias_detail")
	if k.refused != nil {
		return nil, k.refused
	}
	if refused := c.admit(false, len(targets)); refused != nil {
		return nil, refused
	}
	t, known := c.app.tasks.get(id)
	if !known || !t.sendable(c.now) {
		return nil, badTask
	}
	by, valid := map[string]map[string]string{}, false
	for _, target := range targets {
		valid = valid || len(c.cids(kind, target)) > 0
	}
	if !valid {
		return nil, badTarget
	}
	c.charge(len(targets))
	for _, target := range targets {
		if cids := c.cids(kind, target); len(cids) > 0 {
			by[target] = c.deliver(t.msg, t.id, cids)
			t.count(by[target])
		}
	}
	c.countDouble()
	switch {
	case async:
		return nil, nil
	case kind == "alias" && detail:
		return map[string]any{t.id: by}, nil
	default:
		return map[string]any{t.id: c.flatten(kind, by)}, nil
	}
}

// flatten is a list's answer without detail: by cid, or by alias if the knob says so.
func (c *getuiCall) flatten(kind string, by map[string]map[string]string) map[string]string {
	flat := map[string]string{}
	for target, statuses := range by {
		if kind == "cid" || c.knobs.AliasListInner == "cid" {
			maps.Copy(flat, statuses)
			continue
		}
		for _, word := range []string{ignored, offline, online} { // the best of its devices
			for _, got := range statuses {
				if got == word {
					flat[target] = word
				}
			}
		}
	}
	return flat
}

// countDouble counts a list call that is executed again for one call id, as at the
// other vendor: X-Request-ID up to its last "-".
func (c *getuiCall) countDouble() {
	id := callID(c.arrival.header.Get("X-Request-ID"))
	if id == "" {
		return
	}
	n, _ := c.app.calls.get(id)
	if n > 0 {
		c.stats.Doubles++
	}
	c.app.calls.put(id, n+1)
}

// noPermission refuses what the account has not bought.
func noPermission(code int, what string) *getuiRefusal {
	return &getuiRefusal{http.StatusForbidden, code, "permission required by " + what}
}
