package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// trace is what a refused call must leave as it was. A token that /auth would have
// given and its attempts are apart.
func (g *getui) trace() string {
	app := g.apps[getuiApp1]
	used := 0
	for at, n := range app.used {
		if at.bucket != "auth" {
			used += n
		}
	}
	tags, black := 0, 0
	for _, u := range app.users {
		tags += len(u.tags)
		if u.black {
			black++
		}
	}
	return fmt.Sprint(used, len(app.seen.values), len(app.tasks.values), len(g.log.kept), len(g.due), len(g.tokens), app.aliases, tags, black)
}

// FuzzNoGetuiBodyBreaksTheServer: whatever a body holds, the call is refused with its
// code's status and leaves no trace, or it is executed or dropped as a repeat, and it
// can be written to the journal.
func FuzzNoGetuiBodyBreaksTheServer(f *testing.F) {
	for i := range getuiRoutes {
		for _, body := range []string{
			"", "{", "[]", "null", "{}", toCID(rid(1), f1), toCID(rid(3), "nobody"), batchOf(toCID(rid(1), f1), toCID(rid(1), f2)), toAll(rid(1)), shows(rid(2), `"7"`, "c"),
			toTag(rid(1), `{"key":"custom_tag","values":["a"],"opt_type":"not"}`), `{"tag":[null],"cid":["` + f1 + `"],"badge":"+1"}`,
			`{"data_list":[{"cid":"` + f1 + `","alias":"开心"}],"custom_tag":["a","b"]}`, listTo("alias", "RASL_x", "user_1001"),
			`{"request_id":"0123456789","settings":{"strategy":[],"schedule_time":1700000000001},"audience":"all","push_message":{"transmission":"x"},"push_channel":{"ios":{"multimedia":[{}]}}}`,
		} {
			f.Add(uint8(i), uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which, knobs uint8, body []byte) {
		w, cancel := direct(DefaultSwitches())
		defer cancel()
		g := w.getui
		g.knobs.ScheduleEnabled, g.knobs.FastTagEnabled = knobs&1 != 0, knobs&2 != 0
		g.knobs.DupMode = []string{"replay", "drop_new_task", "reject", "leak"}[knobs>>2&3]
		g.knobs.BatchBadTarget = []string{"omit", "status", "reject_all"}[knobs>>4%3]
		list := &getuiTask{id: "RASL_x", app: g.apps[getuiApp1], msg: &message{ttl: hour, content: &Content{}}, created: g.clock.ms()}
		list.app.tasks.put(list.id, list)

		route := getuiRoutes[int(which)%len(getuiRoutes)]
		path := getuiPrefix + "/" + getuiApp1 + strings.NewReplacer("{cid}", f1, "{cids}", f1, "{taskid}", list.id, "{ids}", list.id, "{date}", "2023-11-14",
			"{token}", "tok-valid", "{tag}", "t", "{alias}", "user_1001", "{group}", "g").Replace(route.pattern)
		for range 2 { // the second is a repeat
			before := g.trace()
			a := &arrival{world: w, host: "primary", conn: &connection{}, method: route.method, path: path, body: body, header: http.Header{"Token": {"tok-valid"}}}
			a.getui = g.arrive(a, path)
			if a.getui.route != route {
				t.Fatalf("%s is routed to %+v", path, a.getui.route)
			}
			e := a.describe()
			out := w.execute(a, e)
			if out.status != getuiStatus(e.Code) || codeOf(out.body) != e.Code {
				t.Errorf("status %d, code %d, %s", out.status, e.Code, out.body)
			}
			if e.Code != 0 && (e.Executed || g.trace() != before) {
				t.Errorf("refused with %d, executed %v: %s after %s", e.Code, e.Executed, g.trace(), before)
			}
			if e.Code == 0 && !e.Executed && len(e.Repeats) == 0 && !strings.HasPrefix(route.lane, "batch_") { // a batch without a known target
				t.Errorf("neither refused nor executed nor a repeat: %s", out.body)
			}
			if g.knobs.DupMode != "leak" && g.stats.DuplicateDeliveries > 0 {
				t.Errorf("delivered twice: %s", out.body)
			}
			encode(t, e)
		}
	})
}
