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
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
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
	ac, ctx := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body.String()) })
	got, o := ac.ReadTags(ctx, "call-1", users)
	if o.Class != dispatch.ClassOK || len(got) != len(users) || len(got["user-49"]) != 20 {
		t.Errorf("%d bytes: %+v, tags of %d users", body.Len(), o, len(got))
	}
}

// An answer that says yes and has nothing that can be read would come again for ever: it is a refusal, of which halves are asked. What is no
// answer of the vendor's is asked again.
func TestAnAnswerAboutTagsThatCannotBeReadIsARefusal(t *testing.T) {
	answer := ""
	ac, ctx := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
	for _, tc := range []struct {
		answer string
		want   dispatch.Class
	}{
		{`{"code":200}`, dispatch.ClassPermanent},
		{`{"code":200,"result":null}`, dispatch.ClassPermanent},
		{`{"code":200,"result":[]}`, dispatch.ClassPermanent},
		{`{"code":200,"result":{"u-1":"x"}}`, dispatch.ClassPermanent},
		{`{"code":200,"result":{}}`, dispatch.ClassOK},
		{`<html>`, dispatch.ClassRetrySafe},
	} {
		answer = tc.answer
		if _, o := ac.ReadTags(ctx, "call-1", []string{"u-1", "u-2"}); o.Class != tc.want || tc.want != dispatch.ClassOK && o.Detail == "" {
			t.Errorf("%s: %+v, want %s with a detail", tc.answer, o, tc.want)
		}
	}
}

// How long to wait is the vendor's to say where its limit is one of a second or a minute, or is not documented. Of the lanes of few slots the
// hour and the day are longer than what it may say, and to try again before would be to probe (rongcloud.md 10.7).
func TestRetryAfterIsKept(t *testing.T) {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"code":1008,"errorMessage":"call frequency exceeded"}`)
	}))
	defer vendor.Close()
	cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{vendor.URL}, AppKey: "k", Secret: func() rongcloud.Secret { return rongcloud.NewSecret("s") }, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r := &rongAccount{client: cl, sender: "system", platforms: []string{"ios"}, allowEveryone: true, broadcast: true, pushPlus: true}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, filter := &intent.Content{Body: "b"}, &intent.Audience{AllOf: []string{"x"}}
	message := &intent.Content{Body: "b", Message: &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "b"}}}
	for _, tc := range []struct {
		call dispatch.Call
		wait time.Duration
	}{
		{dispatch.Call{Endpoint: rongpush.TagSet.Path, Users: []string{"u"}}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.TagBatchSet.Path, Users: []string{"u"}}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.PushUser.Path, Users: []string{"u"}, Content: text}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.SystemPublish.Path, Users: []string{"u"}, Content: message}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.OnlineMessage.Path, Content: message, Audience: &intent.Audience{Online: true}}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.PushCustom.Path, Content: text, Audience: filter}, 7 * time.Second},
		{dispatch.Call{Endpoint: rongpush.Push.Path, Content: text, Audience: filter}, 0},
		{dispatch.Call{Endpoint: rongpush.BroadcastMessage.Path, Content: message, Audience: &intent.Audience{Everyone: true}}, 0},
		{dispatch.Call{Endpoint: rongpush.BroadcastRecall.Path, Recall: &dispatch.Recall{Sender: "system", MessageUID: "uid", SentAt: time.Now()}}, 0},
	} {
		tc.call.ID = "call-1"
		if o := r.Send(ctx, &tc.call); o.Wait != tc.wait || o.Class != dispatch.ClassRetryLater || o.Code != 1008 {
			t.Errorf("%s: %+v, want a wait of %s", tc.call.Endpoint, o, tc.wait)
		}
	}
}

// A probe asks whether the vendor answers and knows the key. It judges the frequency and the service behind the key (rongcloud.md 9), so an
// account that may not read tags, or whose reads somebody else uses up, is not kept closed by its own probe.
func TestWhatAProbeProves(t *testing.T) {
	for _, tc := range []struct {
		status, code int
		text         string
		want         dispatch.Class
	}{
		{200, 200, "", dispatch.ClassOK},
		{401, 1007, "method restricted", dispatch.ClassOK},
		{429, 1008, "frequency", dispatch.ClassOK},
		{430, 1009, "service not enabled", dispatch.ClassOK},
		{401, 1001, "key and secret", dispatch.ClassConfig},
		{401, 1004, "signature", dispatch.ClassConfig},
		{401, 1006, "app locked", dispatch.ClassConfig},
		{400, 1002, "invalid App-Key.", dispatch.ClassConfig},
		{404, 404, "no such path", dispatch.ClassConfig},
		{429, 0, "slow down", dispatch.ClassRetryLater}, // some gateway's, which knows no key
		{500, 1000, "internal", dispatch.ClassRetrySafe},
	} {
		ac, ctx := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			if tc.code == 0 {
				fmt.Fprint(w, tc.text)
				return
			}
			fmt.Fprintf(w, `{"code":%d,"errorMessage":%q,"result":{}}`, tc.code, tc.text)
		})
		if o := ac.Probe(ctx, "call-1"); o.Class != tc.want {
			t.Errorf("HTTP %d, code %d: %+v, want %s", tc.status, tc.code, o, tc.want)
		}
	}
}

// answering is an account at a vendor that answers in one way, and a context for its calls.
func answering(t *testing.T, answer http.HandlerFunc) (*rongAccount, context.Context) {
	t.Helper()
	vendor := httptest.NewServer(answer)
	t.Cleanup(vendor.Close)
	cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{vendor.URL}, AppKey: "k", Secret: func() rongcloud.Secret { return rongcloud.NewSecret("s") }, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &rongAccount{client: cl}, ctx
}
