package getui

import (
	"encoding/json"
	"net/http"
	"regexp"
	"time"
)

func report(name string) Endpoint {
	return Endpoint{Method: http.MethodGet, Name: name, Lane: LaneReport, Repeatable: true}
}

// The endpoints of reports.
var (
	ReportTask       = report("/report/push/task/{ids}")
	ReportTaskDetail = report("/report/push/task/{ids}/detail")
	ReportGroup      = report("/report/push/task_group/{group}")
	ReportPushDay    = report("/report/push/date/{day}")
	ReportUserDay    = report("/report/user/date/{day}")
	ReportOnline     = report("/report/online_user")
	ReportAllowance  = report("/report/push/count")
)

// Counts are what became of a push, over all channels or in one.
type Counts struct {
	Messages, Targets, Received, Displayed, Clicked int
}

// Report is the counts by channel: "total", "gt" for Getui's own, and the makers.
type Report map[string]Counts

func (r *Report) UnmarshalJSON(b []byte) error {
	var channels map[string]json.RawMessage
	if err := json.Unmarshal(b, &channels); err != nil {
		return err
	}
	*r = Report{}
	for name, raw := range channels {
		var c struct {
			Messages  number `json:"msg_num"`
			Targets   number `json:"target_num"`
			Received  number `json:"receive_num"`
			Displayed number `json:"display_num"`
			Clicked   number `json:"click_num"`
		}
		if json.Unmarshal(raw, &c) != nil { // actionCntMap and whatever comes to stand beside the channels
			continue
		}
		(*r)[name] = Counts{int(c.Messages), int(c.Targets), int(c.Received), int(c.Displayed), int(c.Clicked)}
	}
	return nil
}

// reports is an answer by task, group or day.
func reports(r Request, a *Answer) (out map[string]Report, err error) { return out, decode(r, a, &out) }

// TaskReport is the results of list pushes and pushes to audiences of the last 90 days, not of pushes to single users. Detail has them
// almost at once and needs a permission.
type TaskReport struct {
	TaskIDs []string
	Detail  bool
}

func (r TaskReport) Endpoint() Endpoint {
	if r.Detail {
		return ReportTaskDetail
	}
	return ReportTask
}

func (r TaskReport) Path() string {
	path := "/report/push/task/" + segment(r.TaskIDs...)
	if r.Detail {
		path += "/detail"
	}
	return path
}

func (r TaskReport) Body() ([]byte, error) {
	return nil, list("taskid", r.TaskIDs, MaxReport, func(id string) error { return identifier("taskid", id) })
}

func (r TaskReport) Decode(a *Answer) (map[string]Report, error) { return reports(r, a) }

// GroupReport is the results of all pushes with one GroupName.
type GroupReport struct{ Group string }

func (GroupReport) Endpoint() Endpoint { return ReportGroup }
func (r GroupReport) Path() string     { return "/report/push/task_group/" + segment(r.Group) }

func (r GroupReport) Body() ([]byte, error) {
	return nil, every(needed("group_name", r.Group, MaxGroup), groupName(r.Group))
}

func (r GroupReport) Decode(a *Answer) (map[string]Report, error) { return reports(r, a) }

var days = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

func day(s string) error {
	if _, err := time.Parse(time.DateOnly, s); err != nil || !days.MatchString(s) {
		return invalid("date", "%q; like 2026-11-28", "%q；应类似 2026-11-28", s)
	}
	return nil
}

// PushDay is one day's pushes.
type PushDay struct{ Day string }

func (PushDay) Endpoint() Endpoint                            { return ReportPushDay }
func (r PushDay) Path() string                                { return "/report/push/date/" + segment(r.Day) }
func (r PushDay) Body() ([]byte, error)                       { return nil, day(r.Day) }
func (r PushDay) Decode(a *Answer) (map[string]Report, error) { return reports(r, a) }

// UserDay is one day's users; not today's.
type UserDay struct{ Day string }

// UserCounts are the users of an app.
type UserCounts struct{ Accumulated, Registered, Active, Online int }

func (UserDay) Endpoint() Endpoint      { return ReportUserDay }
func (r UserDay) Path() string          { return "/report/user/date/" + segment(r.Day) }
func (r UserDay) Body() ([]byte, error) { return nil, day(r.Day) }

func (r UserDay) Decode(a *Answer) (map[string]UserCounts, error) {
	var data map[string]struct {
		Accumulated number `json:"accumulative_num"`
		Registered  number `json:"register_num"`
		Active      number `json:"active_num"`
		Online      number `json:"online_num"`
	}
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	out := map[string]UserCounts{}
	for d, c := range data {
		out[d] = UserCounts{int(c.Accumulated), int(c.Registered), int(c.Active), int(c.Online)}
	}
	return out, nil
}

// OnlineUsers is the users online every ten minutes of the last 24 h, by ms.
type OnlineUsers struct{}

func (OnlineUsers) Endpoint() Endpoint    { return ReportOnline }
func (OnlineUsers) Path() string          { return ReportOnline.Name }
func (OnlineUsers) Body() ([]byte, error) { return nil, nil }

func (r OnlineUsers) Decode(a *Answer) (map[string]int, error) {
	var data struct {
		Online map[string]number `json:"online_statics"`
	}
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for at, n := range data.Online {
		out[at] = int(n)
	}
	return out, nil
}

// Allowance is what is left of the day. It changes nothing and needs no user, so it is what a probe asks.
type Allowance struct{}

func (Allowance) Endpoint() Endpoint    { return ReportAllowance }
func (Allowance) Path() string          { return ReportAllowance.Name }
func (Allowance) Body() ([]byte, error) { return nil, nil }

// Left is one kind's allowance.
type Left struct {
	Total, Remaining, Pushed int
	Limited                  bool
}

// Decode reads the nested map with its keys joined by a dot.
func (r Allowance) Decode(a *Answer) (map[string]Left, error) {
	var data map[string]json.RawMessage
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	out := map[string]Left{}
	allowances("", data, out)
	return out, nil
}

func allowances(prefix string, data map[string]json.RawMessage, out map[string]Left) {
	for name, raw := range data {
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) != nil {
			continue
		}
		if inner["total_num"] == nil && inner["remain_num"] == nil {
			allowances(prefix+name+".", inner, out)
			continue
		}
		var l struct {
			Total     number `json:"total_num"`
			Remaining number `json:"remain_num"`
			Pushed    number `json:"push_num"`
			Limited   bool   `json:"limit"`
		}
		if json.Unmarshal(raw, &l) == nil {
			out[prefix+name] = Left{int(l.Total), int(l.Remaining), int(l.Pushed), l.Limited}
		}
	}
}
