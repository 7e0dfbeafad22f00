package getui

import (
	"encoding/json"
	"net/http"
	"time"
)

// The endpoints about a push that was made.
var (
	TaskStop       = Endpoint{Method: http.MethodDelete, Name: "/task/{taskid}", Lane: LaneStop, Repeatable: true}
	ScheduleGet    = Endpoint{Method: http.MethodGet, Name: "/task/schedule/{taskid}", Lane: LaneSchedule, Repeatable: true}
	ScheduleDelete = Endpoint{Method: http.MethodDelete, Name: "/task/schedule/{taskid}", Lane: LaneSchedule, Repeatable: true}
	TaskDetail     = Endpoint{Method: http.MethodGet, Name: "/task/detail/{cid}/{taskid}", Lane: LaneReport, Repeatable: true}
)

// noBody is a call without a body that names one task.
func noBody(task string) ([]byte, error) { return nil, identifier("taskid", task) }

// StopTask stops what of a list push or a push to an audience still waits at Getui. What makers' channels and Apple have stays sent; a
// push to single users cannot be stopped.
type StopTask struct{ TaskID string }

func (StopTask) Endpoint() Endpoint      { return TaskStop }
func (r StopTask) Path() string          { return "/task/" + segment(r.TaskID) }
func (r StopTask) Body() ([]byte, error) { return noBody(r.TaskID) }

// GetSchedule reads the state of a push that the vendor holds until a time.
type GetSchedule struct{ TaskID string }

func (GetSchedule) Endpoint() Endpoint      { return ScheduleGet }
func (r GetSchedule) Path() string          { return "/task/schedule/" + segment(r.TaskID) }
func (r GetSchedule) Body() ([]byte, error) { return noBody(r.TaskID) }

// Schedule is the state of a scheduled push.
type Schedule struct {
	Created, Due time.Time
	Sent         string // the vendor's send_result
	Transmission string
}

func (r GetSchedule) Decode(a *Answer) (Schedule, error) {
	var tasks map[string]struct {
		Created      number          `json:"create_time"`
		Due          number          `json:"push_time"`
		Sent         json.RawMessage `json:"send_result"`
		Transmission string          `json:"transmission_content"`
	}
	if err := decode(r, a, &tasks); err != nil {
		return Schedule{}, err
	}
	t, ok := tasks[r.TaskID]
	if !ok {
		return Schedule{}, unread(r, "nothing of the task")
	}
	s := Schedule{Created: time.UnixMilli(int64(t.Created)), Due: time.UnixMilli(int64(t.Due)), Sent: string(t.Sent), Transmission: t.Transmission}
	_ = json.Unmarshal(t.Sent, &s.Sent) // text or anything else
	return s, nil
}

// DeleteSchedule removes a scheduled push.
type DeleteSchedule struct{ TaskID string }

func (DeleteSchedule) Endpoint() Endpoint      { return ScheduleDelete }
func (r DeleteSchedule) Path() string          { return "/task/schedule/" + segment(r.TaskID) }
func (r DeleteSchedule) Body() ([]byte, error) { return noBody(r.TaskID) }

// GetDetail reads the way of one message to one user; the vendor sells it apart.
type GetDetail struct{ CID, TaskID string }

func (GetDetail) Endpoint() Endpoint { return TaskDetail }
func (r GetDetail) Path() string     { return "/task/detail/" + segment(r.CID) + "/" + segment(r.TaskID) }

func (r GetDetail) Body() ([]byte, error) {
	return nil, every(ValidCID(r.CID), identifier("taskid", r.TaskID))
}

// Step is one thing that happened to a message.
type Step struct {
	Time  string `json:"time"`
	Event string `json:"event"`
}

func (r GetDetail) Decode(a *Answer) ([]Step, error) {
	var data struct {
		Detail []Step `json:"detail"`
		Deatil []Step `json:"deatil"` // as the vendor's sample spells it
	}
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	return append(data.Detail, data.Deatil...), nil
}
