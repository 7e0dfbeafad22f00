package app

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/settings"
)

// Asked is what one signed, read-only call told of an account.
type Asked struct {
	Hosts        []string // URLs of the hosts that may be called, the first first
	Err          error    // what the call ended with, nil: it was accepted
	Class        dispatch.Class
	Code         int // the vendor's; 0: none
	Detail       string
	Signature    bool      // the vendor refuses the signature, which holds the time: by its code this may be the secret or the clock
	Inside       bool      // the host's name leads to an address that is not of the internet: nothing was sent
	Began, Ended time.Time // this machine's clock around the call
	Date         time.Time // the vendor's clock in whole seconds, at a moment between the two; zero: not told
}

// Codes of vendors for a call that would be refused whoever asked (rongcloud.md 3, getui.md 10).
const (
	codeSignature   = 1004  // RongCloud: secret, clock or encoding
	codeOtherDomain = 301   // Getui
	codeBlackListed = 10002 // Getui: app or address
)

// Ask makes one signed call that changes nothing: at RongCloud it reads the tags of a user that need not exist, at Getui it asks for a
// token and the status of such a user. It takes a call of the lane tag-get; an owner that just uses that lane to the full gets a
// retry-later for one of its own.
func Ask(ctx context.Context, ac *settings.Account) (Asked, error) {
	v, cl, err := connected(ac, nil)
	if err != nil {
		return Asked{}, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, ac.Timeout)
	defer cancel()
	id := "doctor-" + strings.ToLower(rand.Text()[:12])
	a := Asked{Began: time.Now(), Hosts: bases(ac)}
	var o dispatch.Outcome
	switch v := v.(type) {
	case *getuiAccount:
		ans, err := getui.Send(ctx, v.client, id, getui.GetStatus{CIDs: []string{"notifier-probe"}})
		a.Err = err
		if o = probed(getuiOutcome(err, 1)); ans != nil {
			a.Date = ans.Date
		}
		if e, ok := errors.AsType[*getui.Error](err); ok {
			a.Date = e.Date
			// Which code /auth gives for a wrong sign or time is not known (getui.md 2.1); these two are known to be of something else.
			auth, ok := errors.AsType[*getui.Error](e.Unwrap())
			a.Signature = ok && auth.Class == getui.Config && auth.Code != codeOtherDomain && auth.Code != codeBlackListed
		}
	case *rongAccount:
		ans, err := rongpush.Send(ctx, v.client, id, rongpush.GetTags{Users: []string{"notifier-probe"}})
		a.Err = err
		if o = outcome(ans, err); ans != nil {
			a.Date = ans.Date
		}
		if e, ok := errors.AsType[*rongcloud.Error](err); ok {
			a.Date, a.Signature = e.Date, e.Code == codeSignature
		}
	}
	a.Ended, a.Inside = time.Now(), errors.Is(a.Err, rongcloud.ErrInside)
	a.Class, a.Code, a.Detail = o.Class, o.Code, o.Detail
	return a, nil
}

// bases are the URLs of the hosts that an account's calls go to.
func bases(ac *settings.Account) (out []string) {
	hosts := ac.Hosts
	if len(hosts) == 0 {
		hosts, _ = rongcloud.DataCenter(ac.DataCenter) // the settings know the same names
	}
	for _, h := range hosts {
		out = append(out, strings.TrimSuffix(h, "/"))
	}
	return out
}
