package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
)

// Tags at Getui belong to a device (a cid). A user by alias has up to ten: what the user is given, each of the devices bound then is given.

// codeTagsDay: the day's changes of tags are used up, or this user's one replacement.
const codeTagsDay = 30011

// codeTagFailed: an operation on tags failed. The vendor does not say why: it may go once more (getui.md 10.3).
const codeTagFailed = 23001

// onceAgain is how long after it.
const onceAgain = 5 * time.Second

// tagsOutcome is getuiOutcome of an operation on tags.
func tagsOutcome(err error) dispatch.Outcome {
	o := getuiOutcome(err, 1)
	if o.Code == codeTagFailed {
		o.Class, o.Wait, o.Once = dispatch.ClassRetryLater, onceAgain, true
	}
	return o
}

// aliasesAtOnce is how many aliases are asked for their devices at a time.
const aliasesAtOnce = 8

// isTags reports whether a call changes tags.
func isTags(c *dispatch.Call) bool {
	return c.Tags != nil && slices.Contains([]string{tagAdd, tagRemove, tagSet}, c.Endpoint)
}

// The endpoints of tags by method: two of them share a path.
var (
	tagAdd    = getui.TagAdd.Method + " " + getui.TagAdd.Name
	tagRemove = getui.TagRemove.Method + " " + getui.TagRemove.Name
	tagSet    = getui.TagSet.Method + " " + getui.TagSet.Name
)

// sendTags makes a call that changes tags. Whom the vendor does not know is told apart.
func (g *getuiAccount) sendTags(ctx context.Context, c *dispatch.Call) dispatch.Outcome {
	devices, unknown, o := g.devices(ctx, c.ID, c.Users)
	if o != nil {
		return *o
	}
	var cids []string
	owner := map[string]string{}
	for _, user := range c.Users {
		for _, cid := range devices[user] {
			if owner[cid] == "" { // one device of two aliases would be refused as twice in the list
				owner[cid] = user
				cids = append(cids, cid)
			}
		}
	}
	if len(cids) == 0 {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Target: true, Users: unknown, Detail: "no device has these aliases"}
	}
	r := tagRequest(c, cids)
	ans, err := getui.Send(ctx, g.client, c.ID, r)
	out := tagsOutcome(err)
	if out.Once && c.Try > 1 {
		out.Class, out.Wait, out.Once = dispatch.ClassPermanent, 0, false
	}
	out.Users = unknown
	switch e, refused := errors.AsType[*getui.Error](err); {
	case refused && e.Code == codeTagsDay && c.Endpoint == tagSet:
		out.Alone = true
	case out.Target && len(cids) > 1:
		g.blame(ctx, c.ID, cids, owner, &out)
	case err == nil && c.Endpoint == tagRemove:
		failed, err := r.(getui.RemoveTag).Decode(ans)
		if err != nil { // it is accepted, and the same call would be answered in the same way
			return out
		}
		for _, cid := range failed {
			refuse(&out, owner[cid])
		}
	}
	return out
}

// tagRequest is a call that changes tags of devices.
func tagRequest(c *dispatch.Call, cids []string) getui.Request {
	switch c.Endpoint {
	case tagAdd:
		return getui.AddTag{Tag: c.Tags[0], CIDs: cids}
	case tagRemove:
		return getui.RemoveTag{Tag: c.Tags[0], CIDs: cids}
	}
	return getui.SetTags{CID: cids[0], Tags: c.Tags}
}

const noDevice = "the vendor has no such user"

// refuse books that the vendor does not know a user.
func refuse(o *dispatch.Outcome, user string) {
	if o.Users == nil {
		o.Users = map[string]dispatch.UserOutcome{}
	}
	o.Users[user] = dispatch.UserOutcome{Refused: true, Detail: noDevice}
}

// blame asks who of a refused call the vendor does not know, instead of finding out by halves of it, each of which would take a slot. A
// refused question is asked of its halves. Whoever is not asked in the end is not blamed: the next call that is refused asks on.
func (g *getuiAccount) blame(ctx context.Context, id string, cids []string, owner map[string]string, o *dispatch.Outcome) {
	ask := slices.Collect(slices.Chunk(cids, askStatus))
	for n := 0; n < maxStatus && len(ask) > 0; n++ {
		some := ask[len(ask)-1]
		ask = ask[:len(ask)-1]
		r := getui.GetStatus{CIDs: some}
		ans, err := getui.Send(ctx, g.client, fmt.Sprintf("%ss%d", id, n), r)
		known := map[string]getui.Status{}
		if err == nil {
			known, err = r.Decode(ans)
		}
		switch {
		case err == nil, len(some) == 1 && getuiOutcome(err, 1).Target:
			for _, cid := range some {
				if _, ok := known[cid]; !ok {
					refuse(o, owner[cid])
				}
			}
		case getuiOutcome(err, 1).Target:
			h := len(some) / 2
			ask = append(ask, some[h:], some[:h])
		default:
			return
		}
	}
}

const (
	askStatus = 200 // cids of one question: more make a very long path
	maxStatus = 100 // questions about one call
)

// devices are the cids of users; unknown are those who have none. The outcome is not nil where that could not be found out: then nothing of
// the call has left.
func (g *getuiAccount) devices(ctx context.Context, id string, users []string) (devices map[string][]string, unknown map[string]dispatch.UserOutcome, o *dispatch.Outcome) {
	devices = map[string][]string{}
	if g.by == getui.ByCID {
		for _, user := range users {
			devices[user] = []string{user}
		}
		return devices, nil, nil
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	room := make(chan struct{}, aliasesAtOnce)
	for i, user := range users {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			cids, failed := g.devicesOf(ctx, fmt.Sprintf("%sa%d", id, i), user)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				o = failed
			}
			devices[user] = cids
		})
	}
	wg.Wait()
	if o != nil {
		return nil, nil, o
	}
	all := dispatch.Outcome{}
	for _, user := range users {
		if len(devices[user]) == 0 {
			refuse(&all, user)
		}
	}
	return devices, all.Users, nil
}

func (g *getuiAccount) devicesOf(ctx context.Context, id, alias string) ([]string, *dispatch.Outcome) {
	r := getui.GetCIDs{Alias: alias}
	ans, err := getui.Send(ctx, g.client, id, r)
	if err == nil {
		var cids []string
		if cids, err = r.Decode(ans); err == nil {
			return cids, nil
		}
	}
	o := getuiOutcome(err, 1)
	switch {
	case o.Target: // an alias nobody has
		return nil, nil
	case o.Class == dispatch.ClassRetrySafe || o.Class == dispatch.ClassUnknown:
		o.Class = dispatch.ClassNotSent
	}
	return nil, &o
}

// ReadTags implements dispatch.Vendor. Of a user with several devices tags are those that each of them has; Some are the others.
func (g *getuiAccount) ReadTags(ctx context.Context, id string, users []string) (map[string][]string, dispatch.Outcome) {
	devices, _, o := g.devices(ctx, id, users)
	if o != nil {
		return nil, *o
	}
	tags, out := map[string][]string{}, dispatch.Outcome{Class: dispatch.ClassOK, Some: map[string][]string{}}
	for _, user := range users {
		count := map[string]int{}
		for i, cid := range devices[user] {
			has, failed := g.tagsOf(ctx, fmt.Sprintf("%st%d", id, i), cid)
			if failed != nil {
				return nil, *failed
			}
			for _, tag := range has {
				count[tag]++
			}
		}
		for tag, n := range count {
			if n == len(devices[user]) {
				tags[user] = append(tags[user], tag)
			} else {
				out.Some[user] = append(out.Some[user], tag)
			}
		}
	}
	return tags, out
}

func (g *getuiAccount) tagsOf(ctx context.Context, id, cid string) ([]string, *dispatch.Outcome) {
	r := getui.GetTags{CID: cid}
	ans, err := getui.Send(ctx, g.client, id, r)
	if err == nil {
		has, err := r.Decode(ans)
		if err != nil { // it would be answered in the same way again
			return nil, &dispatch.Outcome{Class: dispatch.ClassPermanent, Detail: err.Error()}
		}
		return has, nil
	}
	if o := tagsOutcome(err); !o.Target {
		return nil, &o
	}
	return nil, nil // nobody has that cid
}

// tagsBody is what a call that changes tags would send. The devices of an alias are known only when it leaves.
func (g *getuiAccount) tagsBody(c *dispatch.Call) ([]byte, error) {
	if g.by == getui.ByCID {
		return tagRequest(c, c.Users).Body()
	}
	if _, err := tagRequest(c, []string{"cid"}).Body(); err != nil {
		return nil, err
	}
	cids := make([]string, len(c.Users))
	for i, user := range c.Users {
		cids[i] = "(devices of " + user + ")"
	}
	return json.Marshal(map[string][]string{"cid": cids})
}

// fitTags cuts a set to what the vendor takes: a tag of more than 31 characters is left out, and what is more than 512 together.
func fitTags(tags []string) []string {
	chars := 0
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool {
		n := utf8.RuneCountInString(t) + 1
		if getui.ValidTag(t) != nil || chars+n > getui.MaxTagsLength {
			return true
		}
		chars += n
		return false
	})
}
