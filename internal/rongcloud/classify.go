package rongcloud

import (
	"encoding/json"
	"strconv"
	"strings"
)

// verdict is what an answer says.
type verdict struct {
	class       Class
	code        int    // 0: none understood
	message     string // as it came; for an answer that is no envelope, the body
	unavailable bool
}

// classify judges a complete answer by rongcloud.md 3. Success needs both halves, HTTP 2xx and code 200: a gateway can
// give 5xx with any body, and some refusals come with HTTP 200. Whatever is not understood is ambiguous, never a
// refusal, because a refusal may be sent again.
func classify(repeatable bool, status int, body []byte) verdict {
	code, message, understood := envelope(body)
	ambiguous := Unknown
	if repeatable {
		ambiguous = RetrySafe
	}
	v := verdict{code: code, message: message}
	if !understood {
		v.message = string(body)
	}
	switch {
	case status >= 500:
		v.class, v.unavailable = ambiguous, true
	case !understood:
		v.class, v.unavailable = ambiguous, true
		if status/100 == 3 {
			v.message = "a redirect, which is not followed (wrong host?)"
		}
		if status == 429 && repeatable {
			v.class, v.unavailable = RetryLater, false
		}
	case status < 200 || status/100 == 3 || status == 408:
		v.class = ambiguous
	case code == 200:
		v.class = OK
		if status/100 != 2 {
			v.class = ambiguous // 4xx with code 200 contradicts itself
		}
	default:
		v.class = refusal(status, code, message)
		if v.class == "" {
			v.class = ambiguous
			v.unavailable = code == 1000 || code == 1050
		}
	}
	return v
}

// refusal is the class of a code that is not 200; "" is no definite refusal.
func refusal(status, code int, message string) Class {
	switch code {
	case 1000, 1050: // internal error, internal timeout: may have been executed
		return ""
	case 1002: // a parameter, or an unknown App Key: only the text tells
		if mentionsAppKey(message) {
			return Config
		}
		return Permanent
	case 1003, 1005, 1501, 1502, 1508:
		return Permanent
	case 404, 1001, 1004, 1006, 1007, 1009, 2007: // path, key, signature or clock, app, method, service, plan
		return Config
	case 1008:
		return RetryLater
	}
	// A code of no table: the status decides, and a 2xx with a strange code (another API generation's 0 or 10000) is
	// not understood.
	switch {
	case status == 401 || status == 403 || status == 404 || status == 405 || status == 430:
		return Config
	case status == 429:
		return RetryLater
	case status/100 == 4:
		return Permanent
	}
	return ""
}

// mentionsAppKey: captured answers say `invalid App-Key.` and `Invalidate App-Key.` with code 1002.
func mentionsAppKey(message string) bool {
	s := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(message))
	return strings.Contains(s, "appkey")
}

// envelope reads {"code":<int or its text>,"errorMessage":"..."}. Keys are exact: encoding/json's struct decoding would
// take CODE for code.
func envelope(body []byte) (code int, message string, ok bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return 0, "", false
	}
	raw := string(m["code"])
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	code, err := strconv.Atoi(raw)
	if err != nil || strconv.Itoa(code) != raw { // "+200" and "0200" are no codes
		return 0, "", false
	}
	_ = json.Unmarshal(m["errorMessage"], &message) // absent or no text: no message
	return code, message, true
}
