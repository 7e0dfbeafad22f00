package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Section 13.2: of two things that are wrong with a call the earlier step speaks, and
// a refused call leaves no trace.
func TestGetuiOrderOfChecks(t *testing.T) {
	b := startFixed(t)
	b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
	b.knobs(`{"push_day_limit":1,"schedule_enabled":false,"app_day_limit":0}`)
	for _, c := range []struct {
		name, method, path, token, body string
		http, code                      int
	}{
		{"app before route", "POST", "/v2/Nobody/nowhere", "", "", 400, 20001},
		{"route before token", "POST", "/push/nowhere", "", "", 404, 404},
		{"verb before token", "PUT", singlePath, "", "", 405, 405},
		{"token before body", "POST", singlePath, "tok-expired", "x", 401, 10001},
		{"body before fields", "POST", singlePath, "tok-valid", "[]", 200, 1},
		{"fields before repeat", "POST", singlePath, "tok-valid", `{"request_id":"` + rid(1) + `"}`, 400, 20001},
		{"repeat before quota", "POST", singlePath, "tok-valid", toCID(rid(1), f1), 200, 0},
		{"quota before target", "POST", singlePath, "tok-valid", toCID(rid(2), "nobody"), 403, 30009},
		{"permission before quota", "POST", "/push/all", "tok-valid", `{"request_id":"rid-schedule","settings":{"schedule_time":1},"audience":"all",` + textMessage + `}`, 403, 30002},
	} {
		at := c.path
		r := b.getuiRequest(c.method, at, c.body)
		if strings.HasPrefix(at, "/v2/") {
			r.URL.Path = at
		}
		r.Header.Set("token", c.token)
		if got := b.sendGetui(r); got.http != c.http || got.code != c.code {
			t.Errorf("%s: got %d/%d %s, want %d/%d", c.name, got.http, got.code, got.msg, c.http, c.code)
		}
	}
	b.knobs(`{"push_day_limit":2}`)
	b.want("POST", singlePath, toCID(rid(2), f1), 200, 0) // neither quota nor id were used up
	if n := b.delivered(f1); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

// Section 13.3.
func TestGetuiTargets(t *testing.T) {
	b := startFixed(t)
	ttl := func(rid, cid string, ttl int) string {
		return fmt.Sprintf(`{"request_id":%q,"settings":{"ttl":%d},"audience":{"cid":[%q]},%s}`, rid, ttl, cid, textMessage)
	}
	for i, c := range []struct {
		cid       string
		ttl       int
		word      string
		delivered int
	}{
		{f1, 0, online, 1}, {f1, -1, online, 2}, {f2, 0, offline, 1}, {f2, -1, offline, 1}, {f3, 0, ignored, 0}, {f4, 0, ignored, 0},
	} {
		a := b.want("POST", singlePath, ttl(rid(i), c.cid, c.ttl), 200, 0)
		if got := a.data[a.taskID()].(map[string]any)[c.cid]; got != c.word || b.delivered(c.cid) != c.delivered {
			t.Errorf("%s with ttl %d: %v, %d deliveries; want %s, %d", c.cid, c.ttl, got, b.delivered(c.cid), c.word, c.delivered)
		}
	}
	// 90 days and no longer, while whoever is online is active
	b.AdvanceGetuiClock(90*chinaDay - second)
	a := b.want("POST", "/auth", b.authBody(0), 200, 0)
	word := func(cid string) any {
		r := b.getuiRequest("POST", singlePath, toCID(fmt.Sprint("rid-", b.GetuiClock()), cid))
		r.Header.Set("token", a.data["token"].(string))
		got := b.sendGetui(r)
		return got.data[got.taskID()].(map[string]any)[cid]
	}
	if got := word("bulk-cid-0001"); got != offline {
		t.Errorf("90 days after its log-in: %v", got)
	}
	b.AdvanceGetuiClock(1)
	if got := word("bulk-cid-0001"); got != ignored {
		t.Errorf("after 90 days: %v", got)
	}
	b.AdvanceGetuiClock(1)
	if got := word(f1); got != online {
		t.Errorf("online: %v", got)
	}
}

func TestGetuiDeliveries(t *testing.T) {
	b := startFixed(t)
	body := shows(rid(1), `"7"`, "c")
	task := b.want("POST", singlePath, body, 200, 0).taskID()
	got, total := b.Deliveries(f1)
	id := int64(7)
	want := []Delivery{{
		AtMS: fixedGetuiStart, App: getuiApp1, Endpoint: singlePath, TaskID: task, RequestID: rid(1), CID: f1, Channel: "online",
		Content: &Content{Kind: "notification", Title: "T", Body: "B", NotifyID: &id, CollapseID: "c", Hash: got[0].Hash},
	}}
	if diff := cmp.Diff(want, got); diff != "" || total != 1 || len(got[0].Hash) != 16 {
		t.Errorf("deliveries (-want +got), total %d:\n%s", total, diff)
	}
	if !strings.HasPrefix(task, "RASS_1115_") || len(task) != len("RASS_1115_")+32 { // 06:13 of the 15th in China
		t.Errorf("task %s", task)
	}
	var out struct {
		Deliveries []map[string]any
		Total      int
	}
	mustStatus(t, "deliveries", b.control("GET", b.Ready().Control+"/deliveries?cid="+f1, "", &out), 200)
	if out.Total != 1 || out.Deliveries[0]["title"] != "T" || out.Deliveries[0]["taskid"] != task || out.Deliveries[0]["notify_id"] != 7.0 {
		t.Errorf("over HTTP: %v", out)
	}
}

func TestDeliveriesAreBoundedAndCounted(t *testing.T) {
	log := newDeliveryLog(3)
	for i := range 5 {
		log.add(Delivery{CID: "a", AtMS: int64(i)})
	}
	log.add(Delivery{CID: "b"})
	kept, total := log.of("a")
	if len(kept) != 2 || kept[0].AtMS != 3 || total != 5 {
		t.Errorf("kept %v of %d", kept, total)
	}
}

// The journal says whom an execution reached, and shows nothing that signs.
func TestGetuiJournal(t *testing.T) {
	b := startFixed(t)
	auth := b.authBody(0)
	token := b.want("POST", "/auth", auth, 200, 0).data["token"].(string)
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(2), f3), toCID(rid(3), f2)), 200, 0)
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(4), f2)), 200, 0)
	b.want("POST", singlePath, "not json", 200, 1)
	b.want("DELETE", "/auth/"+token, "", 200, 0)
	b.want("GET", "/auth/"+token, "", 405, 405)

	var raw struct{ Requests []map[string]any }
	b.control("GET", b.Ready().Control+"/journal", "", &raw)
	text := encode(t, raw)
	for _, secret := range []string{token, "tok-valid", getuiMaster, getuiSign(getuiKey, fmt.Sprint(fixedGetuiStart), getuiMaster)} {
		if strings.Contains(text, secret) {
			t.Errorf("the journal shows %s", secret)
		}
	}
	all := b.Journal(0)
	for i, want := range []struct {
		path     string
		code     int
		executed bool
		users    []string
		repeats  []string
	}{
		{"/v2/" + getuiApp1 + "/auth", 0, true, nil, nil},
		{"/v2/" + getuiApp1 + batchPath, 0, true, []string{f1, f2}, nil},
		{"/v2/" + getuiApp1 + batchPath, 0, true, []string{f2}, []string{rid(1)}},
		{"/v2/" + getuiApp1 + singlePath, 1, false, nil, nil},
		{"/v2/" + getuiApp1 + "/auth/*", 0, true, nil, nil},
		{"/v2/" + getuiApp1 + "/auth/*", 405, false, nil, nil},
	} {
		e := all[i]
		var users []string
		if e.Effective != nil {
			users = e.Effective.Users
		}
		if e.Path != want.path || e.Code != want.code || e.Executed != want.executed || e.App != getuiApp1 || e.AtMS != fixedGetuiStart || e.Host != "primary" ||
			!slices.Equal(users, want.users) || !slices.Equal(e.Repeats, want.repeats) {
			t.Errorf("entry %d: %+v, users %v", i+1, e, users)
		}
	}
}

func TestGetuiIsOnBothHosts(t *testing.T) {
	b := startFixed(t)
	first := b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
	r := b.getuiRequest("POST", singlePath, toCID(rid(1), f1))
	r.URL.Host = strings.TrimPrefix(b.Ready().Backup, "http://")
	if a := b.sendGetui(r); a.taskID() != first.taskID() || b.last().Host != "backup" || b.delivered(f1) != 1 {
		t.Errorf("the backup has another state: %v at %s", a.data, b.last().Host)
	}
}

// Many clients with one message, whole batches and single calls, on both hosts, some
// with answers that get lost: one delivery.
func TestAGetuiCrowdWithOneRequestID(t *testing.T) {
	b := startFixed(t)
	b.arm(`{"kind":"reset_after","times":9}`)
	var all []*http.Request
	for i := range 40 {
		path, body := singlePath, toCID(rid(1), f1)
		if i%2 == 0 {
			path, body = batchPath, batchOf(toCID(rid(1), f1), toCID(rid(2), f2))
		}
		r := b.getuiRequest("POST", path, body)
		if i%3 == 0 {
			r.URL.Host = strings.TrimPrefix(b.Ready().Backup, "http://")
		}
		all = append(all, r)
	}
	b.crowd(all)
	st := b.Stats().Getui
	if b.delivered(f1) != 1 || b.delivered(f2) != 1 || st.RequestIDConflicts != 0 || st.DuplicateDeliveries != 0 || len(b.Journal(0)) != st.Calls {
		t.Errorf("%d and %d deliveries, stats %+v, %d entries", b.delivered(f1), b.delivered(f2), st, len(b.Journal(0)))
	}
}

// Each given app has the devices for itself; a token is good for one app.
func TestGetuiAppsAreApart(t *testing.T) {
	t.Parallel()
	b := start(t, Options{FixedClock: true, Apps: []App{
		{Vendor: "getui", ID: getuiApp1, Key: getuiKey, Secret: getuiMaster}, {Vendor: "getui", ID: "second", Key: "k2", Secret: "s2"},
	}})
	at := func(app, token, path, body string) answered {
		r := b.getuiRequest("POST", "", body)
		r.URL.Path = "/v2/" + app + path
		r.Header.Set("token", token)
		return b.sendGetui(r)
	}
	stamp := fmt.Sprint(b.GetuiClock())
	one := b.want("POST", "/auth", b.authBody(0), 200, 0).data["token"].(string)
	two, _ := at("second", "", "/auth", `{"sign":"`+getuiSign("k2", stamp, "s2")+`","timestamp":`+stamp+`,"appkey":"k2"}`).data["token"].(string)
	for _, c := range []struct {
		app, token string
		code       int
	}{{getuiApp1, one, 0}, {"second", two, 0}, {"second", one, 10001}, {getuiApp1, two, 10001}, {getuiApp1, "tok-valid", 10001}} {
		if a := at(c.app, c.token, singlePath, toCID(rid(1), f1)); a.code != c.code {
			t.Errorf("%s with %s: %d %s, want %d", c.app, c.token, a.code, a.msg, c.code)
		}
	}
	if n := b.delivered(f1); n != 2 { // one at each app: an id is remembered per app
		t.Errorf("%d deliveries, want 2", n)
	}
	at("second", two, "/user/custom_tag/cid/"+f1, `{"custom_tag":["a"]}`)
	if diff := cmp.Diff(map[string][]string{f1: {"a"}}, b.GetuiTags("second")); diff != "" || len(b.GetuiTags(getuiApp1)) != 0 {
		t.Errorf("tags (-want +got):\n%s and %v", diff, b.GetuiTags(getuiApp1))
	}
}

// A batch that is refused for one message has sent none of the others.
func TestAGetuiBatchIsJudgedAsAWhole(t *testing.T) {
	b := startFixed(t)
	bad := strings.Replace(toCID(rid(2), f2), `"x"`, `""`, 1)
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1), bad), 400, 20001)
	b.want("POST", batchPath, `{"msg_list":[`+toCID(rid(1), f1)+`,7]}`, 400, 20001)
	b.want("POST", batchPath, `{"is_async":"yes","msg_list":[`+toCID(rid(1), f1)+`]}`, 400, 20001)
	if b.delivered(f1) != 0 {
		t.Error("part of a refused batch was sent")
	}
	b.knobs(`{"dup_mode":"reject"}`)
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(1), f2)), 400, 20001) // a repeat within the batch
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1)), 200, 0)
	b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(2), f2)), 400, 20001)
	if b.delivered(f1) != 1 || b.delivered(f2) != 0 {
		t.Errorf("%d and %d deliveries", b.delivered(f1), b.delivered(f2))
	}
}

func TestGetuiListTasks(t *testing.T) {
	b := startFixed(t)
	message := func(ttl int) string {
		return b.want("POST", messagePath, fmt.Sprintf(`{"settings":{"ttl":%d},%s}`, ttl, textMessage), 200, 0).taskID()
	}
	task := message(1000)
	if !strings.HasPrefix(task, "RASL_") {
		t.Errorf("task %s", task)
	}
	b.AdvanceGetuiClock(1000)
	b.want("POST", listPath, listTo("cid", task, f1), 200, 0)
	b.AdvanceGetuiClock(1)
	b.want("POST", listPath, listTo("cid", task, f1), 400, 20001)

	task = message(86_400_000)
	b.want("DELETE", "/task/"+task, "", 200, 0)
	b.want("DELETE", "/task/"+task, "", 200, 0) // again
	if a := b.want("POST", listPath, listTo("cid", task, f1), 400, 20001); a.msg != "taskid is invalid" {
		t.Errorf("a stopped task: %s", a.msg)
	}
	app := b.want("POST", "/push/all", toAll(rid(1)), 200, 0).taskID()
	b.want("POST", listPath, listTo("cid", app, f1), 400, 20001)
	b.want("DELETE", "/task/"+app, "", 200, 0)
	b.want("GET", "/task/schedule/"+app, "", 400, 22002)
	b.want("DELETE", "/task/schedule/"+app, "", 400, 22002)
	if n := b.delivered(f1); n != 2 {
		t.Errorf("%d deliveries, want one by the list and one by the app push", n)
	}
}

func TestGetuiWindowsThatAreOverAreForgotten(t *testing.T) {
	w := windows{}
	today := windowName{"tag", chinaDay}.at(fixedGetuiStart)
	w.add(today, 3)
	for i := range int64(2 * mostWindows) {
		w.add(windowName{"app", minute}.at(fixedGetuiStart-100*chinaDay+i*minute), 1) // 69 days of minutes
	}
	for i := range int64(mostWindows) {
		w.add(windowName{fmt.Sprint("tag of ", i), chinaDay}.at(fixedGetuiStart), 1)
	}
	if w[today] != 3 || len(w) > 2*mostWindows {
		t.Errorf("%d counts, that of today is %d", len(w), w[today])
	}
}

// What exceeds the largest legal body is refused as such.
func TestTooLargeAGetuiBody(t *testing.T) {
	b := startFixed(t)
	if a := b.want("POST", singlePath, strings.Repeat("x", maxGetuiBody+1), 400, 20001); a.msg != "body size over limit" {
		t.Errorf("%s", a.msg)
	}
	b.want("POST", singlePath, strings.Repeat("x", maxBody+1), 200, 1)
}
