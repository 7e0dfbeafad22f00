package sandbox

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// direct is a world without HTTP around it.
func direct(sw Switches) (*world, context.CancelFunc) {
	zone, err := sw.zone()
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	setup := Setup{Services: DefaultServices(), Switches: sw, Knobs: DefaultKnobs()}
	c := clock{now: time.Now, fixed: true}
	return newWorld(ctx, setup, zone, c, []App{{Vendor: "rongcloud", Key: DefaultKey, Secret: DefaultSecret}}, 1), cancel
}

// arrive signs and runs one call.
func (w *world) arrive(path, contentType string, body []byte) (reply, *Entry) {
	stamp := strconv.FormatInt(w.clock.ms(), 10)
	a := &arrival{world: w, host: "primary", conn: &connection{}, method: "POST", path: path, body: body, header: http.Header{
		"App-Key": {DefaultKey}, "Nonce": {"1"}, "Timestamp": {stamp},
		"Signature": {sign(DefaultSecret, "1", stamp)}, "Content-Type": {contentType},
	}}
	e := a.describe()
	return w.pipeline(a, e), e
}

// TestTheStrictServerNeverOverruns walks at random through time, back as well, and
// the limited endpoints: by the recount of the audit nothing is executed beyond a limit, and
// two days later every endpoint is free again.
func TestTheStrictServerNeverOverruns(t *testing.T) {
	bodies := map[string][2]string{
		pushPath:                         {jsonType, pushBox},
		"/message/broadcast.json":        {formType, broadcastForm},
		"/message/broadcast/recall.json": {formType, form("fromUserId", "s", "messageUID", "m", "sentTime", "1767225600000")},
		"/message/online/broadcast.json": {formType, broadcastForm},
		"/user/tag/batch/set.json":       {jsonType, `{"userIds":["u"],"tags":["t"]}`},
		"/message/system/publish.json":   {formType, broadcastForm + "&toUserId=a&toUserId=b&toUserId=c"},
		"/push/user.json":                {jsonType, `{"userIds":["a","b"],"notification":{"pushContent":"c"}}`},
	}
	paths := slices.Sorted(maps.Keys(bodies))
	rapid.Check(t, func(t *rapid.T) {
		sw := DefaultSwitches()
		sw.CountRejected = rapid.Bool().Draw(t, "count_rejected")
		w, cancel := direct(sw)
		defer cancel()
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		latest := w.clock.offset
		for range steps {
			w.clock.offset += rapid.SampledFrom([]int64{
				0, 1, 250, 999, 1000, 30_000, 60_000, 1_800_000, 3_599_999, 3_600_000, 28_800_000, -1, -1000, -1_800_000, -28_800_000,
			}).Draw(t, "wait")
			latest = max(latest, w.clock.offset)
			path := rapid.SampledFrom(paths).Draw(t, "path")
			for range rapid.IntRange(1, 70).Draw(t, "calls") {
				w.arrive(path, bodies[path][0], []byte(bodies[path][1]))
			}
		}
		if w.audit.overruns != 0 {
			t.Fatalf("%d overruns", w.audit.overruns)
		}
		if w.stats.Executed == 0 {
			t.Fatal("nothing was executed")
		}
		w.clock.offset = latest + 2*dayMS
		for _, path := range paths {
			if out, _ := w.arrive(path, bodies[path][0], []byte(bodies[path][1])); out.Code != 200 {
				t.Fatalf("%s after two days: %+v", path, out)
			}
		}
	})
}

// FuzzNoBodyBreaksTheServer: whatever a body holds, it is refused or executed, and
// what was executed can be written to the journal.
func FuzzNoBodyBreaksTheServer(f *testing.F) {
	paths := slices.Sorted(maps.Keys(endpoints))
	for i := range paths {
		for _, body := range []string{
			pushBox, setTagBox, broadcastForm, broadcastForm + "&toUserId=u", `null`, `[]`, `{"audience":null}`, `{"values":[null],"toUserId":["u"]}`,
			`{"platform":["ios"],"fromuserid":"s","audience":{"userid":["u"]},"message":{"content":"{}","objectName":"a"}}`,
			`{"fromUserId":"s","toUserId":["u"],"objectName":"RC:TxtMsg","content":"{\"content\":\"{c}\"}","values":[{"":"x","{c}":"{c}"}],"pushContent":["{c}"]}`,
			"userIds=%ff", "a=1&a=2", "{",
		} {
			f.Add(uint8(i), false, []byte(body))
			f.Add(uint8(i), true, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, lenient bool, body []byte) {
		w, cancel := direct(DefaultSwitches())
		defer cancel()
		w.setup.Lenient = lenient
		path := paths[int(which)%len(paths)]
		contentType := jsonType
		if endpoints[path].form {
			contentType = formType
		}
		out, e := w.arrive(path, contentType, body)
		if (out.Code == 200) != e.Executed {
			t.Errorf("code %d, executed %v", out.Code, e.Executed)
		}
		if e.HTTP = httpStatus(out.Code); e.HTTP == 0 {
			t.Errorf("no status for code %d", out.Code)
		}
		encode(t, e)
	})
}
