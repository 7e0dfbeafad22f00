package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// plain is a record of the feed's JSON shape, minutes before the start.
func plain(topic string, offset int64, id, kind string, minutes int, payload string) Record {
	at := start.Add(-time.Duration(minutes) * time.Minute)
	return Record{Topic: topic, Offset: offset, Time: start,
		Value: fmt.Appendf(nil, `{"delivery":%q,"event":%q,"at":%q,"payload":%s}`, id, kind, at.Format(time.RFC3339Nano), payload)}
}

// What must come of one record, each said by hand: the audit's own reading of the input is tested against people,
// not against itself.
func TestExpectReadsARecordAsTheManualSays(t *testing.T) {
	t.Parallel()
	const id = "gh-000001-abcdef"
	issue := func(action, rest string) string {
		return `{"action":"` + action + `","issue":{"number":7,"title":"T","user":{"login":"u1"},"assignees":[],"labels":[]` + rest + `}}`
	}
	for _, tc := range []struct {
		name    string
		record  Record
		intents []string // action target account body
		dead    string
	}{
		{name: "an opened issue goes to its author", record: plain("gh.issues", 3, id, "issues", 9, issue("opened", "")),
			intents: []string{"push u1 main issue-opened gh-000001-abcdef #7 «T»."}},
		{name: "a record may be two events, and a list makes an intent each",
			record: plain("gh.issues", 3, id, "issues", 9, `{"action":"assigned","assignee":{"login":"u9"},"issue":{"number":7,"title":"T","user":{"login":"u1"},"assignees":[{"login":"u2"},{"login":"u3"},{"login":"u2"}]}}`),
			intents: []string{"push u2 main issue-assignees gh-000001-abcdef «T».", "push u3 main issue-assignees gh-000001-abcdef «T».",
				"push u9 main assignee-hello gh-000001-abcdef 请查看"}},
		{name: "a list of nobody", record: plain("gh.issues", 3, id, "issues", 9, issue("edited", "")), intents: []string{"push u1 main nobody"}},
		{name: "a label decides", record: plain("gh.issues", 3, id, "issues", 9, strings.Replace(issue("pinned", ""), `"labels":[]`, `"labels":[{"name":"bug"},{"name":"security"}]`, 1)),
			intents: []string{"push u1 second issue-security gh-000001-abcdef"}},
		{name: "no rule", record: plain("gh.issues", 3, id, "issues", 9, issue("pinned", ""))},
		{name: "no catalogue entry", record: plain("gh.issues", 3, id, "watch", 9, `{}`)},
		{name: "the right event on the wrong topic", record: plain("gh.pulls", 3, id, "issues", 9, issue("opened", ""))},
		{name: "no id", record: plain("gh.issues", 3, "", "issues", 9, issue("opened", "")), dead: "bad-field"},
		{name: "no user", record: plain("gh.issues", 3, id, "issues", 9, `{"action":"opened","issue":{"number":7,"user":null}}`), dead: "bad-field"},
		{name: "a required number that is a word", record: plain("gh.issues", 3, id, "issues", 9, strings.Replace(issue("opened", ""), ":7", `:"seven"`, 1)), dead: "bad-field"},
		{name: "a number written as text", record: plain("gh.pulls", 3, id, "pull_request", 9, `{"action":"opened","pull_request":{"additions":"812","draft":false,"user":{"login":"u1"}}}`),
			intents: []string{"push u1 main pull-big gh-000001-abcdef +812 lines"}},
		{name: "a number that is a word is missing", record: plain("gh.pulls", 3, id, "pull_request", 9, `{"action":"opened","pull_request":{"additions":"many","draft":false,"user":{"login":"u1"}}}`)},
		{name: "exactly 400 lines are not more", record: plain("gh.pulls", 3, id, "pull_request", 9, `{"action":"opened","pull_request":{"additions":400,"user":{"login":"u1"}}}`)},
		{name: "a draft is left alone", record: plain("gh.pulls", 3, id, "pull_request", 9, `{"action":"opened","pull_request":{"additions":500,"draft":true,"user":{"login":"u1"}}}`)},
		{name: "not JSON", record: Record{Topic: "gh.issues", Value: []byte(`{"delivery":`)}, dead: "undecodable"},
		{name: "too large", record: Record{Topic: "gh.issues", Value: make([]byte, 1<<20+1)}, dead: "too-large"},
		{name: "a profile event is for every account", record: plain("gh.profiles", 3, id, "member", 9, `{"member":{"login":"u1","type":"User"}}`),
			intents: []string{"tags u1 main ", "tags u1 second "}},
		{name: "an organization without membership", record: plain("gh.profiles", 3, id, "organization", 9, `{"action":"renamed"}`), dead: "bad-field"},
		{name: "a tombstone", record: Record{Topic: "gh.senders", Key: []byte("u1"), Time: start}, intents: []string{"tags u1 main ", "tags u1 second "}},
		{name: "a structured cloud event", record: Record{Topic: "gh.security", Value: []byte(`{"specversion":"1.0","id":"gh-000001-abcdef","type":"com.github.security_advisory","time":"2026-11-21T11:00:00Z","data":{"action":"published","security_advisory":{"severity":"critical","ghsa_id":"G"}}}`)},
			intents: []string{"broadcast * second advisory-critical gh-000001-abcdef G"}},
		{name: "a binary cloud event", record: Record{Topic: "gh.releases", Value: []byte(`{"action":"released","release":{"name":"","tag_name":"1.0.0","author":{"login":"u1"}}}`),
			Headers: map[string]string{"ce_specversion": "1.0", "ce_id": id, "ce_type": "com.github.release", "ce_time": "2026-11-21T11:00:00Z"}},
			intents: []string{"push u1 second release-author gh-000001-abcdef 未命名 (1.0.0)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := expect(Input{Start: start, Events: []Record{tc.record}})
			var got []string
			for _, w := range x.wants {
				if w.nobody {
					w.body = "nobody"
				}
				got = append(got, w.action+" "+w.target+" "+w.account+" "+w.body)
				if want := tc.record.Place() + "/" + w.rule + "/" + w.target + "@" + w.account; w.id != want {
					t.Errorf("id %s, want %s", w.id, want)
				}
			}
			slices.Sort(got)
			slices.Sort(tc.intents)
			if !slices.Equal(got, tc.intents) {
				t.Errorf("intents\n got %q\nwant %q", got, tc.intents)
			}
			if dead := x.dead[tc.record.Place()]; dead != tc.dead {
				t.Errorf("dead letter %q, want %q", dead, tc.dead)
			}
		})
	}
}

// Whatever the order of arrival, each field is the newest one's; a null clears, silence leaves alone.
func TestNewestFieldWinsInEveryOrder(t *testing.T) {
	t.Parallel()
	events := []Record{
		plain("gh.profiles", 1, "gh-000001-000001", "member", 30, `{"member":{"login":"u1","type":"User","site_admin":true}}`),
		plain("gh.profiles", 2, "gh-000002-000002", "organization", 20, `{"action":"member_added","membership":{"role":"admin","state":"active","user":{"login":"u1","type":"Bot"}}}`),
		plain("gh.profiles", 3, "gh-000003-000003", "organization", 10, `{"action":"member_added","membership":{"role":null,"user":{"login":"u1"}}}`),
		plain("gh.senders", 1, "gh-000004-000004", "push", 25, `{"sender":{"login":"u1","type":"Organization"}}`),
	}
	want := map[string][]string{"main": {"member_active", "site-admin", "type_Bot"}, "second": {"gh_Bot"}}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		var in []Record
		for _, i := range order {
			in = append(in, events[i])
		}
		x := expect(Input{Start: start, Events: in})
		for _, account := range slices.Sorted(maps.Keys(want)) {
			if got := x.tags.tags(account, "u1"); !slices.Equal(got, want[account]) {
				t.Errorf("order %v: %s has %v, want %v", order, account, got, want[account])
			}
		}
	}
}

func TestATombstoneClearsTheTags(t *testing.T) {
	t.Parallel()
	x := expect(Input{Start: start, Events: []Record{
		plain("gh.senders", 1, "gh-000001-000001", "push", 9, `{"sender":{"login":"u1","type":"User"}}`),
		{Topic: "gh.senders", Offset: 2, Key: []byte("u1"), Time: start},
	}})
	if got := x.tags.tags("main", "u1"); len(got) > 0 {
		t.Errorf("tags %v, want none", got)
	}
}
