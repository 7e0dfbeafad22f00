package getui

import (
	"encoding/json"
	"strconv"
	"strings"
)

// verdict is what an answer says.
type verdict struct {
	class    Class
	wait     Wait
	code     int
	message  string // as it came; for an answer that is no envelope, the body
	data     json.RawMessage
	target   bool
	repeated bool
	service  bool
}

// classify judges a complete answer by getui.md 10. The code decides; the HTTP status only where there is none, or where it contradicts a
// success. Whatever is not understood is ambiguous, never a refusal, because a refusal may be sent again.
func classify(ep Endpoint, status int, body []byte) verdict {
	v, understood := envelope(body)
	ambiguous := Unknown
	if ep.Repeatable {
		ambiguous = RetrySafe
	}
	switch {
	case status >= 500:
		v.class = ambiguous
	case !understood:
		v.class = ambiguous
		switch {
		case status/100 == 3:
			v.message = "a redirect, which is not followed (wrong host?)"
		case status == 408:
		case status == 429:
			v.class, v.wait = RetryLater, Minute
		case status/100 == 4:
			v.class = Permanent
		}
	case v.code == 0:
		v.class = OK
		if status/100 != 2 {
			v.class = ambiguous // a refusal with the code of success contradicts itself
		}
	default:
		v.refusal(ep, status)
		if v.class == "" {
			v.class = ambiguous
		}
	}
	return v
}

// refusal judges a code that is not 0; no class: it is no definite refusal.
func (v *verdict) refusal(ep Endpoint, status int) {
	if ep.Lane == LaneAuth {
		v.authRefusal()
		return
	}
	switch v.code {
	case 1: // the body was no JSON: our mistake
		v.class = Permanent
	case 2, 30019: // starting, busy
		v.class, v.wait = RetryLater, Moment
	case 404, 405, 30000, 30001, 30002, 30003, 30017: // path, method, permissions
		v.class, v.service = Config, true
	case 301, 10001, 10002: // data centre, token, app
		v.class = Config
	case 10003, 10005, 30012, 30013, 30014, 30015, 30018:
		v.class, v.wait = RetryLater, Minute
	case 30004, 30006, 30007, 30008, 30009, 30010, 30011:
		v.class, v.wait = RetryLater, NextDay
	case 10004, 30005, 30016:
		v.class = Permanent
	case 20001:
		v.parameter()
	case 21001:
		v.class, v.target = Permanent, true
	case 22001: // the scheduled task has run: as good as deleted, or as stopped
		v.class = Permanent
		if ep.Lane == LaneSchedule || ep.Lane == LaneStop {
			v.class = OK
		}
	case 22002:
		v.class = Permanent
	case 23001: // a tag operation failed: once more may help
		v.class, v.wait = RetryLater, Moment
	default: // of no table: the status tells the family
		switch status {
		case 400, 403, 404, 405:
			v.class = Permanent
		case 401:
			v.class = Config
		}
	}
}

// authRefusal: which code a wrong sign has is not documented, so whatever /auth says is about the credentials, but for being asked
// too often or too early.
func (v *verdict) authRefusal() {
	switch v.code {
	case 2, 30019:
		v.class, v.wait = RetryLater, Moment
	case 10003, 10005:
		v.class, v.wait = RetryLater, Minute
	default:
		v.class = Config
	}
}

// parameter judges 20001 by its text.
func (v *verdict) parameter() {
	m := strings.ToLower(v.message)
	v.class = Permanent
	switch {
	case strings.Contains(m, "target user is invalid"):
		v.target = true
	case strings.Contains(m, "request_id") && strings.Contains(m, "repeat"):
		v.repeated = true
	case strings.Contains(m, "appid is invalid"), strings.Contains(m, "appkey is invalid"):
		v.class = Config
	}
}

// envelope reads {"code":<int or its text>,"msg":"...","data":...}. Keys are exact: encoding/json's struct decoding would take CODE for
// code. Unknown keys are passed over.
func envelope(body []byte) (v verdict, ok bool) {
	var m map[string]json.RawMessage
	v.message = string(body)
	if json.Unmarshal(body, &m) != nil {
		return v, false
	}
	raw := string(m["code"])
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	code, err := strconv.Atoi(raw)
	if err != nil || strconv.Itoa(code) != raw { // "+0" and "00" are no codes
		return v, false
	}
	v.code, v.message = code, ""
	_ = json.Unmarshal(m["msg"], &v.message) // absent or no text: no message
	if data := m["data"]; len(data) > 0 && string(data) != "null" {
		v.data = data
	}
	return v, true
}
