package rongpush_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

// world is a strict sandbox and a client of it.
type world struct {
	*sandbox.Server
	client *rongcloud.Client
}

func newWorld(t *testing.T, secret string) world {
	t.Helper()
	s, err := sandbox.Start(context.Background(), sandbox.Options{Addr: "127.0.0.1:0", Apps: []sandbox.App{{Vendor: "rongcloud", Key: "k", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	schema.Hold(t, s)
	c, err := rongcloud.New(rongcloud.Options{
		Hosts: []string{s.Ready().Primary, s.Ready().Backup}, AppKey: "k",
		Secret: func() rongcloud.Secret { return rongcloud.NewSecret(secret) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return world{s, c}
}

func (w world) send(t *testing.T, id string, r rongpush.Request, timeout time.Duration) (*rongcloud.Answer, *rongcloud.Error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a, err := rongpush.Send(ctx, w.client, id, r)
	if err == nil {
		return a, nil
	}
	e, ok := errors.AsType[*rongcloud.Error](err)
	if !ok {
		t.Fatalf("error %T %v", err, err)
	}
	return nil, e
}

const enough = 20 * time.Second

// Every request we can build is one that the strict vendor takes.
func TestSandboxTakesEveryGolden(t *testing.T) {
	w := newWorld(t, "s")
	for i, name := range slices.Sorted(maps.Keys(rongpush.Goldens)) {
		if err := w.Reset(w.StartSetup()); err != nil { // quotas full again
			t.Fatal(err)
		}
		a, err := w.send(t, strconv.Itoa(i), rongpush.Goldens[name], enough)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e := w.Journal(0); len(e) != 1 || !e[0].Executed {
			t.Errorf("%s: journal %+v", name, e)
		}
		if b, ok := rongpush.Goldens[name].(rongpush.Broadcast); ok {
			want := "users"
			switch b.Audience.(type) {
			case rongpush.All:
				want = "all"
			case rongpush.Filter:
				want = "filter"
			}
			if got := w.Journal(0)[0].Effective; got == nil || got.Mode != want || rongpush.ParseReceipt(a.Body).ID == "" {
				t.Errorf("%s reached %+v with receipt %s, want %s", name, got, a.Body, want)
			}
		}
	}
}

func TestSandboxTagsAreReplacedAndRead(t *testing.T) {
	w := newWorld(t, "s")
	for i, r := range []rongpush.Request{
		rongpush.BatchSetTags{Users: []string{"u-1", "a+b=c"}, Tags: []string{"男", "bj"}},
		rongpush.SetTags{User: "u-1", Tags: []string{"vip"}},
		rongpush.SetTags{User: "u-2"},
	} {
		if _, err := w.send(t, strconv.Itoa(i), r, enough); err != nil {
			t.Fatal(err)
		}
	}
	get := rongpush.GetTags{Users: []string{"u-1", "a+b=c", "u-2", "nobody"}}
	a, err := w.send(t, "get", get, enough)
	if err != nil {
		t.Fatal(err)
	}
	got, e := get.Decode(a.Body)
	if e != nil || len(got) != 4 || !slices.Equal(got["u-1"], []string{"vip"}) || !slices.Equal(got["a+b=c"], []string{"bj", "男"}) || len(got["u-2"])+len(got["nobody"]) != 0 {
		t.Errorf("%v, %v", got, e)
	}
}

func TestSandboxRefusals(t *testing.T) {
	w := newWorld(t, "wrong")
	if _, err := w.send(t, "c", rongpush.Goldens["tags-set"], enough); err == nil || err.Class != rongcloud.Config || err.Code != 1004 {
		t.Errorf("wrong secret: %v", err)
	}

	w = newWorld(t, "s")
	var last *rongcloud.Error
	for i := range 3 {
		_, last = w.send(t, strconv.Itoa(i), rongpush.Goldens["push-filter"], enough)
	}
	if last == nil || last.Class != rongcloud.RetryLater || last.Code != 1008 || last.HTTPStatus != 429 {
		t.Errorf("third broadcast of the hour: %v", last)
	}

	setup := w.StartSetup()
	setup.Services.Broadcast = false
	if err := w.Reset(setup); err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(t, "c", rongpush.Goldens["broadcast"], enough); err == nil || err.Class != rongcloud.Config || err.Code != 1009 || err.HTTPStatus != 430 {
		t.Errorf("service off: %v", err)
	}
}

// Many callers at once: every answer is its own, no call doubled, no connection above the vendor's limit.
func TestSandboxManyAtOnce(t *testing.T) {
	w := newWorld(t, "s")
	var calls sync.WaitGroup
	for g := range 8 {
		calls.Go(func() {
			user := "u-" + strconv.Itoa(g)
			for i := range 30 {
				get := rongpush.GetTags{Users: []string{user}}
				if _, err := w.send(t, strconv.Itoa(g)+"."+strconv.Itoa(i), get, enough); err != nil && err.Class != rongcloud.RetryLater {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	if s := w.Stats().RongCloud; s.Calls != 240 || s.RequestIDConflicts != 0 || s.MaxPerConnection >= 80 {
		t.Errorf("the vendor saw %+v", s)
	}
}
