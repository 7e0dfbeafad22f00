package main

import (
	"strings"
	"testing"
)

// Tests of tag rules hold for an account at Getui too, however many calls a set takes there and whatever its limits are.
func TestTagRulesAreTestedForGetui(t *testing.T) {
	const rule = `version: 1
rules:
  - name: city-tags
    event: profile.changed
    tags: ["city_${city}", "level_${level}", "a_${city}", "b_${city}", "c_${city}", "d_${city}", "e_${city}"]
    tests:
      - {name: 搬家, event: {city: bj, level: vip}, profile: {city: sh}, expect: {tags: [city_bj, level_vip, a_bj, b_bj, c_bj, d_bj, e_bj]}}
      - {name: 只有等级, event: {level: vip}, expect: {tags: [level_vip]}}
`
	const catalogue = `version: 1
events:
  profile.changed:
    {title: Profile, topic: user-profiles, kind: profile, update: patch, id: event_id, time: ts, user: user_id, fields: {city: {path: profile.city}, level: {path: profile.level}}}
`
	for _, identify := range []string{"alias", "cid"} {
		inDir(t, map[string]string{"rules/events.yaml": catalogue, "rules/r.yaml": rule, "notifier.yaml": `version: 1
kafka: {brokers: ["127.0.0.1:1"], start: latest}
rules: rules/
accounts: {second: {vendor: getui, app_id: a, app_key: k, master_secret: "${env:PATH}", identify: ` + identify + `}}
`})
		out, talk, code := runTest(testOptions{checkOptions: checkOptions{config: "notifier.yaml", paths: []string{"rules/"}}})
		if code != 0 || !strings.Contains(out, "2 tests, 2 passed") {
			t.Errorf("%s: code %d\n%s\n%s", identify, code, out, talk)
		}
	}
}
