package getui

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each user of a push has one result, whatever the answer looks like.
func TestResults(t *testing.T) {
	type want map[string]Result
	for _, tc := range []struct {
		name string
		r    interface {
			Decode(*Answer) (Results, error)
		}
		data string
		want want
	}{
		{"every word", List{ByCID, "T", []string{"a", "b", "c", "d", "e"}}, `{"T":{"a":"successed_online","b":"successed_offline","c":"successed_ignore","d":"busy"}}`,
			want{"a": Online, "b": Offline, "c": Ignored, "d": Odd, "e": Absent}},
		{"an alias of several devices", Single{By: ByAlias, Target: "u"}, `{"T":{"a":"successed_ignore","b":"successed_offline"}}`, want{"u": Offline}},
		{"an alias whose devices are all idle", Single{By: ByAlias, Target: "u"}, `{"T":{"a":"successed_ignore"}}`, want{"u": Ignored}},
		{"a task without anybody", Single{By: ByCID, Target: "a"}, `{"T":{}}`, want{"a": Absent}},
		{"a batch", Batch{ByCID, []Single{{Target: "a"}, {Target: "b"}}}, `{"T1":{"b":"successed_online"},"T2":{"z":"successed_online"}}`, want{"a": Absent, "b": Online}},
		{"a batch by alias, all taken", Batch{ByAlias, []Single{{Target: "u"}, {Target: "v"}}}, `{"T1":{"a":"successed_online","x":"successed_ignore"},"T2":{"b":"successed_offline"}}`, want{"u": Taken, "v": Taken}},
		{"a batch by alias, one not", Batch{ByAlias, []Single{{Target: "u"}, {Target: "v"}}}, `{"T1":{"a":"successed_online"}}`, nil},
		{"a batch by alias, one idle", Batch{ByAlias, []Single{{Target: "u"}, {Target: "v"}}}, `{"T1":{"a":"successed_online"},"T2":{"b":"successed_ignore"}}`, nil},
		{"a list by alias", List{ByAlias, "T", []string{"u", "v"}}, `{"T":{"u":{"a":"successed_ignore","b":"successed_online"}}}`, want{"u": Online, "v": Absent}},
		{"a list by alias, keyed by alias", List{ByAlias, "T", []string{"u", "v"}}, `{"T":{"u":"successed_online"}}`, want{"u": Online, "v": Absent}},
		{"a list by alias, keyed by cid", List{ByAlias, "T", []string{"u", "v"}}, `{"T":{"a":"successed_online"}}`, nil},
		{"another shape", Single{By: ByCID, Target: "a"}, `[1]`, nil},
		{"no data", Single{By: ByCID, Target: "a"}, ``, nil},
	} {
		a := &Answer{}
		if tc.data != "" {
			a.Data = json.RawMessage(tc.data)
		}
		rs, err := tc.r.Decode(a)
		if tc.want == nil {
			_, list := tc.r.(List)
			if e, ok := err.(*Error); !ok || (e.Class == Unknown) != list || e.Class.Executed() != "unknown" {
				t.Errorf("%s: %v, %v; want an outcome that is not known", tc.name, rs, err)
			}
			continue
		}
		got := want{}
		for target, o := range rs {
			got[target] = o.Result
			if o.Result == Odd && o.Word == "" || o.Result == Online && o.Task == "" {
				t.Errorf("%s: %s is %+v", tc.name, target, o)
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" || err != nil {
			t.Errorf("%s (-want +got): %v\n%s", tc.name, err, d)
		}
	}
}

func TestReportsAndNumbers(t *testing.T) {
	read := func(s string) *Answer { return &Answer{Data: json.RawMessage(s)} }
	if got, err := (TaskReport{}).Decode(read(`{"T":{"total":{"msg_num":"2","target_num":1,"receive_num":1,"display_num":1,"click_num":0},"gt":{"target_num":1},"actionCntMap":{"a":"x"},"n":5}}`)); err != nil ||
		got["T"]["total"] != (Counts{2, 1, 1, 1, 0}) || got["T"]["gt"].Targets != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (UserDay{}).Decode(read(`{"2026-11-28":{"accumulative_num":9,"register_num":"3","active_num":2,"online_num":1}}`)); err != nil || got["2026-11-28"] != (UserCounts{9, 3, 2, 1}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (OnlineUsers{}).Decode(read(`{"online_statics":{"1700000000000":7}}`)); err != nil || got["1700000000000"] != 7 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (Allowance{}).Decode(read(`{"app":{"all":{"total_num":20,"remain_num":"19","push_num":1,"limit":true}},"list":{"total_num":5,"remain_num":5,"limit":false}}`)); err != nil ||
		got["app.all"] != (Left{20, 19, 1, true}) || got["list"] != (Left{5, 5, 0, false}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (GetDetail{}).Decode(read(`{"deatil":[{"time":"1","event":"e"}]}`)); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (RemoveTag{"t", []string{"a", "b"}}).Decode(read(`{"a":"true","b":"false"}`)); err != nil || len(got) != 1 || got[0] != "b" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := (StoreMessage{}).Decode(read(`{"taskid":""}`)); err == nil {
		t.Error("a message without a task")
	}
}

func TestIDs(t *testing.T) {
	a, b := IDsOf("app", "t/0/1/r/u"), IDsOf("app", "t/0/1/r/v")
	if a != IDsOf("app", "t/0/1/r/u") || a == b || a == IDsOf("other", "t/0/1/r/u") {
		t.Errorf("%+v %+v", a, b)
	}
	if len(a.RequestID) != 32 || requestID(a.RequestID, false) != nil || a.NotifyID < 0 || a.NotifyID > MaxNotifyID || len(a.CollapseID) > MaxCollapse {
		t.Errorf("%+v", a)
	}
	if a.RequestID != "14d1d7aab60c92408c104e62e91cd441" {
		t.Errorf("%s: ids must stay what they are over releases, or what waits is sent twice", a.RequestID)
	}
}
