// Package audit judges a crash test. It computes from the event topics alone what should have happened, and compares that with
// the intents, the fates, the ledger, and above all with the vendor's own journal. It shares no code with the daemon.
package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Record is one committed record of a topic.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       string
	Value     []byte // nil: a tombstone
	Time      time.Time
	Reason    string // dead letters: n-reason
	Origin    string // dead letters: topic/partition/offset of the record
}

func (r Record) place() string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

// Place is where the broker said an event stands.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
	Event     string
}

// Moment is when something happened to a process. With a name it is one of several that run at once.
type Moment struct {
	At      time.Time
	Began   time.Time // of a drain: SIGTERM
	Process string    // kafka.instance; "": there is only one
	Release string    // of a start, where there are several
}

// event is a record of one of the event topics (rules/events.yaml).
type event struct {
	ID     string   `json:"id"`
	At     int64    `json:"at"`
	User   string   `json:"user"`
	City   *string  `json:"city"`
	Level  *string  `json:"level"`
	Shop   string   `json:"shop"`
	Amount float64  `json:"amount"`
	Team   []string `json:"team"`

	Gift    string   `json:"gift"`
	Devices []string `json:"devices"`
}

// id is what the fates, the intents and the sends of one intent have in common.
type id struct{ place, rule, target, account string }

func (i id) String() string { return i.place + "/" + i.rule + "/" + i.target + " of " + i.account }

type intentRecord struct {
	ID      string   `json:"id"`
	Rule    string   `json:"rule"`
	Account string   `json:"account"`
	Key     string   `json:"key"`
	Target  string   `json:"target"`
	Action  string   `json:"action"`
	Event   eventRef `json:"event"`
}

type eventRef struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

type fateRecord struct {
	Intent  string    `json:"intent"`
	Rule    string    `json:"rule"`
	User    string    `json:"user"`
	Account string    `json:"account"`
	Action  string    `json:"action"`
	Fate    string    `json:"fate"`
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Into    string    `json:"into"`
	Attempt string    `json:"attempt"`
	At      time.Time `json:"at"`
	Event   eventRef  `json:"event"`
}

func (f *fateRecord) String() string {
	if f.Reason == "" {
		return f.Fate
	}
	return f.Fate + "(" + f.Reason + ")"
}

// attempt is a record a/ID of the ledger.
type attempt struct {
	ID       string    `json:"id"`
	Account  string    `json:"account"`
	Lane     string    `json:"lane"`
	Endpoint string    `json:"endpoint"`
	Weight   int       `json:"weight"`
	State    string    `json:"state"`
	Owner    string    `json:"owner"` // the process's name and something random
	At       time.Time `json:"at"`
	NotAfter time.Time `json:"not_after"`
	Detail   string    `json:"detail"`
	Try      int       `json:"try"`   // Getui: 2 is the first repeat
	Began    time.Time `json:"began"` // when the first of them started

	partition int32
}

// of says whether the attempt was made by a process of this name.
func (a *attempt) of(process string) bool {
	return process == "" || strings.HasPrefix(a.Owner, process+"-")
}

// owner is a partition's owner record.
type owner struct {
	Nonce string    `json:"nonce"` // as attempt.Owner
	Since time.Time `json:"-"`     // when the first record of it was committed
}

type position struct {
	Next    int64 `json:"next"`
	Intents int64 `json:"intents"`
	Fates   int64 `json:"fates"`
}

type userRow struct {
	Acked     []string  `json:"acked"`
	RewriteAt time.Time `json:"rewrite_at"`
}

// call is one arrival at the vendor: a line of the sandbox's journal.
type call struct {
	Seq      int64             `json:"seq"`
	AtMS     int64             `json:"at_ms"`
	App      string            `json:"app"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Executed bool              `json:"executed"`
	Code     int               `json:"code"`
	Fault    string            `json:"fault"`
	Repeats  []string          `json:"repeats"` // Getui: request ids that it had already, and sent to nobody
	Raw      json.RawMessage   `json:"body"`
	Answer   json.RawMessage   `json:"answer"`

	body body
}

// body is what the audit reads of a request. Requests of other shapes stay empty.
type body struct {
	UserID       string          `json:"userId"`
	UserIDs      []string        `json:"userIds"`
	Tags         json.RawMessage `json:"tags"`
	CIDs         []string        `json:"cid"` // Getui: of a change of one tag
	Notification struct {
		PushContent string `json:"pushContent"`
		Alert       string `json:"alert"`
	} `json:"notification"`

	getuiPush
	Batch  []getuiPush `json:"msg_list"`
	TaskID string      `json:"taskid"` // of the message that a list sends
}

// getuiPush is what the audit reads of one push at Getui.
type getuiPush struct {
	RequestID string          `json:"request_id"`
	Audience  json.RawMessage `json:"audience"`
	Message   struct {
		Notification struct {
			Body string `json:"body"`
		} `json:"notification"`
	} `json:"push_message"`
}

// id is the attempt that made the call: X-Request-ID without its try.
func (c *call) id() string {
	s := c.Headers["X-Request-Id"]
	if i := strings.LastIndexByte(s, '-'); i > 0 {
		s = s[:i]
	}
	if strings.HasSuffix(c.Path, getuiMessage) { // the attempt's first call of two
		s = strings.TrimSuffix(s, "m")
	}
	return s
}

func decode[T any](r Record) (T, error) {
	var v T
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return v, fmt.Errorf("%s: %w", r.place(), err)
	}
	return v, nil
}
