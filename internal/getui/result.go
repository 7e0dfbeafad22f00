package getui

import (
	"encoding/json"
	"slices"
)

// Result is what became of one user of an accepted push.
type Result string

const (
	Online  Result = "online"  // handed to the connected device
	Offline Result = "offline" // stored, or handed to a phone maker's channel
	Taken   Result = "taken"   // one of the two, the answer does not tell which
	Ignored Result = "ignored" // not active for 90 days, or blocked: dropped
	Odd     Result = "odd"     // a word of no table
	Absent  Result = "absent"  // not in the answer: no such user
)

// Accepted reports whether the vendor has taken the push for the user.
func (r Result) Accepted() bool { return r == Online || r == Offline || r == Taken }

// resultOf reads the vendor's word.
func resultOf(word string) Result {
	switch word {
	case "successed_online":
		return Online
	case "successed_offline":
		return Offline
	case "successed_ignore":
		return Ignored
	}
	return Odd
}

// rank orders results of the devices of one user: one device that took the push is enough.
var rank = []Result{Absent, Odd, Ignored, Taken, Offline, Online}

func better(a, b Result) Result {
	if slices.Index(rank, b) > slices.Index(rank, a) {
		return b
	}
	return a
}

// Outcome is what became of one user, and the task by which the vendor knows it.
type Outcome struct {
	Result Result
	Task   string
	Word   string // the vendor's, of an odd result
}

// Results are by user: every user of the request has one.
type Results map[string]Outcome

func (rs Results) add(target, task, word string) {
	o := Outcome{resultOf(word), task, ""}
	if o.Result == Odd {
		o.Word = word
	}
	if old, ok := rs[target]; !ok || better(old.Result, o.Result) != old.Result {
		rs[target] = o
	}
}

// only are the results of these users, each with one.
func (rs Results) only(targets []string) Results {
	out := make(Results, len(targets))
	for _, t := range targets {
		o, ok := rs[t]
		if !ok {
			o.Result = Absent
		}
		out[t] = o
	}
	return out
}

// Decode reads the answer. An alias may be several devices, all of which are in the answer under their cids.
func (r Single) Decode(a *Answer) (Results, error) {
	var tasks map[string]map[string]string
	if err := decode(r, a, &tasks); err != nil {
		return nil, err
	}
	rs := Results{}
	for task, devices := range tasks {
		for _, word := range devices {
			rs.add(r.Target, task, word)
		}
	}
	return rs.only([]string{r.Target}), nil
}

// Decode reads the answer of a batch. It names cids: of a batch by alias it tells how many were taken, not who, so there is a result only
// if all were.
func (r Batch) Decode(a *Answer) (Results, error) {
	var tasks map[string]map[string]string
	if err := decode(r, a, &tasks); err != nil {
		return nil, err
	}
	rs := Results{}
	if r.By == ByAlias {
		return r.allTaken(tasks)
	}
	for task, devices := range tasks {
		for cid, word := range devices {
			rs.add(cid, task, word)
		}
	}
	return rs.only(r.Targets()), nil
}

func (r Batch) allTaken(tasks map[string]map[string]string) (Results, error) {
	taken := 0
	for _, devices := range tasks {
		for _, word := range devices {
			if resultOf(word).Accepted() {
				taken++
				break
			}
		}
	}
	if taken != len(r.Items) || len(tasks) != len(r.Items) {
		return nil, unread(r, "by alias it is not told who was not")
	}
	rs := Results{}
	for _, it := range r.Items {
		rs[it.Target] = Outcome{Result: Taken}
	}
	return rs, nil
}

// Decode gives the task id by which the message is sent.
func (r StoreMessage) Decode(a *Answer) (string, error) { return taskID(r, a) }
func (r Everybody) Decode(a *Answer) (string, error)    { return taskID(r, a) }
func (r Matching) Decode(a *Answer) (string, error)     { return taskID(r, a) }
func (r FastTag) Decode(a *Answer) (string, error)      { return taskID(r, a) }

func taskID(r Request, a *Answer) (string, error) {
	var data struct {
		TaskID string `json:"taskid"`
	}
	if err := decode(r, a, &data); err != nil {
		return "", err
	}
	if data.TaskID == "" || len(data.TaskID) > maxID {
		return "", unread(r, "no usable taskid")
	}
	return data.TaskID, nil
}

// Decode reads {taskid:{target:word}}, and of aliases {taskid:{alias:{cid:word}}}. A two-level answer is looked up by what it holds.
func (r List) Decode(a *Answer) (Results, error) {
	var tasks map[string]map[string]json.RawMessage
	if err := decode(r, a, &tasks); err != nil {
		return nil, err
	}
	rs := Results{}
	for task, entries := range tasks {
		for name, raw := range entries {
			var word string
			var devices map[string]string
			switch {
			case json.Unmarshal(raw, &word) == nil:
				if r.By == ByAlias && !slices.Contains(r.Targets, name) {
					return nil, unread(r, "by alias it is not told who")
				}
				rs.add(name, task, word)
			case json.Unmarshal(raw, &devices) == nil:
				for _, word := range devices {
					rs.add(name, task, word)
				}
			default:
				return nil, unread(r, "a result of another shape")
			}
		}
	}
	return rs.only(r.Targets), nil
}
