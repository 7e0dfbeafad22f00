//go:build synctests

package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/test/schema"
)

// peer is Getui as these tests need it: tokens, users, and repeats of a request id that deliver nothing. What it checks of a request is
// little; that is the sandbox's.
type peer struct {
	t         *testing.T
	mu        sync.Mutex        // guards the rest
	bodies    map[string]string // request id -> the push as it came first
	ids       map[string]bool   // X-Request-ID
	conflicts int               // one id with another push
	delivered map[string][]string
	calls     []string // "POST /push/single/alias", of pushes and reads, not of tokens
	at        []time.Time
	tokens    int
	unknown   []string                                        // users that there are not
	asked     map[string]int                                  // how often a push to one user came
	fault     func(call string, n int) (before, after string) // n counts the calls of one kind, from 1: "reset", "401 10001", ... or ""
	counts    map[string]int
}

const getuiAddr = "127.0.0.1:8090"

// getui starts a peer beside the world's vendor.
func (w *world) getui(p *peer) (stop func()) {
	w.t.Helper()
	ln, err := w.net.Listen("tcp", getuiAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	p.t, p.bodies, p.ids, p.delivered, p.counts, p.asked = w.t, map[string]string{}, map[string]bool{}, map[string][]string{}, map[string]int{}, map[string]int{}
	srv := &http.Server{Handler: p}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) })
	return func() {
		_ = srv.Close()
		serving.Wait()
	}
}

// second is the settings of one daemon whose account is at Getui.
func (w *world) second(more string) *settings.Settings {
	w.write("master", "ms")
	return w.settingsFile("a", 8088, 1, fmt.Sprintf(`
  second:
    vendor: getui
    host: "http://%s"
    app_id: AppId1
    app_key: ak
    master_secret: "${file:%s/master}"
%s`, getuiAddr, w.dir, more))
}

type pushBody struct {
	RequestID string          `json:"request_id"`
	Audience  json.RawMessage `json:"audience"`
	TaskID    string          `json:"taskid"`
	Message   struct {
		Notification struct {
			Body     string
			NotifyID *int `json:"notify_id"`
		}
	} `json:"push_message"`
	List []json.RawMessage `json:"msg_list"`
}

func (p *peer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	call := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v2/AppId1")
	if err := schema.Request(r.Method, r.URL.EscapedPath(), body); err != nil {
		p.t.Errorf("a call breaks the vendor's schema: %v\n%s", err, body)
	}
	if h := r.Header.Get("Traceparent"); h != "" {
		p.t.Errorf("%s has the trace context %s", call, h)
	}
	say := func(status, code int, data string) {
		rw.WriteHeader(status)
		_, _ = fmt.Fprintf(rw, `{"code":%d,"msg":"%s","data":%s}`, code, map[int]string{20001: "target user is invalid"}[code], data)
	}
	if call == "POST /auth" {
		p.tokens++
		say(200, 0, fmt.Sprintf(`{"token":"t-%d","expire_time":"%d"}`, p.tokens, time.Now().Add(24*time.Hour).UnixMilli()))
		return
	}
	p.ids[r.Header.Get("X-Request-Id")] = true
	p.calls, p.at = append(p.calls, call), append(p.at, time.Now())
	p.counts[call]++
	before, after := "", ""
	if p.fault != nil {
		before, after = p.fault(call, p.counts[call])
	}
	switch before {
	case "":
	case "reset":
		hang(rw)
		return
	default:
		var status, code int
		_, _ = fmt.Sscan(before, &status, &code)
		say(status, code, "null")
		return
	}
	status, code, data := p.push(call, body)
	if after == "reset" {
		hang(rw)
		return
	}
	say(status, code, data)
}

func hang(rw http.ResponseWriter) {
	nc, _, err := rw.(http.Hijacker).Hijack()
	if err == nil {
		_ = nc.Close()
	}
}

func (p *peer) push(call string, body []byte) (status, code int, data string) {
	var b pushBody
	_ = json.Unmarshal(body, &b)
	switch {
	case strings.HasPrefix(call, "GET /user/status/"):
		return 200, 0, "{}"
	case call == "POST /push/list/message":
		p.bodies["task"] = string(body)
		return 200, 0, `{"taskid":"RASL_1"}`
	case strings.HasPrefix(call, "POST /push/list/"):
		var m pushBody
		_ = json.Unmarshal([]byte(p.bodies["task"]), &m)
		var to map[string][]string
		_ = json.Unmarshal(b.Audience, &to)
		got := map[string]map[string]string{}
		for _, u := range slices.Concat(to["alias"], to["cid"]) {
			if !slices.Contains(p.unknown, u) {
				p.delivered[u] = append(p.delivered[u], m.Message.Notification.Body)
				got[u] = map[string]string{"cid-" + u: "successed_online"}
			}
		}
		out, _ := json.Marshal(map[string]any{b.TaskID: got})
		return 200, 0, string(out)
	case strings.HasPrefix(call, "POST /push/single/batch/"):
		tasks := map[string]any{}
		for i, raw := range b.List {
			if user, ok := p.one(raw); ok {
				tasks[fmt.Sprint("RASS_", i)] = map[string]string{user: "successed_offline"}
			}
		}
		out, _ := json.Marshal(tasks)
		return 200, 0, string(out)
	case strings.HasPrefix(call, "POST /push/single/"):
		user, ok := p.one(body)
		if !ok {
			return 400, 20001, "null"
		}
		return 200, 0, fmt.Sprintf(`{"RASS_1":{"cid-%s":"successed_online"}}`, user)
	}
	p.once(b.RequestID, string(b.Audience), body, b.Message.Notification.Body)
	return 200, 0, `{"taskid":"RASA_1"}`
}

// one delivers a push to one user.
func (p *peer) one(raw []byte) (user string, known bool) {
	var b pushBody
	_ = json.Unmarshal(raw, &b)
	var to map[string][]string
	_ = json.Unmarshal(b.Audience, &to)
	user = slices.Concat(to["alias"], to["cid"])[0]
	p.asked[user]++
	if slices.Contains(p.unknown, user) || b.Message.Notification.NotifyID == nil {
		return user, false
	}
	p.once(b.RequestID, user, raw, b.Message.Notification.Body)
	return user, true
}

func (p *peer) once(id, to string, raw []byte, text string) {
	if first, again := p.bodies[id]; again {
		if first != string(raw) {
			p.conflicts++
		}
		return
	}
	p.bodies[id] = string(raw)
	p.delivered[to] = append(p.delivered[to], text)
}

const getuiRules = `
version: 1
rules:
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: always
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "${city}", body: "${product}"}
    limits: {quiet: none, expire: 240h}
  - name: order
    event: order.paid
    mode: live
    class: service
    when: always
    push: {title: "Thanks", body: "${product}"}
    limits: {quiet: none, expire: 1h}
`

func always(before, after string, call string, times int) func(string, int) (string, string) {
	return func(c string, n int) (string, string) {
		if c == call && n <= times {
			return before, after
		}
		return "", ""
	}
}

// From the event to its fate, whatever the vendor does: a push that may have been made is made again under the same id, and no user ever
// gets it twice.
func TestGetuiFromEventToFate(t *testing.T) {
	const single, app = "POST /push/single/alias", "POST /push/tag"
	for _, tc := range []struct {
		name        string
		call        string
		before      string
		after       string
		times       int
		fate        string
		calls, sent int // at the vendor, delivered
	}{
		{"well", single, "", "", 0, "SENT", 1, 1},
		{"reset, nothing done", single, "reset", "", 1, "SENT", 2, 1},
		{"reset, done", single, "", "reset", 1, "SENT", 2, 1},
		{"reset twice, done", single, "", "reset", 2, "SENT", 3, 1},
		{"reset for ever, done", single, "", "reset", 99, "UNKNOWN", 3, 1},
		{"502", single, "502 0", "", 2, "SENT", 3, 1},
		{"a refused token", single, "401 10001", "", 1, "SENT", 2, 1},
		{"too often", single, "401 10005", "", 2, "SENT", 3, 1},
		{"the service starts", single, "200 2", "", 2, "SENT", 3, 1},
		{"refused", single, "400 20009", "", 99, "DEAD(rejected-by-vendor)", 1, 0},
		{"no such user", single, "400 20001", "", 99, "DEAD(rejected-by-vendor)", 1, 0},

		{"an audience", app, "", "", 0, "SENT", 1, 1},
		{"an audience, reset, done", app, "", "reset", 1, "SENT", 2, 1},
		{"an audience, reset twice, done", app, "", "reset", 99, "UNKNOWN", 2, 1},
		{"an audience, too many in this minute", app, "403 30014", "", 1, "SENT", 2, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
				p := &peer{fault: always(tc.before, tc.after, tc.call, tc.times)}
				defer w.getui(p)()
				d := w.start(w.second(""))
				time.Sleep(time.Minute)
				event := ""
				if tc.call == app {
					event = w.sale("bj", "lamp")
				} else {
					event = w.order("user_1", "lamp")
				}
				time.Sleep(30 * time.Minute)
				d.stop()
				sent := 0
				for _, texts := range p.delivered {
					sent += len(texts)
				}
				if got := w.words()[event]; got != tc.fate || p.counts[tc.call] != tc.calls || sent != tc.sent || p.conflicts != 0 {
					t.Errorf("%s after %d calls, %d delivered, %d conflicts; want %s, %d, %d, 0\n%v", got, p.counts[tc.call], sent, p.conflicts, tc.fate, tc.calls, tc.sent, p.calls)
				}
				w.books(1)
			})
		})
	}
}

// A process that dies with a call open: the next one makes it again under the same id.
func TestGetuiIsRepeatedByTheNextOwner(t *testing.T) {
	simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
		done := make(chan struct{})
		p := &peer{}
		p.fault = func(call string, n int) (string, string) {
			if call == "POST /push/single/alias" && n == 1 {
				close(done)
				return "", "reset"
			}
			return "", ""
		}
		defer w.getui(p)()
		d := w.start(w.second(""))
		time.Sleep(time.Minute)
		event := w.order("user_1", "lamp")
		<-done
		d.kill()
		d = w.start(w.second(""))
		time.Sleep(20 * time.Minute)
		d.stop()
		if got := w.words()[event]; got != "SENT" || len(p.delivered["user_1"]) != 1 || p.conflicts != 0 || p.counts["POST /push/single/alias"] != 2 {
			t.Errorf("%s, delivered %v, %d conflicts, calls %v", got, p.delivered, p.conflicts, p.calls)
		}
		w.books(1)
	})
}

// The day's number of pushes to audiences is kept, and the vendor's own word that it is used up is believed until its midnight.
func TestGetuiKeepsTheDaysQuota(t *testing.T) {
	simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
		p := &peer{}
		defer w.getui(p)()
		d := w.start(w.second("    quota: {broadcast: {day: 7}}\n"))
		time.Sleep(time.Minute)
		const sales = 16
		for i := range sales {
			w.sale("bj", fmt.Sprint("lamp ", i))
		}
		armed := func(fault func(string, int) (string, string)) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.fault = fault
		}
		calls := 0
		for _, step := range []struct {
			when  string
			sleep time.Duration
			want  int
			after func() // what the vendor does from then on
		}{
			{"at 23:01 of the first day", 15 * time.Hour, 7, nil},
			{"at 01:01 of the second", 2 * time.Hour, 7, func() { armed(func(string, int) (string, string) { return "403 30010", "" }) }},
			{"at 01:01 of the third: the vendor says that it is used up", 24 * time.Hour, 1, nil},
			{"at 23:01 of the third", 22 * time.Hour, 0, func() { armed(nil) }},
			{"at 01:01 of the fourth", 2 * time.Hour, 2, nil},
		} {
			time.Sleep(step.sleep)
			if n := len(p.calls) - calls; n != step.want {
				t.Errorf("%s: %d more pushes to audiences, want %d", step.when, n, step.want)
			}
			if calls = len(p.calls); step.after != nil {
				step.after()
			}
		}
		d.stop()
		for i := 5; i < len(p.at); i++ {
			if p.at[i].Sub(p.at[i-5]) < time.Minute {
				t.Errorf("more than 5 in a minute at %s", p.at[i])
			}
		}
		if first := p.at[6].Sub(p.at[0]); first > 3*time.Minute {
			t.Errorf("the day's seven took %s: the slots of its minutes were not used", first)
		}
		for event, got := range w.words() {
			if got != "SENT" {
				t.Errorf("%s is %s", event, got)
			}
		}
		w.books(sales)
	})
}

// Users of a cid account go together, texts apart, and each has a fate of its own. The first call loses its answer and is made again: of
// whom the vendor does not take then, nobody knows what became the first time.
func TestGetuiSendsDifferentTextsInOneCall(t *testing.T) {
	simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
		p := &peer{unknown: []string{"cid-7", "cid-299"}, fault: always("", "reset", "POST /push/single/batch/cid", 1)}
		defer w.getui(p)()
		d := w.start(w.second("    identify: cid\n    brake: 5000 in 10m\n"))
		time.Sleep(time.Minute)
		events := map[string]string{}
		for i := range 300 {
			user := fmt.Sprint("cid-", i)
			events[w.order(user, fmt.Sprint("lamp ", i))] = user
		}
		time.Sleep(10 * time.Minute)
		d.stop()
		words := w.words()
		for event, user := range events {
			want, got := "SENT", 1
			if slices.Contains(p.unknown, user) {
				want, got = map[int]string{1: "DEAD(rejected-by-vendor)", 2: "UNKNOWN"}[p.asked[user]], 0
			}
			if words[event] != want || len(p.delivered[user]) != got {
				t.Errorf("%s is %s, delivered %v; want %s, %d", user, words[event], p.delivered[user], want, got)
			}
			if got == 1 && p.delivered[user][0] != "lamp "+strings.TrimPrefix(user, "cid-") {
				t.Errorf("%s got %v", user, p.delivered[user])
			}
		}
		if n := len(p.calls); n > 150 || p.conflicts != 0 || p.counts["POST /push/single/batch/cid"] == 0 {
			t.Errorf("%d calls for 300 users, %d conflicts: %v", n, p.conflicts, p.counts)
		}
		w.books(300)
	})
}

// Marketing of one text goes by list; a list push that may have been made is never made again.
func TestGetuiListsAreNeverRepeated(t *testing.T) {
	rules := strings.Replace(getuiRules, "class: service", "class: marketing", 1)
	rules = strings.Replace(rules, `body: "${product}"}
    limits: {quiet: none, expire: 1h}`, `body: "lamps"}
    limits: {quiet: none, expire: 3h, }
    send_at: "09:00"`, 1)
	for _, end := range []string{"told", "lost", "unheard by a process that dies"} {
		t.Run("its answer is "+end, func(t *testing.T) {
			simulate(t, setup{rules: rules, quiet: true}, func(t *testing.T, w *world) {
				const list = "POST /push/list/alias"
				p, done := &peer{unknown: []string{"u_3"}}, make(chan struct{})
				switch end {
				case "lost":
					p.fault = always("", "reset", list, 99)
				case "unheard by a process that dies":
					p.fault = func(call string, n int) (string, string) {
						if call == list && n == 1 {
							close(done)
							return "", "reset"
						}
						return "", ""
					}
				}
				defer w.getui(p)()
				s := w.second("")
				d := w.start(s)
				var events []string
				users := 40
				if end == "lost" { // as many as one call has: their fates are one record of the ledger
					users = 400
				}
				for i := range users {
					events = append(events, w.order(fmt.Sprint("u_", i), "x"))
				}
				if end == "unheard by a process that dies" {
					<-done
					d.kill()
					d = w.start(s)
				}
				time.Sleep(2 * time.Hour)
				d.stop()
				words := w.words()
				for i, e := range events {
					want := "SENT"
					switch {
					case end != "told":
						want = "UNKNOWN"
					case i == 3:
						want = "DEAD(rejected-by-vendor)"
					}
					if words[e] != want {
						t.Errorf("user %d is %s, want %s", i, words[e], want)
					}
				}
				if p.counts[list] != 1 || p.counts["POST /push/single/alias"] != 0 {
					t.Errorf("calls %v", p.counts)
				}
				for user, texts := range p.delivered {
					if len(texts) != 1 {
						t.Errorf("%s got %v", user, texts)
					}
				}
				w.books(users)
			})
		})
	}
}

// A list's message is stored, and then its answer is lost, or the list itself is refused for now and its users go without one: everybody gets the
// push once, however the vendor treats an id that it has seen.
func TestGetuiListsWhoseMessageIsStoredInVain(t *testing.T) {
	rules := strings.Replace(getuiRules, "class: service", "class: marketing", 1)
	rules = strings.Replace(rules, `body: "${product}"}
    limits: {quiet: none, expire: 1h}`, `body: "lamps"}
    limits: {quiet: none, expire: 3h, }
    send_at: "09:00"`, 1)
	lost := sandbox.Fault{Vendor: "getui", Lane: "list_message", Kind: "reset_after", Times: 1}
	full := sandbox.Fault{Vendor: "getui", Lane: "list_cid", Kind: "code", HTTP: 403, Code: 30015, Times: 1}
	for _, tc := range []struct {
		mode  string
		fault sandbox.Fault
	}{{"replay", lost}, {"drop_new_task", lost}, {"reject", lost}, {"replay", full}, {"drop_new_task", full}, {"reject", full}} {
		t.Run(tc.mode+" "+tc.fault.Kind, func(t *testing.T) {
			simulate(t, setup{rules: rules, quiet: true}, func(t *testing.T, w *world) {
				k := sandbox.DefaultKnobs()
				k.DupMode = tc.mode
				if err := w.vendor.SetKnobs(k); err != nil {
					t.Fatal(err)
				}
				if err := w.vendor.Arm(tc.fault); err != nil {
					t.Fatal(err)
				}
				d := w.start(w.third(""))
				var events []string
				for i := range 40 {
					events = append(events, w.order(fmt.Sprintf("bulk-cid-%04d", i), "x"))
				}
				time.Sleep(2 * time.Hour)
				d.stop()
				words := w.words()
				for i, e := range events {
					if _, n := w.vendor.Deliveries(fmt.Sprintf("bulk-cid-%04d", i)); n != 1 || words[e] != "SENT" {
						t.Errorf("user %d is %s and got %d", i, words[e], n)
					}
				}
				w.kept()
				w.books(40)
			})
		})
	}
}

// What the first account did not send goes to one of the other vendor, under the same rule.
func TestGetuiTakesOverFromRongCloud(t *testing.T) {
	rules := strings.ReplaceAll(getuiRules, "    when: always\n", "    when: always\n    account: [main, second]\n")
	simulate(t, setup{rules: rules, quiet: true}, func(t *testing.T, w *world) {
		p := &peer{}
		defer w.getui(p)()
		w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "127.0.0.1:808") {
				return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("refused")}
			}
			return w.net.DialContext(ctx, network, addr)
		}
		w.write("secret", "s")
		w.write("master", "ms")
		d := w.start(w.settingsFile("a", 8088, 2, fmt.Sprintf(`
  main:
    app_key: k
    secret: "${file:%[1]s/secret}"
%[2]s
  second: {vendor: getui, host: "http://%[3]s", app_id: AppId1, app_key: k, master_secret: "${file:%[1]s/master}"}
`, w.dir, hosts, getuiAddr)))
		time.Sleep(time.Minute)
		w.order("user_1", "lamp")
		time.Sleep(10 * time.Minute)
		d.stop()
		if got := p.delivered["user_1"]; !slices.Equal(got, []string{"lamp"}) {
			t.Errorf("delivered %v, fates %v", p.delivered, w.words())
		}
	})
}

// docs/getui-moving.md, case by case: the second account, here at Getui, is tried only when the first certainly did not act.
func TestGetuiIsTriedOnlyWhenTheFirstDidNotAct(t *testing.T) {
	rules := strings.ReplaceAll(getuiRules, "    when: always\n", "    when: always\n    account: [main, second]\n")
	for _, tc := range []struct {
		name   string
		fault  sandbox.Fault
		secret string // of main; "": the right one
		fates  string
		first  int // pushes that main's vendor executed
		second int // and Getui
	}{
		{"it acts", sandbox.Fault{}, "", "SENT", 1, 0},
		{"it acts and its answer is lost", sandbox.Fault{Kind: "reset_after", Times: 1}, "", "UNKNOWN", 1, 0},
		{"it says nothing", sandbox.Fault{Kind: "stall", Times: 1}, "", "UNKNOWN", 0, 0},
		{"it answers 502", sandbox.Fault{Kind: "http_5xx", Times: 1}, "", "UNKNOWN", 0, 0},
		{"it has had enough for this second", sandbox.Fault{Kind: "code", HTTP: 200, Code: 1008, Times: 2}, "", "SENT", 1, 0},
		{"it refuses the credentials", sandbox.Fault{}, "not the secret", "COALESCED SENT", 0, 1},
		{"it refuses the product", sandbox.Fault{Kind: "code", HTTP: 430, Code: 1009, Times: -1}, "", "COALESCED SENT", 0, 1},
		{"it refuses the push itself", sandbox.Fault{Kind: "code", HTTP: 400, Code: 1002, Times: -1}, "", "DEAD(rejected-by-vendor)", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: rules, quiet: true}, func(t *testing.T, w *world) {
				p := &peer{}
				defer w.getui(p)()
				if tc.fault.Kind != "" {
					tc.fault.Vendor, tc.fault.Path = "rongcloud", "/push/user.json"
					if err := w.vendor.Arm(tc.fault); err != nil {
						t.Fatal(err)
					}
				}
				w.write("secret", cmp.Or(tc.secret, sandbox.DefaultSecret))
				w.write("master", "ms")
				d := w.start(w.settingsFile("a", 8088, 2, fmt.Sprintf(defaultAccount, w.dir, hosts)+
					fmt.Sprintf("\n  second: {vendor: getui, host: \"http://%s\", app_id: AppId1, app_key: k, master_secret: \"${file:%s/master}\"}\n", getuiAddr, w.dir)))
				time.Sleep(time.Minute)
				event := w.order("user_1", "lamp")
				time.Sleep(20 * time.Minute)
				d.stop()
				first := 0
				for _, e := range w.vendor.Journal(0) {
					if e.Path == "/push/user.json" && e.Executed {
						first++
					}
				}
				if got := w.words()[event]; got != tc.fates || first != tc.first || len(p.delivered["user_1"]) != tc.second {
					t.Errorf("%s, %d at the first, %v at the second; want %s, %d, %d", got, first, p.delivered, tc.fates, tc.first, tc.second)
				}
			})
		})
	}
}

// The same the other way round: Getui is the first account, RongCloud the second.
func TestRongCloudIsTriedOnlyWhenGetuiDidNotAct(t *testing.T) {
	const single = "POST /push/single/alias"
	rules := strings.ReplaceAll(getuiRules, "    when: always\n", "    when: always\n    account: [second, main]\n")
	for _, tc := range []struct {
		name          string
		before, after string // of Getui's pushes
		times         int
		gone          bool // nobody listens there
		fates         string
		first, second int // delivered
	}{
		{name: "it acts", fates: "SENT", first: 1},
		{name: "it acts and its answer is lost", after: "reset", times: 1, fates: "SENT", first: 1},
		{name: "it acts and its answers are lost for ever", after: "reset", times: 99, fates: "UNKNOWN", first: 1},
		{name: "it says nothing, for ever", before: "reset", times: 99, fates: "UNKNOWN"},
		{name: "nobody listens", gone: true, fates: "COALESCED SENT", second: 1},
		{name: "it refuses the token, and the next", before: "401 10001", times: 99, fates: "COALESCED SENT", second: 1},
		{name: "it has black-listed the app", before: "401 10002", times: 99, fates: "COALESCED SENT", second: 1},
		{name: "it refuses the push itself", before: "400 20009", times: 99, fates: "DEAD(rejected-by-vendor)"},
		{name: "it does not know the user", before: "400 20001", times: 99, fates: "DEAD(rejected-by-vendor)"},
		{name: "it has had enough for this minute", before: "401 10005", times: 1, fates: "SENT", first: 1},
		{name: "it has had enough for the day", before: "403 30009", times: 99, fates: "SUPPRESSED(expired)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: rules, quiet: true}, func(t *testing.T, w *world) {
				p := &peer{fault: always(tc.before, tc.after, single, tc.times)}
				defer w.getui(p)()
				if tc.gone {
					w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr == getuiAddr {
							return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("refused")}
						}
						return w.net.DialContext(ctx, network, addr)
					}
				}
				w.write("secret", sandbox.DefaultSecret)
				w.write("master", "ms")
				d := w.start(w.settingsFile("a", 8088, 2, fmt.Sprintf(defaultAccount, w.dir, hosts)+
					fmt.Sprintf("\n  second: {vendor: getui, host: \"http://%s\", app_id: AppId1, app_key: k, master_secret: \"${file:%s/master}\"}\n", getuiAddr, w.dir)))
				time.Sleep(time.Minute)
				event := w.order("user_1", "lamp")
				time.Sleep(2 * time.Hour)
				d.stop()
				second := len(w.executed("/push/user.json"))
				if got := w.words()[event]; got != tc.fates || len(p.delivered["user_1"]) != tc.first || second != tc.second {
					t.Errorf("%s, %v at Getui, %d at RongCloud; want %s, %d, %d", got, p.delivered, second, tc.fates, tc.first, tc.second)
				}
			})
		})
	}
}
