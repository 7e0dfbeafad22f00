package settings

import (
	"slices"
	"testing"
	"time"
)

// An account at Getui beside one at RongCloud; equal App Keys of two vendors are two accounts.
func TestAnAccountAtGetui(t *testing.T) {
	path := write(t, minimal+`  second:
    vendor: getui
    app_id: AppId1
    app_key: k
    master_secret: "${env:G}"
`)
	s, list := Load(path, []string{"S=s", "G=master"}, nil)
	if s == nil {
		t.Fatal(list)
	}
	a := s.Accounts[1]
	if a.Vendor != "getui" || a.AppID != "AppId1" || a.AppKey != "k" || a.Secret.Reveal() != "master" || a.Identify != "alias" || !a.Broadcast || a.FastTag ||
		!slices.Equal(a.Hosts, []string{"https://restapi.getui.com"}) || a.Quota.Pushes != 50 || a.Quota.Minute != 5 || a.Quota.Day != 20 || a.Timeout != 6*time.Second || a.Brake.N != 500 ||
		a.Quota.TagMinute != 5 || a.Quota.Lists != 2_000_000 || a.Quota.TagDay != 10000 || a.Tags.Delay != 5*time.Second || !a.Tags.KeepForeign || a.Tags.MaxChange != 0.01 {
		t.Errorf("%+v", a)
	}
	path = write(t, minimal+`  second: {vendor: getui, app_id: x, app_key: k, master_secret: "${env:G}", identify: cid, allow: [everyone], services: {fast_tag: true}, quota: {push: 10, lists: {day: 900}, broadcast: {day: 100}, tags: {minute: 100}}, tags: {delay: 1m}}
`)
	if s, list = Load(path, []string{"S=s", "G=master", "NOTIFIER_ACCOUNTS_SECOND_APP_ID=other"}, nil); s == nil {
		t.Fatal(list)
	}
	if a = s.Accounts[1]; a.Identify != "cid" || !a.AllowEveryone || !a.FastTag || a.Quota.Pushes != 10 || a.Quota.Day != 100 || a.Quota.Lists != 900 || a.Quota.TagMinute != 100 || a.Tags.Delay != time.Minute || a.AppID != "other" {
		t.Errorf("%+v", a)
	}
}

// Tags that others gave always stay there, so nothing may ask for anything else.
func TestAnAccountAtGetuiCannotDropForeignTags(t *testing.T) {
	path := write(t, minimal+`  second: {vendor: getui, app_id: x, app_key: k, master_secret: "${env:G}", tags: {foreign: drop}}
`)
	if s, list := Load(path, []string{"S=s", "G=master"}, nil); s != nil || list.Errors() != 1 {
		t.Errorf("taken: %v", list)
	}
}
