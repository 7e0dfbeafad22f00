package audit

import (
	"encoding/json"
	"fmt"
)

// intentRecord is what the audit reads of one record of <prefix>.intents.
type intentRecord struct {
	ID      string     `json:"id"`
	Rule    string     `json:"rule"`
	Account string     `json:"account"`
	Target  string     `json:"target"`
	Action  string     `json:"action"`
	Event   eventPlace `json:"event"`
}

// eventPlace is the event that an intent comes from.
type eventPlace struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// key says which intent of the expectation it is. Its id is only a name, under which fates speak of it.
func (i intentRecord) key() string {
	return key(Record{Topic: i.Event.Topic, Partition: i.Event.Partition, Offset: i.Event.Offset}, i.Rule, i.Target, i.Account)
}

// fate is one record of <prefix>.fates.
type fate struct {
	Intent  string `json:"intent"`
	Rule    string `json:"rule"`
	User    string `json:"user"`
	Account string `json:"account"`
	Action  string `json:"action"`
	Fate    string `json:"fate"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
	Into    string `json:"into"`
	Event   struct {
		ID string `json:"id"`
	} `json:"event"`
}

// String is the fate as the manual writes it, SUPPRESSED(stale).
func (f *fate) String() string {
	if f == nil {
		return "no fate"
	}
	if f.Reason == "" {
		return f.Fate
	}
	return f.Fate + "(" + f.Reason + ")"
}

// decodeAll decodes every record that has a value.
func decodeAll[T any](what string, rs []Record) ([]T, error) {
	var out []T
	for _, r := range rs {
		if r.Value == nil {
			continue
		}
		var v T
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", what, r.Place(), err)
		}
		out = append(out, v)
	}
	return out, nil
}

// deadPlace is the place of the original record, from the headers of a dead letter.
func deadPlace(r Record) string {
	return r.Headers["n-topic"] + "/" + r.Headers["n-partition"] + "/" + r.Headers["n-offset"]
}
