// Package ruletest runs the tests that stand in rule files (rules-format.md 3): an event as the decoder gives it, the rule alone, stage 2
// in virtual time (dispatch.Model), the vendor request that would leave.
//
// A rule is tested by itself: other rules take none of its quota and give none of its tags. It is tested as if its mode were `live`,
// unless the test expects `suppressed: shadow` or `canary`. Quota, caps, duplicates and the profile table start empty, but for what the
// test says. Nothing can be sent: there is no connection here, and the accounts' Vendors are asked for routes only.
package ruletest
