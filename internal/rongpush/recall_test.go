package rongpush

import (
	"testing"
	"time"
)

func TestARecallNamesMessageSenderAndTime(t *testing.T) {
	t.Parallel()
	sent := time.UnixMilli(1767225600123)
	body, contentType, err := Recall{From: "sys-1", MessageUID: "BS45-NPH4-HV87-10LM", SentAt: sent}.Body()
	if err != nil || contentType != formType {
		t.Fatal(contentType, err)
	}
	if want := "fromUserId=sys-1&messageUID=BS45-NPH4-HV87-10LM&sentTime=1767225600123"; string(body) != want {
		t.Errorf("body %s, want %s", body, want)
	}
	for name, r := range map[string]Recall{
		"no sender":  {MessageUID: "m", SentAt: sent},
		"no message": {From: "s", SentAt: sent},
		"no time":    {From: "s", MessageUID: "m"},
	} {
		if _, _, err := r.Body(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
