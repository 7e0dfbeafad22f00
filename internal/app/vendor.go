package app

import (
	"context"
	"crypto/fips140"
	"errors"
	"net"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// vendor is one account's vendor: all that differs from one vendor to the other stands behind it.
type vendor interface {
	dispatch.Vendor
	// check says what of a rule's delivery the vendor would refuse, or cannot do.
	check(rules.Delivery) []rules.Problem
	// body is what a call would send. The error is a refusal before anything leaves.
	body(*dispatch.Call) (body []byte, contentType string, err error)
}

// newVendor is an account without its connections.
func newVendor(ac *settings.Account) vendor {
	if ac.Vendor == "getui" {
		return newGetuiAccount(ac)
	}
	return newRongAccount(ac)
}

// lanesOf is the lane table of an account.
func lanesOf(ac *settings.Account) map[string]dispatch.Policy {
	if ac.Vendor == "getui" {
		return getuiLanes(ac)
	}
	return rongLanes(quotaOf(ac), late)
}

// closer is a client with connections.
type closer interface{ Close() }

// ErrSHA1: Go would end the process at the first signature.
var ErrSHA1 = errors.New("RongCloud's signature is SHA-1, by its contract, and GODEBUG=fips140=only forbids that: start with fips140=on, or without")

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// connected is an account with its client. dial is nil but in tests, where plain http goes to any host.
func connected(ac *settings.Account, dial dialer) (vendor, closer, error) {
	if ac.Vendor == "getui" {
		cl, err := getui.New(getui.Options{Host: ac.Hosts[0], AppID: ac.AppID, AppKey: ac.AppKey, MasterSecret: func() getui.Secret { return getui.NewSecret(ac.Secret.Reveal()) },
			DialContext: dial, AllowHTTP: dial != nil})
		if err != nil {
			return nil, nil, err
		}
		v := newGetuiAccount(ac)
		v.client = cl
		return v, cl, nil
	}
	if fips140.Enforced() {
		return nil, nil, ErrSHA1
	}
	hosts := ac.Hosts
	if len(hosts) == 0 {
		var err error
		if hosts, err = rongcloud.DataCenter(ac.DataCenter); err != nil {
			return nil, nil, err
		}
	}
	cl, err := rongcloud.New(rongcloud.Options{Hosts: hosts, AppKey: ac.AppKey, Secret: func() rongcloud.Secret { return rongcloud.NewSecret(ac.Secret.Reveal()) },
		DialContext: dial, AllowHTTP: dial != nil})
	if err != nil {
		return nil, nil, err
	}
	v := newRongAccount(ac)
	v.client = cl
	return v, cl, nil
}
