package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// pushAll sends to every device of the app; the audience is a word (section 4.4).
func (c *getuiCall) pushAll() (any, *getuiRefusal) {
	k := &fieldCheck{}
	return c.pushToApp(k, func(m map[string]any) {
		if v, there := k.field(m, "audience", true); there && v != "all" {
			k.fail("audience is invalid")
		}
	}, func(*getuiUser) bool { return true })
}

// pushTag sends to the devices that meet every condition.
func (c *getuiCall) pushTag() (any, *getuiRefusal) {
	var all []condition
	k := &fieldCheck{}
	return c.pushToApp(k, func(m map[string]any) {
		all = readConditions(k, k.object(m, "audience", true))
	}, func(u *getuiUser) bool { return meets(u, all) })
}

// pushFastTag sends to the devices with one tag, if that is bought.
func (c *getuiCall) pushFastTag() (any, *getuiRefusal) {
	var tag string
	k := &fieldCheck{}
	return c.pushToApp(k, func(m map[string]any) {
		tag = k.text(k.object(m, "audience", true), "fast_custom_tag", 0, true)
	}, func(u *getuiUser) bool { return slices.Contains(u.tags, tag) })
}

// pushToApp makes a task of the message and sends it now or when it is due. An
// audience of nobody is no mistake.
func (c *getuiCall) pushToApp(k *fieldCheck, audience func(map[string]any), picks func(*getuiUser) bool) (any, *getuiRefusal) {
	fast := c.lane() == "app_fast_tag"
	msg := c.readMessage(k, c.body, true, audience)
	if fast { // has no schedule
		msg.schedule, msg.scheduled = 0, false
	}
	if msg.scheduled && c.knobs.ScheduleEnabled && (msg.schedule <= c.now || msg.schedule > c.now+7*chinaDay) {
		k.refuse(&getuiRefusal{http.StatusBadRequest, 22002, "schedule_time is invalid"})
	}
	if k.refused != nil {
		return nil, k.refused
	}
	if first, repeated := c.repeated(msg); repeated {
		task, _, refused := c.repeat(msg, first, nil)
		return map[string]any{"taskid": task}, refused
	}
	switch {
	case fast && !c.knobs.FastTagEnabled:
		return nil, noPermission(30000, "fast_custom_tag")
	case msg.scheduled && !c.knobs.ScheduleEnabled:
		return nil, noPermission(30002, "schedule_time")
	}
	if refused := c.admit(false, 1); refused != nil {
		return nil, refused
	}
	c.charge(1)
	c.executed = true
	t := c.newTask("RASA", msg)
	t.picks = picks
	c.mode = "filter"
	if c.lane() == "app_all" {
		c.mode = "all"
	}
	c.remember(msg, t.id, nil)
	if msg.scheduled {
		t.state = taskWaiting
		c.getui.due = append(c.getui.due, t)
	} else {
		c.reached = c.sendToApp(t)
	}
	return map[string]any{"taskid": t.id}, nil
}

// sendToApp hands the task's message to every device that it picks, in the order of
// their ids, and returns those it reached.
func (g *getui) sendToApp(t *getuiTask) []string {
	t.state = taskSent
	var reached []string
	for _, cid := range sortedKeys(t.app.users) {
		u := t.app.users[cid]
		if !t.picks(u) {
			continue
		}
		word, channel := g.handOver(t.app, t.endpoint, t.id, t.msg, u)
		t.count(map[string]string{cid: word})
		if channel != "" {
			reached = append(reached, cid)
		}
	}
	return reached
}

// condition is one entry of an audience's tag array (section 6).
type condition struct {
	key    string
	values []string
	op     string
}

// The most conditions and values: the vendor has a code for too many, but no number.
const (
	maxConditions = 10
	maxValues     = 100
)

var regionCodes = regexp.MustCompile(`^[0-9]+$`)

// readConditions reads {"tag":[...]}.
func readConditions(k *fieldCheck, m map[string]any) []condition {
	items := k.list(m, "tag", 1<<20, true)
	tooMany := &getuiRefusal{http.StatusForbidden, 30016, "too many tags"}
	if len(items) > maxConditions {
		k.refuse(tooMany)
	}
	var all []condition
	for _, x := range items {
		o, is := x.(map[string]any)
		if !is {
			k.fail("tag type error")
		}
		cond := condition{key: k.choice(o, "key", true, "phone_type", "region", "custom_tag", "portrait")}
		cond.values = k.texts(o, "values", 1<<20)
		if len(cond.values) > maxValues {
			k.refuse(tooMany)
		}
		for _, v := range cond.values {
			if cond.key == "region" && !regionCodes.MatchString(v) ||
				cond.key == "phone_type" && !slices.Contains([]string{"android", "ios"}, strings.ToLower(v)) {
				k.fail("values is invalid")
			}
		}
		cond.op = k.choice(o, "opt_type", true, "or", "and", "not")
		all = append(all, cond)
	}
	return all
}

// meets intersects the conditions; the operator works within one of them. A device has
// a region or a portrait only if somebody gave it one (POST devices).
func meets(u *getuiUser, all []condition) bool {
	for _, cond := range all {
		hits := 0
		for _, v := range cond.values {
			if has := u.is(cond.key); slices.Contains(has, v) || cond.key == "phone_type" && slices.Contains(has, strings.ToLower(v)) {
				hits++
			}
		}
		switch {
		case cond.op == "or" && hits == 0, cond.op == "and" && hits < len(cond.values), cond.op == "not" && hits > 0:
			return false
		}
	}
	return true
}

// is what a device is, in the words of a condition's key.
func (u *getuiUser) is(key string) []string {
	switch key {
	case "phone_type":
		return []string{u.phone}
	case "region":
		return []string{u.region}
	case "portrait":
		return u.portrait
	}
	return u.tags
}
