// Package feed makes the input of the real test: deliveries of package payloads, multiplied with fresh ids, users and
// times, wrapped as plain JSON and as CloudEvents, with the accidents that real topics have.
//
// The same seed and start time give the same records. The feed knows topics and shapes, not rules: what must come of
// a record is the business of package audit, which reads the records back from Kafka.
package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/sjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/payloads"
)

// Topics and what they carry. All but the last two hold plain JSON of the shape
// {"delivery": id, "event": kind, "at": time, "payload": the delivery as GitHub sent it}.
const (
	Profiles = "gh.profiles" // member and organization deliveries, keyed by user
	Senders  = "gh.senders"  // the sender of any delivery, keyed by user; tombstones
	Issues   = "gh.issues"   // issues, issue_comment and a mix that no rule knows; bad records
	Pulls    = "gh.pulls"    // pull_request and its relatives
	Activity = "gh.activity" // star, sponsorship and a mix
	Releases = "gh.releases" // CloudEvents, binary and structured: release and a mix
	Security = "gh.security" // CloudEvents, structured: security_advisory and a mix
)

// Topics lists every topic of the feed.
func Topics() []string {
	return []string{Profiles, Senders, Issues, Pulls, Activity, Releases, Security}
}

// MaxRecord is what Issues must take (max.message.bytes): the feed puts records of 5 MiB there.
const MaxRecord = 6 << 20

// users is how many logins there are; some users of pushes have no profile and the other way round.
const users = 320

// Options of Generate. Now is the moment the run starts: event times lie between 40 and 5 minutes before it, so that
// no expiry and no limit of the test depends on how long the run takes.
type Options struct {
	Seed   uint64
	Events int
	Now    time.Time
}

type generator struct {
	Options
	rnd  *rand.Rand
	pool map[string][]payloads.Example // by kind of event
	rest []payloads.Example            // kinds that no catalogue entry knows
	n    int                           // events made so far
}

// Generate makes the records in the order in which they are to be produced.
func Generate(examples []payloads.Example, o Options) ([]*kgo.Record, error) {
	g := &generator{Options: o, rnd: rand.New(rand.NewPCG(o.Seed, 0)), pool: map[string][]payloads.Example{}}
	known := map[string]bool{"member": true, "organization": true, "issues": true, "issue_comment": true, "pull_request": true,
		"star": true, "sponsorship": true, "release": true, "security_advisory": true}
	for _, e := range examples {
		g.pool[e.Event] = append(g.pool[e.Event], e)
		if !known[e.Event] {
			g.rest = append(g.rest, e)
		}
	}
	for kind := range known {
		if len(g.pool[kind]) == 0 {
			return nil, fmt.Errorf("feed: no example of %s", kind)
		}
	}
	var out []*kgo.Record
	for len(out) < o.Events {
		r, err := g.next()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if g.rnd.IntN(60) == 0 { // an at-least-once producer repeats itself, with other events in between
			again := out[max(0, len(out)-1-g.rnd.IntN(20))]
			if len(again.Value) < 1<<20 {
				c := *again
				out = append(out, &c)
			}
		}
	}
	return append(out, g.tombstones()...), nil
}

// next makes one event; the weights give a stream of which most matches nothing.
func (g *generator) next() (*kgo.Record, error) {
	g.n++
	switch w := g.rnd.IntN(100); {
	case w < 9:
		return g.profile(g.pick("member", "organization"))
	case w < 20:
		return g.sender()
	case w < 29:
		return g.plain(Issues, g.pick("issues"))
	case w < 36:
		return g.plain(Issues, g.pick("issue_comment"))
	case w < 44:
		return g.plain(Issues, g.other())
	case w < 52:
		return g.plain(Pulls, g.pick("pull_request"))
	case w < 60:
		return g.plain(Pulls, g.other())
	case w < 64:
		return g.plain(Activity, g.pick("star"))
	case w < 66:
		return g.plain(Activity, g.pick("sponsorship"))
	case w < 80:
		return g.plain(Activity, g.other())
	case w < 86:
		return g.cloud(Releases, g.pick("release"))
	case w < 93:
		return g.cloud(Releases, g.other())
	case w < 95:
		return g.cloud(Security, g.pick("security_advisory"))
	case w < 99:
		return g.cloud(Security, g.other())
	}
	return g.bad()
}

func (g *generator) pick(kinds ...string) payloads.Example {
	p := g.pool[kinds[g.rnd.IntN(len(kinds))]]
	return p[g.rnd.IntN(len(p))]
}

func (g *generator) other() payloads.Example { return g.rest[g.rnd.IntN(len(g.rest))] }

// id is unique, and found in a text by the audit's own expression.
func (g *generator) id() string { return fmt.Sprintf("gh-%06d-%06x", g.n, g.rnd.Uint32()&0xffffff) }

// at is the event's time: unique to the millisecond, out of order, now and then hours old.
func (g *generator) at() time.Time {
	t := g.Now.Add(-5*time.Minute - time.Duration(g.rnd.IntN(2000))*time.Second).Truncate(time.Second)
	if g.rnd.IntN(20) == 0 {
		t = t.Add(-5 * time.Hour)
	}
	return t.Add(time.Duration(g.n%1000) * time.Millisecond)
}

// user gives a login: mostly one the vendor accepts, sometimes one that no vendor takes.
func (g *generator) user() string {
	n := g.rnd.IntN(users)
	switch g.rnd.IntN(150) {
	case 0:
		return fmt.Sprintf("renovate-%d[bot]", n%7)
	case 1:
		return fmt.Sprintf("用户%d", n%7)
	}
	return fmt.Sprintf("u-%04d", n)
}

var (
	logins = regexp.MustCompile(`"login":"([^"]+)"`)
	ids    = regexp.MustCompile(`"id":(\d+)`)
	times  = regexp.MustCompile(`"(created_at|updated_at|pushed_at|published_at|starred_at|closed_at)":"\d{4}-[^"]+"`)
)

// fresh makes a new delivery of an example: other logins (the same one for the same old one), ids and times; the rest
// of the bytes is GitHub's.
func (g *generator) fresh(e payloads.Example, at time.Time) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, e.Raw); err != nil {
		panic(err) // the examples came out of encoding/json
	}
	who := map[string]string{}
	out := logins.ReplaceAllFunc(b.Bytes(), func(m []byte) []byte {
		old := string(logins.FindSubmatch(m)[1])
		if who[old] == "" {
			who[old] = g.user()
		}
		return []byte(`"login":"` + who[old] + `"`)
	})
	out = ids.ReplaceAllFunc(out, func(m []byte) []byte { return fmt.Appendf(nil, "%s%03d", m, g.n%1000) })
	return times.ReplaceAll(out, []byte(`"$1":"`+at.UTC().Format(time.RFC3339)+`"`))
}

// set writes one value into a payload; a path is a constant of this package.
func set(b []byte, path string, v any) []byte {
	out, err := sjson.SetBytes(b, path, v)
	if err != nil {
		panic(fmt.Sprintf("feed: set %s: %v", path, err))
	}
	return out
}

// tune spreads the few values that rules look at, because the examples nearly all hold the same ones.
func (g *generator) tune(kind string, b []byte) []byte {
	one := func(s ...any) any { return s[g.rnd.IntN(len(s))] }
	switch kind {
	case "issues":
		b = set(b, "issue.number", 1+g.rnd.IntN(5000))
		b = set(b, "issue.title", one(titles...))
		if g.rnd.IntN(3) > 0 {
			var as []map[string]any
			for range g.rnd.IntN(5) {
				as = append(as, map[string]any{"login": g.user(), "type": "User", "site_admin": false})
			}
			if as == nil {
				as = []map[string]any{}
			}
			b = set(b, "issue.assignees", as)
		}
		if g.rnd.IntN(8) == 0 {
			b = set(b, "issue.labels.0.name", "security")
		}
	case "issue_comment":
		if g.rnd.IntN(2) == 0 {
			b = set(b, "comment.user.login", g.user())
		}
	case "pull_request":
		b = set(b, "pull_request.user.login", fmt.Sprintf("u-%04d", g.rnd.IntN(12))) // few authors, so that a cap bites
		b = set(b, "pull_request.additions", one(1, 12, 399, 400, 401, 9000, "812", "many", nil))
		b = set(b, "pull_request.merged", g.rnd.IntN(3) > 0)
	case "sponsorship":
		b = set(b, "sponsorship.tier.monthly_price_in_dollars", one(1, 4, 5, 100, "250"))
	case "release":
		b = set(b, "release.name", one("", nil, "Spring ☀", "v1 “final”"))
		b = set(b, "release.tag_name", one("0.0.1", "0.9.9", "1.0.0", "1.0.1", "1.2.0", "2.0.0", "9.0.0"))
	case "security_advisory":
		b = set(b, "security_advisory.severity", one("low", "moderate", "high", "critical"))
	}
	return b
}

// titles are texts that break careless rendering and careless encoding. None has control characters.
var titles = []any{
	"Spelling error in the README file",
	`He said "no" \ and left`,
	"${event.id} ${title} {{.}} %s %d",
	"拼写错误：请修正，谢谢",
	"🇨🇳 👩‍👩‍👧 é ﷽ z̷a̷l̷g̷o̷",
	"<script>alert(1)</script> &amp; &",
	"שלום عالم",
	" leading and trailing ",
}

func (g *generator) payload(e payloads.Example, at time.Time) []byte {
	return g.tune(e.Event, g.fresh(e, at))
}

// wrap gives the plain JSON shape. Now and then the white space is kept as people write it.
func (g *generator) wrap(id, kind string, at time.Time, payload []byte) []byte {
	stamp := strconv.Quote(at.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	if g.rnd.IntN(4) == 0 {
		stamp = strconv.FormatInt(at.UnixMilli(), 10)
	}
	b := fmt.Appendf(nil, `{"delivery":%q,"event":%q,"at":%s,"payload":%s}`, id, kind, stamp, payload)
	if g.rnd.IntN(10) == 0 {
		var w bytes.Buffer
		if err := json.Indent(&w, b, "", "  "); err == nil {
			b = w.Bytes()
		}
	}
	return b
}

func (g *generator) plain(topic string, e payloads.Example) (*kgo.Record, error) {
	id, at := g.id(), g.at()
	return &kgo.Record{Topic: topic, Key: []byte(id), Value: g.wrap(id, e.Event, at, g.payload(e, at))}, nil
}

// profile makes a member or organization delivery about one user, keyed by that user.
func (g *generator) profile(e payloads.Example) (*kgo.Record, error) {
	id, at, user := g.id(), g.at(), g.user()
	p := g.fresh(e, at)
	where := "member"
	if e.Event == "organization" {
		where = "membership.user"
		if bytes.Contains(p, []byte(`"membership"`)) {
			p = set(p, "membership.role", []any{"member", "admin", "billing_manager", nil}[g.rnd.IntN(4)])
			p = set(p, "membership.state", []any{"active", "pending"}[g.rnd.IntN(2)])
		} else {
			where = ""
		}
	}
	if where != "" {
		p = g.person(p, where, user)
	}
	return &kgo.Record{Topic: Profiles, Key: []byte(user), Value: g.wrap(id, e.Event, at, p)}, nil
}

// sender makes any delivery into an event about its sender.
func (g *generator) sender() (*kgo.Record, error) {
	e := g.other()
	for !bytes.Contains(e.Raw, []byte(`"sender"`)) {
		e = g.other()
	}
	id, at, user := g.id(), g.at(), g.user()
	return &kgo.Record{Topic: Senders, Key: []byte(user), Value: g.wrap(id, e.Event, at, g.person(g.fresh(e, at), "sender", user))}, nil
}

// person sets who it is about. A patch may lack a field, or clear it with a null.
func (g *generator) person(p []byte, where, user string) []byte {
	p = set(p, where+".login", user)
	p = set(p, where+".type", []any{"User", "User", "User", "Bot", "Organization", "Odd one/2", nil}[g.rnd.IntN(7)])
	switch g.rnd.IntN(5) {
	case 0:
		p, _ = sjson.DeleteBytes(p, where+".site_admin")
	default:
		p = set(p, where+".site_admin", g.rnd.IntN(3) == 0)
	}
	return p
}

// cloud makes a CloudEvent: in Releases half binary, half structured; in Security structured.
func (g *generator) cloud(topic string, e payloads.Example) (*kgo.Record, error) {
	id, at := g.id(), g.at()
	p := g.payload(e, at)
	kind, source, stamp := "com.github."+e.Event, "https://github.example/hooks", at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	if topic == Releases && g.rnd.IntN(2) == 0 {
		h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
		return &kgo.Record{Topic: topic, Key: []byte(id), Value: p, Headers: []kgo.RecordHeader{
			h("ce_specversion", "1.0"), h("ce_id", id), h("ce_source", source), h("ce_type", kind), h("ce_time", stamp),
			h("content-type", "application/json")}}, nil
	}
	v := fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,"type":%q,"time":%q,"datacontenttype":"application/json","data":%s}`,
		id, source, kind, stamp, p)
	return &kgo.Record{Topic: topic, Key: []byte(id), Value: v, Headers: []kgo.RecordHeader{
		{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}}, nil
}

// bad makes a record that cannot become what it claims to be, in Issues.
func (g *generator) bad() (*kgo.Record, error) {
	e := g.pick("issues")
	for !strings.Contains(string(e.Raw), `"opened"`) {
		e = g.pick("issues")
	}
	id, at := g.id(), g.at()
	p := g.payload(e, at)
	r := &kgo.Record{Topic: Issues, Key: []byte(id)}
	switch g.rnd.IntN(7) {
	case 0: // cut off
		v := g.wrap(id, e.Event, at, p)
		r.Value = v[:len(v)/2]
	case 1: // not JSON at all
		r.Value = []byte("\x00\x01\x02 this is not JSON " + id)
	case 2: // no id
		v := g.wrap(id, e.Event, at, p)
		r.Value, _ = sjson.DeleteBytes(v, "delivery")
	case 3: // no user
		r.Value = g.wrap(id, e.Event, at, set(p, "issue.user", nil))
	case 4: // a required field of the wrong type
		r.Value = g.wrap(id, e.Event, at, set(p, "issue.number", "twelve"))
	case 5: // an event nobody declared
		r.Value = g.wrap(id, "alien_contact", at, p)
	case 6: // 5 MiB, rarely: events.max_bytes is 1 MiB
		if g.rnd.IntN(4) > 0 {
			r.Value = []byte("{")
			break
		}
		r.Value = g.wrap(id, e.Event, at, set(p, "issue.body", strings.Repeat("long ", 1<<20)))
	}
	return r, nil
}

// tombstones end the profiles of some users who are known from Senders alone, after all their other events.
func (g *generator) tombstones() []*kgo.Record {
	var out []*kgo.Record
	for n := range 12 {
		user := fmt.Sprintf("gone-%02d", n)
		e := g.other()
		for !bytes.Contains(e.Raw, []byte(`"sender"`)) {
			e = g.other()
		}
		g.n++
		at := g.at()
		p := set(g.person(g.fresh(e, at), "sender", user), "sender.type", "User")
		out = append(out, &kgo.Record{Topic: Senders, Key: []byte(user), Value: g.wrap(g.id(), e.Event, at, p)})
		if n%3 > 0 {
			out = append(out, &kgo.Record{Topic: Senders, Key: []byte(user)})
		}
	}
	return out
}
