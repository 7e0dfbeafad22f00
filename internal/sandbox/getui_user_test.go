package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGetuiConditions(t *testing.T) {
	b := startFixed(t)
	b.want("PUT", "/user/custom_tag/batch/a", `{"cid":["`+f1+`","`+f2+`","`+f5+`"]}`, 200, 0)
	b.want("PUT", "/user/custom_tag/batch/b", `{"cid":["`+f2+`","`+f3+`"]}`, 200, 0)
	cond := func(key, op string, values ...string) string {
		return fmt.Sprintf(`{"key":%q,"values":["%s"],"opt_type":%q}`, key, strings.Join(values, `","`), op)
	}
	for i, c := range []struct {
		name, conditions string
		count            float64
		reached          []string
	}{
		{"or", cond("custom_tag", "or", "a", "b"), 4, []string{f1, f2, f5}},
		{"and", cond("custom_tag", "and", "a", "b"), 1, []string{f2}},
		{"not", cond("custom_tag", "or", "a") + "," + cond("custom_tag", "not", "b"), 2, []string{f1, f5}},
		{"keys intersect", cond("custom_tag", "or", "a") + "," + cond("phone_type", "or", "IOS"), 1, []string{f5}},
		{"two phones at once", cond("phone_type", "and", "ios", "android"), 0, nil},
		{"both phones", cond("phone_type", "or", "ios", "android"), 2005, nil},
		{"nobody has a region", cond("region", "or", "11000000"), 0, nil},
		{"everybody lacks one", cond("region", "not", "11000000") + "," + cond("custom_tag", "or", "b"), 2, []string{f2}},
		{"nobody", cond("custom_tag", "or", "c"), 0, nil},
	} {
		if a := b.want("POST", "/user/count", `{"tag":[`+c.conditions+`]}`, 200, 0); a.data["user_count"] != c.count {
			t.Errorf("%s: count %v, want %v", c.name, a.data, c.count)
		}
		if c.count > 2000 {
			continue
		}
		b.SetGetuiClock(fixedGetuiStart + int64(i)*minute) // five a minute
		b.want("POST", "/push/tag", toTag(rid(i), c.conditions), 200, 0)
		e := b.last()
		if e.Effective == nil || e.Effective.Mode != "filter" || !slices.Equal(e.Matched, c.reached) {
			t.Errorf("%s: %+v, reached %v, want %v", c.name, e.Effective, e.Matched, c.reached)
		}
	}
	b.SetGetuiClock(fixedGetuiStart)
	b.knobs(`{"app_minute_limit":99}`)
	b.want("POST", "/push/all", toAll(rid(99)), 200, 0)
	if e := b.last(); e.Effective == nil || e.Effective.Mode != "all" || len(e.Matched) != matchedMost {
		t.Errorf("all: %+v, %d of the reached", e.Effective, len(e.Matched))
	}
	for _, bad := range []string{``, `7`, cond("phone_type", "or", "wp"), cond("custom_tag", "or", ""), `{"key":"custom_tag","values":["a"]}`, `{"values":["a"],"opt_type":"or"}`} {
		b.want("POST", "/user/count", `{"tag":[`+bad+`]}`, 400, 20001)
	}
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprint("t", i))
	}
	b.want("POST", "/user/count", `{"tag":[`+cond("custom_tag", "or", many[:100]...)+`]}`, 200, 0)
	b.want("POST", "/user/count", `{"tag":[`+cond("custom_tag", "or", many...)+`]}`, 403, 30016)
}

// A device that was given a region and portraits is found by them, under every operator and beside the other keys.
func TestGetuiConditionsOnRegionAndPortrait(t *testing.T) {
	b := startFixed(t)
	mustStatus(t, "devices", b.control("POST", b.Ready().Control+"/devices", `{"app":"`+getuiApp1+`","devices":[{"cid":"north","region":"11000000","portrait":["young","rich"]},
		{"cid":"south","phone_type":"ios","region":"44000000","portrait":["young"]},{"cid":"nowhere","phone_type":"ios"}]}`, nil), 200)
	b.want("PUT", "/user/custom_tag/batch/mine", `{"cid":["north","south","nowhere"]}`, 200, 0)
	cond := func(key, op string, values ...string) string {
		return fmt.Sprintf(`{"key":%q,"values":["%s"],"opt_type":%q}`, key, strings.Join(values, `","`), op)
	}
	mine := cond("custom_tag", "or", "mine") + ","
	for i, c := range []struct {
		conditions string
		reached    []string
	}{
		{cond("region", "or", "11000000", "31000000"), []string{"north"}},
		{cond("region", "or", "11000000", "44000000"), []string{"north", "south"}},
		{cond("region", "and", "11000000", "44000000"), nil},
		{mine + cond("region", "not", "11000000"), []string{"nowhere", "south"}},
		{cond("portrait", "or", "rich", "old"), []string{"north"}},
		{cond("portrait", "and", "young", "rich"), []string{"north"}},
		{mine + cond("portrait", "not", "rich"), []string{"nowhere", "south"}},
		{cond("portrait", "or", "young") + "," + cond("region", "or", "44000000") + "," + cond("phone_type", "or", "iOS") + "," + cond("custom_tag", "and", "mine"), []string{"south"}},
		{cond("portrait", "or", "young") + "," + cond("phone_type", "not", "ios"), []string{"north"}},
	} {
		b.SetGetuiClock(fixedGetuiStart + int64(i)*minute) // five a minute
		b.want("POST", "/push/tag", toTag(rid(i), c.conditions), 200, 0)
		if e := b.last(); !slices.Equal(e.Matched, c.reached) {
			t.Errorf("%s reached %v, want %v", c.conditions, e.Matched, c.reached)
		}
	}
	for _, bad := range []string{`{"app":"nobody","devices":[]}`, `{"app":"` + getuiApp1 + `","devices":[{}]}`,
		`{"app":"` + getuiApp1 + `","devices":[{"cid":"a","region":"Beijing"}]}`,
		`{"app":"` + getuiApp1 + `","devices":[{"cid":"a","phone_type":"wp"}]}`, `{"app":"` + getuiApp1 + `","device":[]}`} {
		mustStatus(t, bad, b.control("POST", b.Ready().Control+"/devices", bad, nil), 400)
	}
	mustStatus(t, "half", b.control("POST", b.Ready().Control+"/devices", `{"app":"`+getuiApp1+`","devices":[{"cid":"half"},{}]}`, nil), 400)
	b.want("PUT", "/user/custom_tag/batch/half", `{"cid":["north","half"]}`, 200, 0)
	b.SetGetuiClock(fixedGetuiStart + 10*minute)
	b.want("POST", "/push/tag", toTag(rid(20), cond("custom_tag", "or", "half")), 200, 0)
	if e := b.last(); !slices.Equal(e.Matched, []string{"north"}) {
		t.Errorf("a refused call has given a device: %v", e.Matched)
	}
}

func TestGetuiAliases(t *testing.T) {
	b := startFixed(t)
	bind := func(http int, pairs ...string) {
		t.Helper()
		var list []string
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, fmt.Sprintf(`{"cid":%q,"alias":%q}`, pairs[i], pairs[i+1]))
		}
		b.want("POST", "/user/alias", `{"data_list":[`+strings.Join(list, ",")+`]}`, http, map[bool]int{true: 0, false: 20001}[http == 200])
	}
	cids := func(alias string) int {
		t.Helper()
		return len(b.want("GET", "/user/cid/alias/"+alias, "", 200, 0).data["cid"].([]any))
	}
	for i := range 10 {
		bind(200, fmt.Sprintf("bulk-cid-%04d", i), "crowd")
	}
	bind(400, "bulk-cid-0010", "crowd") // ten devices at most
	bind(200, "bulk-cid-0003", "crowd") // is one of them
	bind(400, "bulk-cid-0011", "new", "nobody", "new")
	bind(400, "bulk-cid-0011", "a b")
	bind(400, "bulk-cid-0011", "a", "bulk-cid-0011", "b")
	if cids("new") != 0 || cids("crowd") != 10 {
		t.Errorf("%d and %d devices", cids("new"), cids("crowd"))
	}
	bind(200, "bulk-cid-0009", "other")
	if cids("crowd") != 9 || cids("other") != 1 {
		t.Errorf("%d and %d devices after one left", cids("crowd"), cids("other"))
	}
	b.want("DELETE", "/user/alias", `{"data_list":[{"cid":"bulk-cid-0000","alias":"other"},{"cid":"nobody","alias":"x"}]}`, 200, 0) // no such pairs
	b.want("DELETE", "/user/alias", `{"data_list":[{"cid":"bulk-cid-0000","alias":"crowd"}]}`, 200, 0)
	if cids("crowd") != 8 {
		t.Errorf("%d devices after unbinding one", cids("crowd"))
	}
	b.want("DELETE", "/user/alias/crowd", "", 200, 0)
	b.want("DELETE", "/user/alias/crowd", "", 200, 0)
	if a := b.want("GET", "/user/alias/cid/bulk-cid-0001", "", 200, 0); a.data["alias"] != "" || cids("crowd") != 0 {
		t.Errorf("after unbinding all: %v, %d", a.data, cids("crowd"))
	}
	b.want("GET", "/user/alias/cid/nobody", "", 400, 20001)
	b.want("POST", "/user/alias", `{"data_list":[]}`, 400, 20001)
	b.want("DELETE", "/user/alias", `no`, 200, 1)
}

func TestGetuiTagRules(t *testing.T) {
	b := startFixed(t)
	set := func(cid string, tags []string, http, code int) {
		t.Helper()
		text, _ := json.Marshal(map[string]any{"custom_tag": tags})
		b.want("POST", "/user/custom_tag/cid/"+cid, string(text), http, code)
	}
	tags := func(n, chars int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("%0*d", chars, i))
		}
		return all
	}
	get := func(cid string) string {
		t.Helper()
		return b.want("GET", "/user/custom_tag/cid/"+cid, "", 200, 0).data[cid].([]any)[0].(string)
	}
	set(f1, []string{}, 400, 20001)
	set(f1, []string{"a", "a"}, 400, 20001)
	set(f1, tags(17, 32), 400, 20001) // 544 characters
	set("nobody", []string{"a"}, 400, 20001)
	set(f1, tags(16, 32), 200, 0) // 512
	set(f1, []string{"a"}, 403, 30011)
	set(f2, tags(100, 5), 200, 0)
	b.AdvanceGetuiClock(chinaDay - second) // before the token ends
	set(f1, []string{"开心", "b"}, 200, 0)
	if got := get(f1); got != "开心 b" {
		t.Errorf("tags %q", got)
	}
	b.want("PUT", "/user/custom_tag/batch/full", `{"cid":["`+f1+`","`+f2+`","nobody"]}`, 200, 0)
	if strings.Contains(get(f2), "full") || get(f1) != "开心 b full" {
		t.Errorf("tags %q and %q", get(f1), get(f2))
	}
	a := b.want("DELETE", "/user/custom_tag/batch/b", `{"cid":["`+f1+`","nobody"]}`, 200, 0)
	if a.data[f1] != "true" || a.data["nobody"] != "false" || get(f1) != "开心 full" {
		t.Errorf("%v, tags %q", a.data, get(f1))
	}
	b.want("PUT", "/user/custom_tag/batch/x", `{"cid":["nobody"]}`, 400, 20001)
	b.want("PUT", "/user/custom_tag/batch/a%20b", `{"cid":["`+f1+`"]}`, 400, 20001)
	b.want("PUT", "/user/custom_tag/batch/"+strings.Repeat("t", 33), `{"cid":["`+f1+`"]}`, 403, 30005)
	b.want("PUT", "/user/custom_tag/batch/"+strings.Repeat("t", 32), `{"cid":["`+f1+`"]}`, 200, 0)

	var over map[string][]string
	mustStatus(t, "tags", b.control("GET", b.Ready().Control+"/tags?app="+getuiApp1, "", &over), 200)
	if len(over) != 2 || !slices.Equal(over[f1], []string{"开心", "full", strings.Repeat("t", 32)}) {
		t.Errorf("tags over HTTP: %v", over[f1])
	}
	for range 96 { // 4 were read
		get(f1)
	}
	b.want("GET", "/user/custom_tag/cid/"+f1, "", 401, 10005)
}

func TestGetuiBlackList(t *testing.T) {
	b := startFixed(t)
	word := func(i int) any {
		a := b.want("POST", singlePath, toCID(rid(i), f1), 200, 0)
		return a.data[a.taskID()].(map[string]any)[f1]
	}
	b.want("POST", "/user/black/cid/"+f1+",nobody", "", 200, 0)
	if got := word(1); got != ignored {
		t.Errorf("black-listed: %v", got)
	}
	b.want("DELETE", "/user/black/cid/"+f1, "", 200, 0)
	if got := word(2); got != online {
		t.Errorf("no longer: %v", got)
	}
	b.want("POST", "/user/black/cid/nobody", "", 400, 20001)
	many := strings.Repeat(f1+",", 200)
	b.want("POST", "/user/black/cid/"+many+f1, "", 400, 20001)
	b.want("POST", "/user/badge/cid/"+f1, `{"badge":"+1"}`, 200, 0)
	b.want("POST", "/user/badge/cid/"+f1, `{"badge":"one"}`, 400, 20001)
	b.want("POST", "/user/badge/cid/"+f1, `{}`, 400, 20001)
}

func TestGetuiReports(t *testing.T) {
	b := startFixed(t)
	task := b.want("POST", messagePath, `{"group_name":"camp",`+textMessage+`}`, 200, 0).taskID()
	b.want("POST", listPath, listTo("cid", task, f1, f2, f3, "nobody"), 200, 0)
	single := b.want("POST", singlePath, toCID(rid(1), f1), 200, 0).taskID()
	other := b.want("POST", "/push/tag", `{"request_id":"rid-group-1","group_name":"camp","audience":{"tag":[{"key":"phone_type","values":["ios"],"opt_type":"or"}]},`+textMessage+`}`, 200, 0).taskID()
	check := func(path, key, want string) {
		t.Helper()
		a := b.want("GET", path, "", 200, 0)
		if got, _ := json.Marshal(a.data[key]); string(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	figures := func(msg, target, receive int) string {
		return fmt.Sprintf(`{"gt":{"click_num":0,"display_num":%d,"receive_num":%d,"target_num":%d},"total":{"click_num":0,"display_num":%d,"msg_num":%d,"receive_num":%d,"target_num":%d}}`,
			receive, receive, target, receive, msg, receive, target)
	}
	check("/report/push/task/"+task+","+single+",none", task, figures(3, 2, 1))
	check("/report/push/task/"+other, other, figures(3, 1, 0)) // f3 and f4 are ignored
	check("/report/push/task_group/camp", "camp", figures(6, 3, 1))
	check("/report/push/date/2023-11-15", "2023-11-15", figures(6, 3, 1))
	check("/report/push/date/2023-11-14", "2023-11-14", figures(0, 0, 0))
	check("/report/user/date/2023-11-14", "2023-11-14", `{"accumulative_num":2005,"active_num":1,"online_num":2,"register_num":0}`)
	b.want("GET", "/report/push/task/"+single, "", 400, 20001) // not for single pushes
	b.want("GET", "/report/push/task/"+strings.Repeat("t,", 200)+"t", "", 400, 20001)
	b.want("GET", "/report/push/task/"+task+"/detail", "", 403, 30017)
	b.want("GET", "/report/push/task_group/nobody", "", 400, 20001)
	b.want("GET", "/report/push/date/15.11.2023", "", 400, 20001)
	b.want("GET", "/report/user/date/2023-11-15", "", 400, 20001) // not today
	points := b.want("GET", "/report/online_user", "", 200, 0).data["online_statics"].(map[string]any)
	if len(points) != 144 || points["1700000000000"] != nil || points["1699999800000"] != 2.0 {
		t.Errorf("%d points", len(points))
	}
	left := b.want("GET", "/report/push/count", "", 200, 0).data["app"].(map[string]any)["tag"]
	if got, _ := json.Marshal(left); string(got) != `{"limit":true,"push_num":1,"remain_num":19,"total_num":20}` {
		t.Errorf("left %s", got)
	}
	b.AdvanceGetuiClock(90*chinaDay + 1)
	r := b.getuiRequest("GET", "/report/push/task/"+task, "")
	r.Header.Set("token", b.want("POST", "/auth", b.authBody(0), 200, 0).data["token"].(string))
	if a := b.sendGetui(r); a.code != 20001 {
		t.Errorf("after 90 days: %d %v", a.code, a.data)
	}
}
