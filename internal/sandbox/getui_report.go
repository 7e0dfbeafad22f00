package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reportDays is how long results are kept.
const reportDays = 90

// figures are those of one or more tasks.
type figures struct{ targets, reachable, received int }

func (f figures) answer() map[string]any {
	gt := map[string]int{"target_num": f.reachable, "receive_num": f.received, "display_num": f.received, "click_num": 0}
	return map[string]any{"gt": gt, "total": map[string]int{
		"msg_num": f.targets, "target_num": f.reachable, "receive_num": f.received, "display_num": f.received, "click_num": 0,
	}}
}

func (f *figures) add(t *getuiTask) {
	f.targets += t.targets
	f.reachable += t.reachable
	f.received += t.received
}

// reportTasks knows list and app tasks of the last 90 days; others are left out, and
// none at all is a mistake.
func (c *getuiCall) reportTasks() (any, *getuiRefusal) {
	ids := strings.Split(c.params[0], ",")
	if len(ids) > 200 {
		return nil, badParameter("taskid size over limit")
	}
	data := map[string]any{}
	for _, id := range ids {
		if t, known := c.app.tasks.get(id); known && c.now-t.created <= reportDays*chinaDay {
			var f figures
			f.add(t)
			data[id] = f.answer()
		}
	}
	if len(data) == 0 {
		return nil, badTask
	}
	c.executed = true
	return data, nil
}

// reportDetail needs a permission that nobody has here.
func (c *getuiCall) reportDetail() (any, *getuiRefusal) {
	return nil, &getuiRefusal{http.StatusForbidden, 30017, "permission required by report detail"}
}

func (c *getuiCall) reportGroup() (any, *getuiRefusal) {
	f, found := c.figures(func(t *getuiTask) bool { return t.msg.group == c.params[0] })
	if !found {
		return nil, badParameter("group_name is invalid")
	}
	c.executed = true
	return map[string]any{c.params[0]: f.answer()}, nil
}

// figures sums up the tasks that are wanted.
func (c *getuiCall) figures(wanted func(*getuiTask) bool) (f figures, found bool) {
	for _, t := range c.app.tasks.values {
		if wanted(t) {
			found = true
			f.add(t)
		}
	}
	return f, found
}

// day reads yyyy-MM-dd as a day in China and returns its start.
func (c *getuiCall) day() (int64, *getuiRefusal) {
	day, err := time.ParseInLocation(time.DateOnly, c.params[0], china)
	if err != nil || day.UnixMilli() > c.now {
		return 0, badParameter("date is invalid")
	}
	return day.UnixMilli(), nil
}

func (c *getuiCall) reportPushDay() (any, *getuiRefusal) {
	from, refused := c.day()
	if refused != nil {
		return nil, refused
	}
	c.executed = true
	f, _ := c.figures(func(t *getuiTask) bool { return t.created >= from && t.created < from+chinaDay })
	return map[string]any{c.params[0]: f.answer()}, nil
}

// reportUserDay has no numbers for today yet.
func (c *getuiCall) reportUserDay() (any, *getuiRefusal) {
	from, refused := c.day()
	if refused == nil && from+chinaDay > c.now {
		refused = badParameter("date is invalid")
	}
	if refused != nil {
		return nil, refused
	}
	c.executed = true
	active := 0
	for _, u := range c.app.users {
		if u.lastLogin >= from && u.lastLogin < from+chinaDay {
			active++
		}
	}
	return map[string]any{c.params[0]: map[string]int{
		"accumulative_num": len(c.app.users), "register_num": 0, "active_num": active, "online_num": c.online(),
	}}, nil
}

func (c *getuiCall) online() (n int) {
	for _, u := range c.app.users {
		if u.online {
			n++
		}
	}
	return n
}

// reportOnline has a point for every ten minutes of the last day; here nobody comes
// or goes.
func (c *getuiCall) reportOnline() (any, *getuiRefusal) {
	const step = 10 * minute
	c.executed = true
	points, n := map[string]int{}, c.online()
	for at := c.now - c.now%step; at > c.now-chinaDay; at -= step {
		points[strconv.FormatInt(at, 10)] = n
	}
	return map[string]any{"online_statics": points}, nil
}

// reportCount is what is left of the day by limit. Where the vendor's nesting is not
// known beyond the numbers, names are those of the calls.
func (c *getuiCall) reportCount() (any, *getuiRefusal) {
	left := func(bucket string, most int) map[string]any {
		used := c.app.used[windowName{bucket, chinaDay}.at(c.now)]
		return map[string]any{"total_num": most, "push_num": used, "remain_num": max(most-used, 0), "limit": most > 0}
	}
	c.executed = true
	return map[string]any{
		"app":  map[string]any{"all": left("app", c.knobs.AppDayLimit), "tag": left("app", c.knobs.AppDayLimit)},
		"list": map[string]any{"cid": left("list", c.knobs.ListDayLimit)},
		"push": map[string]any{"single": left("push", c.knobs.PushDayLimit)},
	}, nil
}
