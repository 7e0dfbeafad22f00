package sandbox

// windowName is one quota of an app: a bucket that calls share, by its span.
type windowName struct {
	bucket string
	span   int64
}

// windows count by fixed windows: minutes and days in China. A clock that goes back
// finds the counts of then.
type windows map[windowAt]int

type windowAt struct {
	windowName
	index int64
}

func (n windowName) at(now int64) windowAt {
	shift := int64(0)
	if n.span == chinaDay {
		shift = 8 * hour
	}
	return windowAt{n, (now + shift) / n.span}
}

// end is when the window of now is over.
func (n windowName) end(now int64) int64 {
	at := n.at(now)
	end := (at.index + 1) * n.span
	if n.span == chinaDay {
		end -= 8 * hour
	}
	return end
}

// getuiLimit is a quota that a lane draws on and how its refusal looks. The numbers
// of some are not published: most is noLimit, and only a fault can close them.
type getuiLimit struct {
	windowName
	most       int
	http, code int
	early      bool // judged before the body is read (step 7)
}

const noLimit = -1

// onlyAbove0 reads a knob whose 0 means off.
func onlyAbove0(n int) int {
	if n == 0 {
		return noLimit
	}
	return n
}

// limits are those of the call's lane (section 9). Where the section leaves open
// whether lanes share a number, they do: that is the stricter reading.
func (c *getuiCall) limits() []getuiLimit {
	name := func(bucket string, span int64) windowName { return windowName{bucket, span} }
	k := c.knobs
	tagDay := getuiLimit{name("tag", chinaDay), k.TagDayLimit, 403, 30011, false}
	app := func(dayCode int) []getuiLimit {
		return []getuiLimit{
			{name("app", chinaDay), k.AppDayLimit, 403, dayCode, false},
			{name("app", minute), k.AppMinuteLimit, 403, 30014, false},
		}
	}
	switch c.lane() {
	case laneAuth:
		return []getuiLimit{
			{name("auth", minute), k.AuthMinuteLimit, 401, 10003, true},
			{name("auth", chinaDay), authDayLimit, 401, 10003, true},
		}
	case "single_cid", "single_alias", "batch_cid", "batch_alias":
		return []getuiLimit{
			{name("push", minute), onlyAbove0(k.SingleMinuteLimit), 401, 10005, true},
			{name("push", chinaDay), onlyAbove0(k.PushDayLimit), 403, 30009, false},
		}
	case "list_message", "list_cid", "list_alias":
		return []getuiLimit{
			{name("list", chinaDay), k.ListDayLimit, 403, 30008, false},
			{name("list", minute), noLimit, 403, 30015, false},
		}
	case "app_all":
		return app(30007)
	case "app_tag":
		return append(app(30010), getuiLimit{name("app-tag", chinaDay), noLimit, 403, 30004, false})
	case "app_fast_tag":
		return []getuiLimit{
			{name("fast-tag", chinaDay), noLimit, 403, 30006, false},
			{name("fast-tag", minute), noLimit, 403, 30013, false},
		}
	case "tag_set_cid":
		return []getuiLimit{{name("tag of "+c.params[0], chinaDay), 1, 403, 30011, false}, tagDay}
	case "tag_batch_add", "tag_batch_del":
		return []getuiLimit{{name("tag-batch", minute), k.TagMinuteLimit, 403, 30012, false}, tagDay}
	case "tag_get":
		return []getuiLimit{
			{name("tag-get", minute), tagGetMinuteLimit, 401, 10005, true},
			{name("tag-get", chinaDay), tagGetDayLimit, 403, 30011, false},
		}
	}
	return nil
}

// Limits that no knob moves.
const (
	authDayLimit      = 100_000
	tagGetMinuteLimit = 100
	tagGetDayLimit    = 10_000
)

// admit refuses what does not fit into the early or the other limits of the lane; it
// charges nothing.
func (c *getuiCall) admit(early bool, units int) *getuiRefusal {
	for _, l := range c.limits() {
		if l.early == early && l.most != noLimit && c.app.used[l.at(c.now)]+units > l.most {
			c.stats.RefusedByQuota++
			c.app.closed[l.windowName] = l.end(c.now)
			return &getuiRefusal{l.http, l.code, "the limit of this call is reached"}
		}
	}
	return nil
}

// charge takes from every limit of the lane for what is executed.
func (c *getuiCall) charge(units int) {
	c.spend(units)
	c.recount()
}

func (c *getuiCall) spend(units int) {
	for _, l := range c.limits() {
		c.app.used.add(l.at(c.now), units)
	}
}

// recount holds what was executed to the documented numbers, whatever the knobs say.
func (c *getuiCall) recount() {
	for _, l := range c.limits() {
		if most := documentedLimits[l.windowName]; most > 0 && c.app.used[l.at(c.now)] > most {
			c.stats.Overruns++
			return
		}
	}
}

// documentedLimits are the published numbers, the smaller where there are two.
var documentedLimits = map[windowName]int{
	{"auth", minute}:      100,
	{"auth", chinaDay}:    100_000,
	{"list", chinaDay}:    2_000_000,
	{"app", chinaDay}:     20,
	{"app", minute}:       5,
	{"tag-batch", minute}: 5,
	{"tag", chinaDay}:     10_000,
	{"tag-get", minute}:   100,
	{"tag-get", chinaDay}: 10_000,
}

// shut closes the quota of the lane that answers with the code, as a refusal of its
// own does: a fault said that it is used up.
func (c *getuiCall) shut(code int) {
	for _, l := range c.limits() {
		if l.code == code {
			c.app.closed[l.windowName] = l.end(c.now)
		}
	}
}

// countClosed counts a call that comes although a quota of its lane has refused one
// and its window is not over.
func (c *getuiCall) countClosed() {
	for _, l := range c.limits() {
		if until, closed := c.app.closed[l.windowName]; closed && c.now < until {
			c.stats.CallsWhileClosed++
			return
		}
	}
}

// mostWindows is after how many new counts those that are over are forgotten.
const mostWindows = 50_000

func (w windows) add(at windowAt, units int) {
	_, known := w[at]
	w[at] += units
	if !known && len(w)%mostWindows == 0 {
		for old := range w {
			if old.index*old.span < at.index*at.span-2*chinaDay {
				delete(w, old)
			}
		}
	}
}
