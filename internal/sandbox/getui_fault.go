package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// kindTokenStorm refuses every token while /auth goes on handing them out.
const kindTokenStorm = "token_storm"

// getuiKinds are the kinds of fault that only Getui has. All but the storm execute
// the call and change the shape of its answer within what the contract allows.
var getuiKinds = map[string]bool{kindTokenStorm: true, "numeric_times": true, "extra_fields": true, "no_msg": true, "empty_msg": true}

// reshaped executes the call and sends its answer through the change.
func reshaped(change func(envelope map[string]any)) faultKind {
	return func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, _ Fault) {
		out, err := s.process(a)
		if err != nil {
			reset(w)
			return
		}
		var envelope map[string]any
		if json.Unmarshal(out.body, &envelope) == nil {
			change(envelope)
			out.body = mustText(envelope)
		}
		send(w, out)
	}
}

// timeFields are documented as text and typed as numbers in the vendor's own kits.
var timeFields = map[string]bool{"expire_time": true, "create_time": true, "push_time": true, "last_login_time": true}

// numericTimes turns the digits of times into numbers, at any depth.
func numericTimes(v any) any {
	m, is := v.(map[string]any)
	if !is {
		return v
	}
	for name, x := range m {
		text, is := x.(string)
		if n, err := strconv.ParseInt(text, 10, 64); is && err == nil && timeFields[name] {
			m[name] = n
		} else {
			m[name] = numericTimes(x)
		}
	}
	return m
}

// extraFields adds what the contract does not know: the object map that one older
// copy of it has, and a field in data where data has fixed names.
func extraFields(envelope map[string]any) {
	envelope["map"] = map[string]any{}
	envelope["future_field"] = []any{1, "x"}
	if data, is := envelope["data"].(map[string]any); is && (data["taskid"] != nil || data["token"] != nil) {
		data["future_field"] = map[string]any{"a": 1}
	}
}
