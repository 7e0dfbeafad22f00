package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/settings"
)

// The account at the sandbox.
const (
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

// settingsFile is what an engineer would write for this broker and this sandbox. The day is counted in the demo's zone alone,
// as the sandbox does. The time-out is long: a machine that halts for seconds must not make calls UNKNOWN.
const settingsFile = `version: 1
timezone: %[1]q
kafka:
  brokers: [%[2]q]
  prefix: notifier
  partitions: 1
  replication: 1
  start: earliest
  instance: demo
rules: %[3]q
admin: {listen: "127.0.0.1:0"}
log: {level: warn, format: console}
consent: {never: blocked}
accounts:
  main:
    vendor: rongcloud
    hosts: [%[4]q, %[5]q]
    app_key: %[6]s
    secret: "${file:%[7]s}"
    allow: [everyone]
    approval: waived
    quota: {broadcast: {hour: 2, day: 3, day_zones: [%[1]q]}}
    tags: {delay: 1500ms}
    timeout: 20s
`

// writeSettings writes the file and its secret into dir and loads it as the daemon does. It gives the file's path too: other
// commands can look at the running demo with it.
func writeSettings(dir, zone, broker, rules string, hosts [2]string) (*settings.Settings, string, error) {
	secret, path := filepath.Join(dir, "secret"), filepath.Join(dir, "notifier.yaml")
	if err := os.WriteFile(secret, []byte(appSecret), 0o600); err != nil {
		return nil, "", fmt.Errorf("write the demo's settings: %w", err)
	}
	text := fmt.Sprintf(settingsFile, zone, broker, rules, hosts[0], hosts[1], appKey, secret)
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
