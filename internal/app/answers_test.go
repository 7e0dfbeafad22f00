package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rongcloud"
)

// The longest answer there is: the tags of 50 users, 20 each of 13 Han characters, every character escaped.
func TestTheLongestAnswerAboutTagsIsRead(t *testing.T) {
	tags := map[string][]string{}
	users := make([]string, 50)
	for i := range users {
		users[i] = fmt.Sprintf("user-%02d", i)
		for j := range 20 {
			tags[users[i]] = append(tags[users[i]], strings.Repeat("标", 12)+string(rune('一'+j)))
		}
	}
	plain, err := json.Marshal(map[string]any{"code": 200, "result": tags})
	if err != nil {
		t.Fatal(err)
	}
	var body strings.Builder
	for _, r := range string(plain) {
		if r > 0x7e {
			fmt.Fprintf(&body, `\u%04x`, r)
		} else {
			body.WriteRune(r)
		}
	}
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body.String()) }))
	defer vendor.Close()
	cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{vendor.URL}, AppKey: "k", Secret: func() rongcloud.Secret { return rongcloud.NewSecret("s") }, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, o := (&rongAccount{client: cl}).ReadTags(ctx, "call-1", users)
	if o.Class != dispatch.ClassOK || len(got) != len(users) || len(got["user-49"]) != 20 {
		t.Errorf("%d bytes: %+v, tags of %d users", body.Len(), o, len(got))
	}
}

// How long to wait is the vendor's to say, where its limit is one of a second.
func TestRetryAfterIsKept(t *testing.T) {
	if o := outcome(nil, &rongcloud.Error{Class: rongcloud.RetryLater, Code: 1008, RetryAfter: 7 * time.Second}); o.Wait != 7*time.Second || o.Class != dispatch.ClassRetryLater {
		t.Errorf("%+v", o)
	}
}
