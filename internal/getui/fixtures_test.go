package getui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// fixture is one case of the contract's file.
type fixture struct {
	ID, Group, Method, Path string
	Body                    json.RawMessage
	Raw                     *string `json:"raw_body"`
	Expect                  struct {
		HTTP      int
		Code      *int
		Msg       string          `json:"msg_contains"`
		Shape     json.RawMessage `json:"data_shape"`
		Data      json.RawMessage
		Transport string
	}
	Sequence string
}

type fixtures struct {
	Cases   []fixture
	Vectors []struct {
		AppKey       string
		MasterSecret string
		Timestamp    string
		Sign         string
		Negative     bool
		Note, ID     string
	} `json:"signing_vectors"`
}

func readFixtures(t *testing.T) fixtures {
	t.Helper()
	b, err := os.ReadFile("../../testdata/getui/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixtures
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) != 177 {
		t.Fatalf("%d cases, want 177", len(f.Cases))
	}
	return f
}

// expanded replaces what the file writes shorter: repeats, long texts, sequences.
func expanded(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = expanded(v[i])
		}
	case map[string]any:
		if r, ok := v["$repeat"].(map[string]any); ok {
			item, _ := json.Marshal(r["item"])
			var out []any
			for i := range int(r["n"].(float64)) {
				var x any
				_ = json.Unmarshal([]byte(strings.ReplaceAll(string(item), "{i}", fmt.Sprintf("%04d", i))), &x)
				out = append(out, expanded(x))
			}
			return out
		}
		if s, ok := v["$str"].(map[string]any); ok {
			return strings.Repeat(s["ch"].(string), int(s["n"].(float64)))
		}
		if s, ok := v["$seq"].(map[string]any); ok {
			s["request_id"] = "seq-000000-0000"
			return expanded(s)
		}
		for k := range v {
			v[k] = expanded(v[k])
		}
	}
	return v
}

func (f fixture) body(t *testing.T) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(f.Body, &v); err != nil {
		t.Fatalf("%s: %v", f.ID, err)
	}
	b, err := json.Marshal(expanded(v))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// endpoint is the one that a case calls.
func (f fixture) endpoint() (Endpoint, bool) {
	path := strings.Split(strings.TrimPrefix(f.Path, "/v2/"), "/")[1:]
	for _, ep := range endpoints {
		parts := strings.Split(ep.Name, "/")[1:]
		if ep.Method != f.Method || len(parts) != len(path) {
			continue
		}
		same := true
		for i, p := range parts {
			same = same && (p == path[i] || strings.HasPrefix(p, "{"))
		}
		if same {
			return ep, true
		}
	}
	return Endpoint{}, false
}

// endpoints are all of the package.
var endpoints = []Endpoint{authEndpoint, dropEndpoint, SingleCID, SingleAlias, BatchCID, BatchAlias, ListMessage, ListCID, ListAlias, AppAll, AppTag, AppFastTag, TaskStop,
	ScheduleGet, ScheduleDelete, TaskDetail, ReportTask, ReportTaskDetail, ReportGroup, ReportPushDay, ReportUserDay, ReportOnline, ReportAllowance, AliasBind, AliasOf,
	AliasCIDs, AliasUnbind, AliasUnbindAll, TagSet, TagAdd, TagRemove, TagGet, BlackAdd, BlackRemove, UserStatus, UserBadge, UserCount}

// answer is the case's expectation as the vendor's words.
func (f fixture) answer() []byte {
	data := string(f.Expect.Data)
	shape := strings.Trim(string(f.Expect.Shape), `"`)
	if data == "" {
		data = map[string]string{
			"token": `{"token":"t-1","expire_time":"1700086400000"}`, "task_cid_status": `{"RASS_1":{"c-1":"successed_online"}}`,
			"task_schedule": `{"RASA_1":{"create_time":"1700000000000","push_time":1700003600000,"send_result":"wait"}}`,
			"task_report":   `{"RASL_1":{"total":{"msg_num":1,"target_num":"1","receive_num":1,"display_num":1,"click_num":0},"actionCntMap":{"a":1}}}`,
		}[shape]
	}
	if strings.HasPrefix(shape, "{") {
		data = strings.NewReplacer(`"string"`, `"RASL_1"`, `"number"`, `2`).Replace(shape)
	}
	body := fmt.Sprintf(`{"code":%d,"msg":"%s","more":{"unknown":1}`, *f.Expect.Code, f.Expect.Msg)
	if data != "" {
		body += `,"data":` + data
	}
	return []byte(body + "}")
}

// Every answer of the contract's cases, said to the client: the class is the one of the code's line in getui.md 10.
func TestTheCasesAnswersAreClassified(t *testing.T) {
	want := map[int]Class{0: OK, 1: Permanent, 2: RetryLater, 404: Config, 405: Config, 10001: Config, 10002: Config, 10003: RetryLater, 10004: Permanent, 10005: RetryLater,
		20001: Permanent, 22002: Permanent, 30000: Config, 30002: Config, 30005: Permanent, 30016: Permanent, 30027: Permanent}
	for _, code := range []int{30007, 30008, 30009, 30010, 30011, 30012, 30019} {
		want[code] = RetryLater
	}
	judged := 0
	for _, f := range readFixtures(t).Cases {
		if f.Expect.Code == nil {
			continue
		}
		ep, ok := f.endpoint()
		if !ok {
			ep = SingleCID // a path that there is not
		}
		class, known := want[*f.Expect.Code]
		if !known {
			t.Errorf("%s: code %d is in no line of this test", f.ID, *f.Expect.Code)
		}
		if ep.Lane == LaneAuth && (class == Permanent || class == OK && *f.Expect.Code != 0) || strings.Contains(f.Expect.Msg, "appId") {
			class = Config
		}
		v := classify(ep, f.Expect.HTTP, f.answer())
		if v.class != class || v.code != *f.Expect.Code || v.message != f.Expect.Msg {
			t.Errorf("%s: HTTP %d %s: %s, code %d, %q; want %s", f.ID, f.Expect.HTTP, f.answer(), v.class, v.code, v.message, class)
		}
		if v.target != (f.Expect.Msg == "target user is invalid") {
			t.Errorf("%s: target %t for %q", f.ID, v.target, f.Expect.Msg)
		}
		judged++
	}
	if judged != 173 { // the other four have no code: TestTheCasesWithoutACode
		t.Errorf("%d cases judged", judged)
	}
}

// The cases whose answer has no code: a broken connection is unclear, and may be sent again where there is a request_id; so is a 5xx. A health
// check is none of ours.
func TestTheCasesWithoutACode(t *testing.T) {
	want := map[string]Class{"reset-after-1": RetrySafe, "list-reset-after-2": Unknown, "inject-502": RetrySafe, "route-check": ""}
	for _, f := range readFixtures(t).Cases {
		if f.Expect.Code != nil {
			continue
		}
		class, known := want[f.ID]
		delete(want, f.ID)
		ep, ok := f.endpoint()
		if ok != (class != "") || !known {
			t.Errorf("%s: an endpoint of ours %t, want %q", f.ID, ok, class)
			continue
		}
		switch {
		case !ok:
		case f.Expect.Transport == "":
			if v := classify(ep, f.Expect.HTTP, []byte("<html>")); v.class != class {
				t.Errorf("%s: %s, want %s", f.ID, v.class, class)
			}
		default:
			v := &fake{}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/auth") {
					v.ServeHTTP(w, r)
					return
				}
				panic(http.ErrAbortHandler)
			}))
			c := newClient(t, Options{Host: srv.URL})
			r, err := f.request(t, ep)
			if err != nil {
				t.Fatal(err)
			}
			if _, e := send(t, c, r); e == nil || e.Class != class {
				t.Errorf("%s: %v, want %s", f.ID, e, class)
			}
			srv.Close()
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the file: %v", want)
	}
}

// The data of the successful cases has the shape that the decoders read.
func TestTheCasesDataIsDecoded(t *testing.T) {
	read := map[string]int{}
	for _, f := range readFixtures(t).Cases {
		ep, ok := f.endpoint()
		if !ok || f.Expect.Code == nil || *f.Expect.Code != 0 || f.Expect.HTTP != 200 || f.ID == "single-notify-id-string" { // numbers as text: none of ours
			continue
		}
		v := classify(ep, 200, f.answer())
		if v.data == nil {
			continue
		}
		a := &Answer{Data: v.data}
		parts := strings.Split(f.Path, "/")
		last := parts[len(parts)-1]
		var got any
		var err error
		switch ep {
		case SingleCID, SingleAlias:
			s := f.single(t, f.body(t))
			var rs Results
			rs, err = s.Decode(a)
			if s.By == ByCID && len(f.Expect.Data) > 0 && strings.Contains(string(f.Expect.Data), s.Target) && rs[s.Target].Result == Absent {
				t.Errorf("%s: %v", f.ID, rs)
			}
			got = rs
		case BatchCID, BatchAlias:
			got, err = f.batch(t).Decode(a)
		case ListCID, ListAlias:
			var l List
			l, err = f.list(t)
			if err == nil {
				got, err = l.Decode(a)
			}
			if f.ID == "list-alias-plain-2" { // the inner key is a cid: who it is cannot be told
				if err == nil {
					t.Errorf("%s: %v", f.ID, got)
				}
				err = nil
			}
		case ListMessage, AppAll, AppTag, AppFastTag:
			if got, err = taskID(StoreMessage{}, a); got != "RASL_1" {
				t.Errorf("%s: task %v", f.ID, got)
			}
		case UserCount:
			if got, err = (CountUsers{}).Decode(a); got != 2 {
				t.Errorf("%s: count %v", f.ID, got)
			}
		case TagGet:
			got, err = GetTags{last}.Decode(a)
		case TagRemove:
			got, err = RemoveTag{"vip", []string{"aadaf59782dcba2ca6083e4a47e895f1"}}.Decode(a)
			if failed, _ := got.([]string); len(failed) > 0 {
				t.Errorf("%s: %v", f.ID, got)
			}
		case AliasOf:
			got, err = GetAlias{last}.Decode(a)
		case AliasCIDs:
			got, err = GetCIDs{last}.Decode(a)
		case UserStatus:
			a.Data = json.RawMessage(strings.ReplaceAll(string(a.Data), `"*"`, `"1700000000000"`))
			var st map[string]Status
			st, err = GetStatus{}.Decode(a)
			if !st["aadaf59782dcba2ca6083e4a47e895f1"].Online || st["aadaf59782dcba2ca6083e4a47e895f2"].Online {
				t.Errorf("%s: %v", f.ID, st)
			}
		case ScheduleGet:
			var s Schedule
			s, err = GetSchedule{"RASA_1"}.Decode(a)
			if s.Due.Sub(s.Created).Hours() != 1 || s.Sent != "wait" {
				t.Errorf("%s: %+v", f.ID, s)
			}
		case ReportTask:
			got, err = TaskReport{}.Decode(a)
		default:
			continue
		}
		if err != nil {
			t.Errorf("%s: %v of %s", f.ID, err, a.Data)
		}
		read[ep.Name]++
	}
	if len(read) < 14 {
		t.Errorf("only these were read: %v", read)
	}
}

// wirePush is what of a body a Push holds.
type wirePush struct {
	Push
	Audience json.RawMessage `json:"audience"`
}

func (f fixture) single(t *testing.T, body []byte) Single {
	t.Helper()
	s, err := readSingle(body)
	if err != nil {
		t.Fatalf("%s: %v", f.ID, err)
	}
	return s
}

// readSingle reads a body as the request that would have made it, with the overlay ids that the cases leave out.
func readSingle(body []byte) (Single, error) {
	var w wirePush
	if err := json.Unmarshal(body, &w); err != nil {
		return Single{}, err
	}
	overlay(&w.Push)
	var to map[By][]string
	_ = json.Unmarshal(w.Audience, &to)
	s := Single{By: ByCID, Push: w.Push}
	for by, ids := range to {
		s.By = by
		if len(ids) > 0 {
			s.Target = ids[0]
		}
		if len(ids) > 1 {
			return s, invalid(string(by), "%d", "%d", len(ids))
		}
	}
	return s, nil
}

func overlay(p *Push) {
	if n := p.Message.Notification; n != nil && n.NotifyID == nil {
		n.NotifyID = new(1)
	}
	if c := p.Channel; c != nil {
		if c.IOS != nil && c.IOS.CollapseID == "" {
			c.IOS.CollapseID = "x"
		}
		if c.Android != nil && c.Android.Ups.Notification != nil && c.Android.Ups.Notification.NotifyID == nil {
			c.Android.Ups.Notification.NotifyID = new(1)
		}
	}
}

func (f fixture) batch(t *testing.T) Batch {
	t.Helper()
	b, err := readBatch(f.body(t), f)
	if err != nil {
		t.Fatalf("%s: %v", f.ID, err)
	}
	return b
}

func readBatch(body []byte, f fixture) (Batch, error) {
	var w struct {
		Items []json.RawMessage `json:"msg_list"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return Batch{}, err
	}
	b := Batch{By: ByCID}
	if strings.HasSuffix(f.Path, "alias") {
		b.By = ByAlias
	}
	for _, raw := range w.Items {
		s, err := readSingle(raw)
		if err != nil {
			return b, err
		}
		b.Items = append(b.Items, s)
	}
	return b, nil
}

func (f fixture) list(t *testing.T) (List, error) {
	t.Helper()
	var w struct {
		Audience map[By][]string `json:"audience"`
		TaskID   string          `json:"taskid"`
	}
	if err := json.Unmarshal(f.body(t), &w); err != nil {
		return List{}, err
	}
	l := List{By: ByCID, TaskID: strings.Trim(w.TaskID, "{}")}
	if strings.HasSuffix(f.Path, "alias") {
		l.By = ByAlias
	}
	l.Targets = w.Audience[l.By]
	return l, nil
}

// request is what of our requests would have made a case's body; nil: none can.
func (f fixture) request(t *testing.T, ep Endpoint) (Request, error) {
	t.Helper()
	if f.Body == nil {
		return nil, nil
	}
	body := f.body(t)
	var w wirePush
	wireErr := json.Unmarshal(body, &w)
	overlay(&w.Push)
	switch ep {
	case SingleCID, SingleAlias:
		s, err := readSingle(body)
		return s, err
	case BatchCID, BatchAlias:
		b, err := readBatch(body, f)
		return b, err
	case ListCID, ListAlias:
		l, err := f.list(t)
		return l, err
	case ListMessage:
		return StoreMessage{w.Push}, wireErr
	case AppAll:
		return Everybody{string(w.Audience) == `"all"`, w.Push}, wireErr
	case AppTag:
		var to struct {
			Tag []Condition `json:"tag"`
		}
		err := json.Unmarshal(w.Audience, &to)
		return Matching{to.Tag, w.Push}, every(wireErr, err)
	case AppFastTag:
		var to struct {
			Tag string `json:"fast_custom_tag"`
		}
		err := json.Unmarshal(w.Audience, &to)
		return FastTag{to.Tag, w.Push}, every(wireErr, err)
	case AliasBind, AliasUnbind:
		var data struct {
			List []Pair `json:"data_list"`
		}
		err := json.Unmarshal(body, &data)
		return BindAliases{data.List}, err
	case TagSet:
		var data struct {
			Tags []string `json:"custom_tag"`
		}
		err := json.Unmarshal(body, &data)
		return SetTags{f.Path[strings.LastIndexByte(f.Path, '/')+1:], data.Tags}, err
	case TagAdd:
		var data struct {
			CIDs []string `json:"cid"`
		}
		err := json.Unmarshal(body, &data)
		return AddTag{"vip", data.CIDs}, err
	case UserCount:
		var data struct {
			Tag []Condition `json:"tag"`
		}
		err := json.Unmarshal(body, &data)
		return CountUsers{data.Tag}, err
	}
	return nil, nil
}

// What the vendor refuses for its form cannot be built here, and what it takes can.
func TestTheCasesBodiesAreJudgedAsTheVendorDoes(t *testing.T) {
	// Refused by the vendor for what it knows, not for the request's form.
	state := []string{"target user is invalid", "taskid is invalid", "request_id cannot be repeat", "appId is invalid"}
	// We never write numbers as text, and platforms only in lower case.
	stricter := []string{"single-notify-id-string", "tag-phone-upper"}
	taken, refused := 0, 0
	for _, f := range readFixtures(t).Cases {
		ep, ok := f.endpoint()
		if !ok || f.Expect.Code == nil || f.Raw != nil || ep.Lane == LaneAuth {
			continue
		}
		req, err := f.request(t, ep)
		if req == nil {
			continue
		}
		if err == nil {
			_, err = req.Body()
		}
		code := *f.Expect.Code
		static := code == 20001 && !slices.ContainsFunc(state, func(s string) bool { return f.Expect.Msg == s }) || code == 30005 || code == 30016
		switch {
		case static && err == nil:
			t.Errorf("%s: the vendor refuses it (%d %s), we do not", f.ID, code, f.Expect.Msg)
		case static:
			refused++
		case code == 0 && err != nil && !slices.Contains(stricter, f.ID):
			t.Errorf("%s: the vendor takes it, we refuse: %v", f.ID, err)
		case code == 0:
			taken++
		}
	}
	if taken < 60 || refused < 40 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
}

func TestSigningVectors(t *testing.T) {
	vectors := readFixtures(t).Vectors
	if len(vectors) < 3 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		if got := sign(v.AppKey, v.Timestamp, v.MasterSecret); (got == v.Sign) == v.Negative {
			t.Errorf("%s %s: sign = %s, vector %s, negative %t", v.ID, v.Note, got, v.Sign, v.Negative)
		}
	}
	for _, bad := range []string{"31b3c14ee168f848e098ee77f45cad9801c45f6adefe4969e27e93116060e49c", "7633c9d8dd05d0dc6be784db2393d9ddd9c4c5a9c1b1dc47e35ad06f31b20e64",
		"8fbc2c52a89c6403389d7a9db2e7741bb53d1a65cfb9fc2f88594e480cfa6c8e"} {
		if sign("ak-notifier-test-0001", "1700000000000", "ms-notifier-test-0001") == bad {
			t.Errorf("the sign is %s, one that the vendor must refuse", bad)
		}
	}
	if got := sign("a", "1", "b"); got != "acee240f9a281b012353cca27eb1c4068a15cc67138da3dbc39cc4464d128448" {
		t.Errorf("sign = %s", got)
	}
}
