package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// getuiTask is a message kept for list calls, or a push to an app.
type getuiTask struct {
	id       string
	app      *getuiApp
	endpoint string // route
	msg      *message
	created  int64
	stopped  bool
	state    string // of an app push
	picks    func(*getuiUser) bool

	targets, reachable, received int
}

const (
	taskWaiting = "waiting"
	taskSent    = "success"
	taskStopped = "stopped"
	taskRemoved = "removed"
)

var badTask = badParameter("taskid is invalid")

func (c *getuiCall) newTask(prefix string, msg *message) *getuiTask {
	t := &getuiTask{id: c.newTaskID(prefix), app: c.app, endpoint: c.route.pattern, msg: msg, created: c.now}
	c.app.tasks.put(t.id, t)
	return t
}

// sendable is whether a list call may use the task: it lives as long as its message.
func (t *getuiTask) sendable(now int64) bool {
	return strings.HasPrefix(t.id, "RASL_") && !t.stopped && now-t.created <= max(t.msg.ttl, 0)
}

// count adds what became of devices.
func (t *getuiTask) count(statuses map[string]string) {
	for _, word := range statuses {
		t.targets++
		if word != ignored {
			t.reachable++
		}
		if word == online {
			t.received++
		}
	}
}

// stopTask stops a list or an app push; a single one cannot be. What was handed over
// stays there. Stopping again changes nothing.
func (c *getuiCall) stopTask() (any, *getuiRefusal) {
	t, known := c.app.tasks.get(c.params[0])
	if !known {
		return nil, badTask
	}
	t.stopped, c.executed = true, true
	if t.state == taskWaiting {
		t.state = taskStopped
	}
	c.unschedule(t)
	return nil, nil
}

// settle sends what is due. Everything that looks at Getui's state comes through
// here first, so a schedule needs no timer.
func (g *getui) settle() {
	now := g.clock.ms()
	g.due = slices.DeleteFunc(g.due, func(t *getuiTask) bool {
		if t.msg.schedule > now {
			return false
		}
		g.sendToApp(t)
		return true
	})
}

// taskDetail is the path of one message to one device: needs a permission that
// nobody has here.
func (c *getuiCall) taskDetail() (any, *getuiRefusal) {
	return nil, &getuiRefusal{http.StatusUnauthorized, 10004, "no permission for message detail"}
}

var (
	badSchedule  = &getuiRefusal{http.StatusBadRequest, 22002, "taskid is invalid"}
	executedTask = &getuiRefusal{http.StatusBadRequest, 22001, "task was executed already"}
)

// scheduled finds a task that has or had a schedule.
func (c *getuiCall) scheduled() (*getuiTask, *getuiRefusal) {
	t, known := c.app.tasks.get(c.params[0])
	if !known || !t.msg.scheduled || t.state == taskRemoved {
		return nil, badSchedule
	}
	return t, nil
}

func (c *getuiCall) getSchedule() (any, *getuiRefusal) {
	t, refused := c.scheduled()
	if refused != nil {
		return nil, refused
	}
	c.executed = true
	return map[string]any{t.id: map[string]any{
		"create_time": c.time(t.created), "push_time": c.time(t.msg.schedule), "send_result": t.state,
		"transmission_content": cmp.Or(t.msg.content.Transmission, t.msg.content.Body),
	}}, nil
}

// removeSchedule takes a task back before it runs.
func (c *getuiCall) removeSchedule() (any, *getuiRefusal) {
	t, refused := c.scheduled()
	switch {
	case refused != nil:
		return nil, refused
	case t.state == taskSent:
		return nil, executedTask
	}
	t.state, c.executed = taskRemoved, true
	c.unschedule(t)
	return nil, nil
}

func (c *getuiCall) unschedule(t *getuiTask) {
	c.getui.due = slices.DeleteFunc(c.getui.due, func(d *getuiTask) bool { return d == t })
}
