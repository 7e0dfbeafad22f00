// Package audit says from the input alone what a run must have done, and compares it with what topics and vendor show.
//
// It reads the events as they stand in Kafka with its own decoder, applies its own reading of ../rules (rules.go and
// profiles.go say in Go what the rule files say in YAML), and gets from that every intent, dead letter, text and tag
// set that must exist. Check then compares both ways: nothing missing, nothing extra, nothing twice, no quota
// overrun, one fate an intent. It imports nothing of the product.
//
// What a run may decide freely, the audit leaves open and bounds: which of two duplicates is sent, which events of a
// merge share a request, which broadcasts get the scarce slots. An intent whose fate is UNKNOWN may have reached the
// vendor once or not at all; there is no other excuse.
package audit
