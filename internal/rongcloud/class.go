package rongcloud

import (
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/wire"
)

// Class says what became of a call and so what may be done next. The values are the `class` label of
// notifier_vendor_calls_total.
type Class string

const (
	OK         Class = "ok"          // HTTP 2xx and code 200: executed
	Permanent  Class = "permanent"   // refused because of what the request holds; the same request will be refused again
	Config     Class = "config"      // refused because of key, clock, service or account: every request would be
	RetryLater Class = "retry_later" // refused by a frequency limit: not executed, later it may be
	RetrySafe  Class = "retry_safe"  // outcome unknown on an endpoint that may be repeated
	NotSent    Class = "not_sent"    // no byte of the request left this process
	Unknown    Class = "unknown"     // it may have been executed; never send it again by machine
)

// Classes are all values, for metrics that exist at zero.
var Classes = []Class{OK, Permanent, Config, RetryLater, RetrySafe, NotSent, Unknown}

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

// Endpoint is one path of the vendor's API and how a call to it may be treated.
type Endpoint struct {
	Path       string // "/push.json"
	Repeatable bool   // a second execution is harmless: tag set, batch set, tags/get
	Fresh      bool   // never on a used connection, so that no idle close by the vendor can cost a scarce slot
}

// Answer is a successful call's answer.
type Answer struct {
	Body       []byte // the JSON object, at most 64 KiB
	HTTPStatus int
	RequestID  string // X-Request-ID of the try that was answered
	Host       string
	Date       time.Time // the vendor's clock, in whole seconds; zero: not told
}

// Error is every other end of a call.
type Error struct {
	Class      Class
	Path       string
	Host       string
	RequestID  string // X-Request-ID of the last try
	HTTPStatus int    // 0: no answer
	Code       int    // the vendor's code, never one of ours; 0: none understood
	Message    string // errorMessage, or the first bytes of what is no JSON; cut, secrets removed
	Sent       bool   // a byte of the request may have left
	RetryAfter time.Duration
	Date       time.Time // as in Answer; zero without an answer

	err         error
	unavailable bool // the host, not the request, is at fault: the next call goes to the other one
}

func (e *Error) Error() string {
	head, foot := e.Own()
	return wire.Around(head, e.Message, e.err, foot)
}

// Own gives how Error begins and ends: which call it was, and nothing that the far side said.
func (e *Error) Own() (head, foot string) {
	var b strings.Builder
	fmt.Fprintf(&b, "rongcloud: POST %s", e.Path)
	if e.Host != "" {
		fmt.Fprintf(&b, " at %s", e.Host)
	}
	fmt.Fprintf(&b, ": %s", e.Class)
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.HTTPStatus)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, ", code %d", e.Code)
	}
	if e.RequestID != "" {
		foot = fmt.Sprintf(" (request %s)", e.RequestID)
	}
	return b.String(), foot
}

// Unwrap gives the network's or the context's error, if there is one.
func (e *Error) Unwrap() error { return e.err }
