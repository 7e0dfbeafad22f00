package demo

import (
	"io"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
)

var here = sandbox.Ready{Primary: "http://127.0.0.1:1", Backup: "http://127.0.0.1:2", Getui: "http://127.0.0.1:1/v2"}

// Whatever the hour, it is 10 in the demo's zone, and both the settings and the sandbox know the zone.
func TestItIsTenInTheMorning(t *testing.T) {
	for hour := range 24 {
		for _, minute := range []int{0, 59} {
			now := time.Date(2026, 3, 29, hour, minute, 30, 0, time.UTC)
			zone := morning(now)
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatalf("%02d:%02d UTC: %v", hour, minute, err)
			}
			if there := now.In(loc); there.Hour() != 10 || there.Minute() != minute {
				t.Errorf("%02d:%02d UTC: in %s it is %s", hour, minute, zone, there.Format(time.TimeOnly))
			}
			s, _, err := writeSettings(t.TempDir(), "rongcloud", zone, "127.0.0.1:9092", "rules", here)
			if err != nil {
				t.Fatal(err)
			}
			zones := s.Accounts[0].Quota.DayZones
			if s.Zone.String() != zone || len(zones) != 1 || zones[0].String() != zone {
				t.Errorf("settings: zone %s, days in %v, want %s", s.Zone, zones, zone)
			}
		}
	}
}

// The settings walk the daemon's path, and nothing of this shell's environment gets in.
func TestSettingsOfTheDemo(t *testing.T) {
	t.Setenv("NOTIFIER_KAFKA_PREFIX", "production")
	s, _, err := writeSettings(t.TempDir(), "rongcloud", "Etc/GMT-8", "127.0.0.1:9092", `C:\rules with "quotes"`, here)
	if err != nil {
		t.Fatal(err)
	}
	ac := s.Accounts[0]
	if s.Kafka.Prefix != "notifier" || ac.Secret.Reveal() != appSecret || !ac.AllowEveryone || !ac.ApprovalWaived || ac.Quota.Hour != 2 || ac.Quota.Day != 3 {
		t.Errorf("settings %+v, account %+v", s.Kafka, ac)
	}
	if d := sandbox.DefaultSwitches(); d.Hour != "rolling" {
		t.Errorf("the sandbox reads the hour as %s", d.Hour)
	}
}

// The account at Getui is one that the daemon takes, and its slots are fewer than the sandbox's.
func TestSettingsOfTheDemoAtGetui(t *testing.T) {
	s, _, err := writeSettings(t.TempDir(), "getui", "Etc/GMT-8", "127.0.0.1:9092", "rules", here)
	if err != nil {
		t.Fatal(err)
	}
	ac := s.Accounts[0]
	if ac.Vendor != "getui" || ac.AppID != appID || ac.Secret.Reveal() != appSecret || ac.Identify != "cid" || ac.Hosts[0] != "http://127.0.0.1:1" || !ac.AllowEveryone || !ac.ApprovalWaived {
		t.Errorf("account %+v", ac)
	}
	if k := sandbox.DefaultKnobs(); ac.Quota.Minute >= k.AppMinuteLimit || ac.Quota.Day > k.AppDayLimit {
		t.Errorf("quota %+v, the sandbox has %d a minute and %d a day", ac.Quota, k.AppMinuteLimit, k.AppDayLimit)
	}
}

// Commands are pointed at the demo's settings: they find the rules there that it runs.
func TestTheRulesOfTheDemoStandBesideItsSettings(t *testing.T) {
	for _, vendor := range []string{"rongcloud", vendorGetui} {
		s, _, err := writeSettings(t.TempDir(), vendor, "Etc/GMT-8", "127.0.0.1:9092", "rules", here)
		if err != nil {
			t.Fatal(err)
		}
		d := &demo{opt: Options{Vendor: vendor, Progress: io.Discard}, settings: s}
		files, err := d.able()
		if err != nil {
			t.Fatal(err)
		}
		runs, _ := rules.LoadFiles(files, app.RuleOptions(s))
		found, list := rules.Load([]string{s.Rules}, app.RuleOptions(s))
		if found == nil || runs == nil || found.Hash != runs.Hash {
			t.Errorf("%s: %v", vendor, list)
		}
	}
}
