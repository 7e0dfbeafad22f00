package audit

import "testing"

// An intent whose event cannot be read is an error of the audit, not an intent of event "".
func TestAnIntentThatCannotBeReadIsAnError(t *testing.T) {
	for name, value := range map[string]string{"its event": "\x02\x12\x02\x0a\x05", "itself": "\x02\x12\x05\x0a"} {
		if in, err := readIntent(Record{Value: []byte(value)}); err == nil {
			t.Errorf("%s is broken: %+v", name, in)
		}
	}
}
