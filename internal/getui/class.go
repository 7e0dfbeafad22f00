package getui

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/wire"
)

// Class says what became of a call and so what may be done next. The values are the `class` label of notifier_vendor_calls_total.
type Class string

const (
	OK         Class = "ok"          // code 0: accepted
	Permanent  Class = "permanent"   // refused because of what the request holds; the same request will be refused again
	Config     Class = "config"      // refused because of credentials, app, package or address: every request would be
	RetryLater Class = "retry_later" // refused for now: not executed, later it may be
	RetrySafe  Class = "retry_safe"  // outcome unknown, and the same request may be sent again
	NotSent    Class = "not_sent"    // no byte of the request left this process
	Unknown    Class = "unknown"     // it may have been executed; never send it again by machine
)

// Executed is what a class says about the vendor having acted.
func (c Class) Executed() string {
	switch c {
	case OK:
		return "yes"
	case RetrySafe, Unknown:
		return "unknown"
	}
	return "no"
}

// Wait is for how long a RetryLater stands.
type Wait string

const (
	NoWait  Wait = ""
	Moment  Wait = "moment" // the service starts or is busy
	Minute  Wait = "minute" // a limit per minute is used up
	NextDay Wait = "day"    // a limit per day is used up, in Asia/Shanghai
)

// Lane is a bucket of the vendor's limits.
type Lane string

const (
	LaneAuth     Lane = "auth"
	LaneSingle   Lane = "single"
	LaneBatch    Lane = "batch"
	LaneMessage  Lane = "list-message"
	LaneList     Lane = "list"
	LaneApp      Lane = "app"
	LaneFastTag  Lane = "app-fast-tag"
	LaneStop     Lane = "task-stop"
	LaneSchedule Lane = "schedule"
	LaneAlias    Lane = "alias"
	LaneTagSet   Lane = "tag-set"
	LaneTagBatch Lane = "tag-batch"
	LaneTagGet   Lane = "tag-get"
	LaneBlack    Lane = "black"
	LaneUser     Lane = "user"
	LaneReport   Lane = "report"
)

// Endpoint is one call of the vendor's API and how it may be treated.
type Endpoint struct {
	Method     string
	Name       string // the path as the contract writes it: /push/single/cid, /task/{taskid}
	Lane       Lane
	Repeatable bool // a second one does nothing: by request_id, or because it sets, reads or takes away
	Fresh      bool // never on a used connection, so that no idle close by the vendor can cost a scarce slot
}

// Answer is a successful call's answer.
type Answer struct {
	Data       json.RawMessage // of the envelope; nil when there is none
	HTTPStatus int
	RequestID  string    // X-Request-ID of the try that was answered
	Date       time.Time // the vendor's clock, in whole seconds; zero: not told
}

// Error is every other end of a call.
type Error struct {
	Class      Class
	Wait       Wait // of RetryLater
	Method     string
	Name       string // of the endpoint
	RequestID  string // X-Request-ID of the last try
	HTTPStatus int    // 0: no answer
	Code       int    // the vendor's code; 0: none understood
	Message    string // msg, or the first bytes of what is no JSON; cut, secrets removed
	Target     bool   // the user is at fault, not the message
	Repeated   bool   // the vendor says that it has seen the request_id: on a repeat of ours that is success
	Service    bool   // of Config: this endpoint's permission, not the app or its credentials
	Sent       bool   // a byte of the request may have left
	RetryAfter time.Duration
	Date       time.Time // as in Answer; zero without an answer

	err error
}

func (e *Error) Error() string {
	head, foot := e.Own()
	return wire.Around(head, e.Message, e.err, foot)
}

// Own gives how Error begins and ends: which call it was, and nothing that the far side said.
func (e *Error) Own() (head, foot string) {
	var b strings.Builder
	fmt.Fprintf(&b, "getui: %s %s: %s", e.Method, e.Name, e.Class)
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, ": HTTP %d, code %d", e.HTTPStatus, e.Code)
	}
	if e.RequestID != "" {
		foot = fmt.Sprintf(" (request %s)", e.RequestID)
	}
	return b.String(), foot
}

// Unwrap gives the network's or the context's error, if there is one.
func (e *Error) Unwrap() error { return e.err }
