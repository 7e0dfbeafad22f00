package sandbox

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// arrival is a request that was read to its end.
type arrival struct {
	world  *world // the one it came into
	host   string
	conn   *connection
	method string
	path   string
	header http.Header
	body   []byte
	fault  string     // kind of the fault it met, or ""
	getui  *getuiCall // nil at RongCloud
}

// lane and pattern are what a fault may name.
func (a *arrival) lane() string {
	if a.getui != nil {
		return a.getui.lane()
	}
	if point := endpoints[a.path]; point != nil {
		return point.lane
	}
	return ""
}

func (a *arrival) pattern() string {
	if a.getui != nil && a.getui.route != nil {
		return a.getui.route.pattern
	}
	return a.path
}

func (a *arrival) vendor() string {
	if a.getui != nil {
		return vendorGetui
	}
	return vendorRongCloud
}

// tooLarge answers a body that was not read to its end.
func (a *arrival) tooLarge() answer {
	if a.getui != nil {
		return a.getui.answer(badParameter("body size over limit"), nil)
	}
	return answer{status: 400, body: mustText(reply{Code: codeTooLong, ErrorMessage: "HTTP body too large", URL: a.path})}
}

// refusal answers with a code that a fault chose; 0 = the vendor's "try again later".
func (a *arrival) refusal(f Fault) answer {
	text := cmp.Or(f.Body, "injected")
	if a.getui != nil {
		return a.getui.injected(f, text)
	}
	code := cmp.Or(f.Code, 1000)
	return answer{status: cmp.Or(f.HTTP, httpStatus(code)), body: mustText(reply{Code: code, ErrorMessage: text, URL: a.path})}
}

// head reads one of the four signing headers, plain or with the RC- prefix that
// the vendor allows for platforms which strip custom headers.
func (a *arrival) head(name string) string {
	if v := a.header.Get(name); v != "" {
		return v
	}
	return a.header.Get("RC-" + name)
}

// reply is the vendor's answer; Code decides whether it is a success.
type reply struct {
	Code         int                 `json:"code"`
	ErrorMessage string              `json:"errorMessage,omitempty"`
	URL          string              `json:"url,omitempty"` // path, on errors
	ID           string              `json:"id,omitempty"`
	MessageUID   string              `json:"messageUID,omitempty"`
	MessageUIDs  []messageUID        `json:"messageUIDs,omitempty"`
	Result       map[string][]string `json:"result,omitempty"`
}

type messageUID struct {
	UserID     string `json:"userId"`
	MessageUID string `json:"messageUID"`
}

// httpStatus is the status table of section 3.
func httpStatus(code int) int {
	switch code {
	case 200, 1015:
		return http.StatusOK
	case 404, 405:
		return code
	case 1000:
		return http.StatusInternalServerError
	case 1001, 1004, 1006, 1007:
		return http.StatusUnauthorized
	case 1008:
		return http.StatusTooManyRequests
	case 1009:
		return 430 // not a standard status, but the documented one
	case 1016, 2007:
		return http.StatusForbidden
	case 1050:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadRequest
	}
}

// pipeline is section 9: it judges the arrival step by step and executes it at the
// last one. The order is the contract; the caller holds Server.mu.
func (w *world) pipeline(a *arrival, e *Entry) reply {
	refuse := func(code int, text string) reply {
		return reply{Code: code, ErrorMessage: text, URL: a.path}
	}
	now := w.clock.ms()

	// 1. path and method
	point := endpoints[a.path]
	if point == nil {
		return refuse(404, "no such path")
	}
	if a.method != http.MethodPost {
		return refuse(405, "the method must be POST")
	}

	// 2. headers, key, signature
	if text := w.headerFault(a, now); text != "" {
		return refuse(1004, text)
	}
	app := w.apps[a.head("App-Key")]
	if app == nil {
		return refuse(codeParameter, "invalid App-Key.")
	}
	if text := w.signatureFault(a, app); text != "" {
		return refuse(1004, text)
	}

	// 3. a body of the endpoint's one type
	if len(a.body) == 0 {
		return refuse(1003, "no POST data")
	}
	want := "application/json"
	if point.form {
		want = "application/x-www-form-urlencoded"
	}
	if got, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err != nil || got != want {
		return refuse(codeParameter, "Content-Type must be "+want)
	}
	body, malformed := decodeBody(a.body, point.form)

	// 4. rate limit, which counts the attempt
	bucket := effectiveBucket(point.bucket, w.setup.Switches)
	units := weight(point, body)
	charges := prune(app.charges[bucket], now, keep(limits[bucket]))
	room := admits(charges, limits[bucket], now, units, w.setup.Switches, w.zone)
	take := func() { app.charges[bucket] = append(charges, charge{now, units}) }
	if w.setup.Switches.CountRejected && limits[bucket] != nil {
		take()
	}
	if !room {
		w.stats.RefusedByQuota++
		return refuse(1008, "call frequency exceeded")
	}

	// 5. service switch
	if point.service == "broadcast" && !app.services.Broadcast || point.service == "push_plus" && !app.services.PushPlus {
		return refuse(1009, "service not enabled: "+point.service)
	}

	// 6. validation
	if malformed != "" {
		return refuse(codeParameter, malformed)
	}
	if id := a.header.Get("X-Request-ID"); !w.setup.Lenient && utf8.RuneCountInString(id) > 36 {
		return refuse(codeTooLong, "X-Request-ID: longer than 36 characters")
	}
	if r := point.check(w.setup.Lenient, "", body); r != nil {
		return refuse(r.code, strings.TrimPrefix(r.text, ": "))
	}
	if text := unrecallable(app, point, body); text != "" {
		return refuse(codeParameter, text)
	}
	if w.repeatedRandom(app, body, now) {
		return refuse(codeParameter, "msgRandom: repeated within 60 s")
	}

	// 7. execution
	if !w.setup.Switches.CountRejected && limits[bucket] != nil {
		take()
	}
	x := &execution{path: a.path, world: w, app: app, body: body.(map[string]any), answer: reply{Code: 200}}
	point.run(x)
	e.Executed, e.Effective, e.Rendered = true, x.effective, x.rendered
	e.Matched, e.Recalls = x.matched, x.recalls
	w.stats.Executed++
	w.stats.Deliveries += x.deliveries
	w.audit.add(app.key, point.bucket, now, units)
	w.stats.Overruns = w.audit.overruns
	if !point.repeatable {
		w.countDouble(app, a)
	}
	return x.answer
}

// headerFault says what is wrong with the signing headers before their signature
// is computed.
func (w *world) headerFault(a *arrival, now int64) string {
	for _, name := range []string{"App-Key", "Nonce", "Timestamp", "Signature"} {
		if a.head(name) == "" {
			return "header " + name + " is missing"
		}
	}
	if !w.setup.Lenient && utf8.RuneCountInString(a.head("Nonce")) > 18 {
		return "Nonce is longer than 18 characters"
	}
	stamp := a.head("Timestamp")
	ms, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case err != nil || stamp[0] < '0' || stamp[0] > '9':
		return "Timestamp is not a number"
	case w.setup.Lenient && len(stamp) == 10:
		ms *= 1000 // every official SDK sends seconds
	case len(stamp) != len(strconv.FormatInt(now, 10)): // 13 until the year 2286, 12 in a test's virtual year 2000
		return "Timestamp must be milliseconds, 13 digits"
	}
	// No vendor page tells a tolerance, and the vendor's Node SDK signs once for the
	// life of its process: only strict mode has one (section 1).
	if off := now - ms; !w.setup.Lenient && max(off, -off) > w.setup.Switches.SkewMS {
		return "Timestamp is " + strconv.FormatInt(off, 10) + " ms behind this server's clock"
	}
	return ""
}

func (w *world) signatureFault(a *arrival, app *app) string {
	got := a.head("Signature")
	if w.setup.Lenient {
		got = strings.ToLower(got)
	}
	if got != sign(app.secret, a.head("Nonce"), a.head("Timestamp")) {
		return "signature error"
	}
	if w.setup.Switches.NonceReplay {
		if _, used := app.nonces.get(a.head("Nonce")); used {
			return "Nonce was used before"
		}
		app.nonces.put(a.head("Nonce"), struct{}{})
	}
	return ""
}

// sign is the vendor's signature: lower-case hex of SHA-1 over the three strings
// as sent (section 1).
func sign(secret, nonce, timestamp string) string {
	sum := sha1.Sum([]byte(secret + nonce + timestamp))
	return hex.EncodeToString(sum[:])
}

// listFields are the form fields whose key repeats; they decode to arrays, all
// others to strings.
var listFields = map[string]bool{"userIds": true, "toUserId": true}

// decodeBody returns the decoded value, or words about why it is none. A form
// becomes an object, so that the same checks read both.
func decodeBody(raw []byte, form bool) (any, string) {
	if !form {
		v, err := decodeJSON(raw)
		if err != nil {
			return nil, "body: not JSON: " + err.Error()
		}
		return v, ""
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, "body: not a form: " + err.Error()
	}
	m := map[string]any{}
	for name, vs := range values {
		list := make([]any, len(vs))
		for i, v := range vs {
			if !utf8.ValidString(v) {
				return nil, name + ": not UTF-8"
			}
			list[i] = v
		}
		switch {
		case listFields[name]:
			m[name] = list
		case len(vs) > 1:
			return nil, name + ": given more than once"
		default:
			m[name] = vs[0]
		}
	}
	return m, ""
}

// weight is the units of a call: its receivers where the limit counts those, at
// most a whole window, since more receivers than that is a validation matter.
func weight(point *endpoint, body any) int {
	m, _ := body.(map[string]any)
	list, _ := m[point.receivers].([]any)
	return min(max(len(list), 1), 100)
}

// unrecallable says why E10 cannot take back a message of this app: only broadcasts
// of E4 and E5 can be, whatever got a messageUID (E10, "Not E6").
func unrecallable(app *app, point *endpoint, body any) string {
	if point.lane != "recall" {
		return ""
	}
	m, _ := body.(map[string]any)
	if was, known := app.sent.get(stringOf(m, "messageUID")); known && !was.recallable {
		return "messageUID: " + was.path + " sent it, which cannot be recalled here"
	}
	return ""
}

// repeatedRandom notes msgRandom and reports a repeat within 60 s, if the feature
// is switched on (section 7).
func (w *world) repeatedRandom(app *app, body any, now int64) bool {
	m, _ := body.(map[string]any)
	v, present := m["msgRandom"]
	if !present || !w.setup.Switches.MsgRandom {
		return false
	}
	text, err := json.Marshal(v)
	if err != nil {
		return false
	}
	for k, at := range app.randoms {
		if max(now-at, at-now) >= minute {
			delete(app.randoms, k)
		}
	}
	key := strings.Trim(string(text), `"`)
	_, repeated := app.randoms[key]
	if !repeated {
		app.randoms[key] = now
	}
	return repeated
}

// callID is what all attempts of a call share.
func callID(requestID string) string {
	if i := strings.LastIndexByte(requestID, '-'); i > 0 {
		return requestID[:i]
	}
	return requestID
}

// countDouble counts a second execution for one call id: X-Request-ID up to its
// last "-", where attempts are numbered behind it.
func (w *world) countDouble(app *app, a *arrival) {
	id := callID(a.header.Get("X-Request-ID"))
	if id == "" {
		return
	}
	n, _ := app.calls.get(id)
	if n > 0 {
		w.stats.Doubles++
	}
	app.calls.put(id, n+1)
}

// countConflict counts a request id that comes back with another path or body.
func (w *world) countConflict(a *arrival) {
	app, id := w.apps[a.head("App-Key")], a.header.Get("X-Request-ID")
	if app == nil || id == "" {
		return
	}
	h := fnv.New64a()
	h.Write([]byte(a.path + "\n"))
	h.Write(a.body)
	if before, known := app.requests.get(id); known && before != h.Sum64() {
		w.stats.RequestIDConflicts++
	}
	app.requests.put(id, h.Sum64())
}

// describe fills the parts of an entry that do not depend on the outcome.
func (a *arrival) describe() *Entry {
	e := &Entry{
		AtMS: a.world.clock.ms(), Vendor: a.vendor(), Host: a.host, App: a.head("App-Key"),
		Method: a.method, Path: a.path, Conn: a.conn.number, Headers: map[string]string{}, Fault: a.fault,
	}
	for name, values := range a.header {
		switch name {
		case "Signature", "Rc-Signature", "Token", "Authorization", "Cookie":
		default:
			e.Headers[name] = strings.Join(values, ", ")
		}
	}
	if a.getui != nil {
		a.getui.describe(e)
		return e
	}
	contentType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	e.Body = bodyForJournal(a.body, contentType)
	return e
}

func bodyForJournal(raw []byte, contentType string) json.RawMessage {
	if contentType == "application/x-www-form-urlencoded" {
		if v, malformed := decodeBody(raw, true); malformed == "" {
			return mustText(v)
		}
	}
	return asJSON(raw)
}

// asJSON is raw itself, compacted, when it is JSON, else a JSON string of it.
func asJSON(raw []byte) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil {
		return compact.Bytes()
	}
	return mustText(string(raw))
}

// mustText marshals maps, slices and strings, which cannot fail.
func mustText(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
