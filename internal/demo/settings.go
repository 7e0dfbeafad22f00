package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

// The account at the sandbox; at Getui an app has an id beside its key.
const (
	appID     = "demo-app-id"
	appKey    = "demo-app-key"
	appSecret = "demo-app-secret"
)

// morning names the zone in which it is 10 o'clock now, of those without summer time: Etc/GMT-14 (14 h east) to Etc/GMT+12.
// So no quiet hours hold and midnight is far, whenever the demo is started.
func morning(now time.Time) string {
	east := 10 - now.UTC().Hour()
	if east < -12 {
		east += 24
	}
	if east == 0 {
		return "Etc/GMT"
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // the names count westwards
}

// settingsFile is what an engineer would write for this broker; an account follows. The time-outs are long: a machine that halts
// for seconds must not make calls UNKNOWN.
const settingsFile = `version: 1
timezone: %q
kafka:
  brokers: [%q]
  prefix: notifier
  partitions: 1
  replication: 1
  start: earliest
  instance: demo
rules: %q
admin: {listen: "127.0.0.1:0"}
log: {level: warn, format: console}
consent: {never: blocked}
`

// rongAccount is the account at RongCloud's sandbox. The day is counted in the demo's zone alone, as the sandbox does.
const rongAccount = `accounts:
  main:
    vendor: rongcloud
    hosts: [%q, %q]
    app_key: %s
    secret: "${file:%s}"
    allow: [everyone]
    approval: waived
    quota: {broadcast: {hour: 2, day: 3, day_zones: [%q]}}
    tags: {delay: 1500ms}
    timeout: 20s
`

// getuiAccount is the account at Getui's sandbox. Of the vendor's 5 broadcasts a minute it uses 2, so that a short demo shows that
// they are ranked and wait. Users are cids: pushes to several of them go in one call.
const getuiAccount = `accounts:
  main:
    vendor: getui
    host: %q
    app_id: %s
    app_key: %s
    master_secret: "${file:%s}"
    identify: cid
    allow: [everyone]
    approval: waived
    quota: {broadcast: {minute: 2}}
    timeout: 20s
`

// vendorGetui is Getui's name; every other is RongCloud's.
const vendorGetui = "getui"

// writeSettings writes the file and its secret into dir and loads it as the daemon does. It gives the file's path too: other
// commands can look at the running demo with it.
func writeSettings(dir, vendor, zone, broker, rules string, at sandbox.Ready) (*settings.Settings, string, error) {
	secret, path := filepath.Join(dir, "secret"), filepath.Join(dir, "notifier.yaml")
	if err := os.WriteFile(secret, []byte(appSecret), 0o600); err != nil {
		return nil, "", fmt.Errorf("write the demo's settings: %w", err)
	}
	text := fmt.Sprintf(settingsFile, zone, broker, rules)
	if vendor == vendorGetui {
		text += fmt.Sprintf(getuiAccount, strings.TrimSuffix(at.Getui, "/v2"), appID, appKey, secret)
	} else {
		text += fmt.Sprintf(rongAccount, at.Primary, at.Backup, appKey, secret, zone)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, "", fmt.Errorf("write the demo's settings: %w", err)
	}
	s, list := settings.Load(path, nil, nil) // no environment: NOTIFIER_* of this shell are for a real daemon
	if s == nil {
		return nil, "", fmt.Errorf("the demo's settings have errors: %w", &SettingsError{list})
	}
	return s, path, nil
}

// SettingsError carries what the loader says of the generated file: a fault of ours, or a rules folder that cannot be named.
type SettingsError struct{ List diag.List }

func (e *SettingsError) Error() string {
	for _, d := range e.List {
		if d.Severity == diag.Error {
			return fmt.Sprintf("%s:%d:%d %s %s", d.File, d.Line, d.Column, d.Code, d.Message.EN)
		}
	}
	return "no error is named"
}
