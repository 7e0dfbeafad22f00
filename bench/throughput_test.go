package main

import "testing"

// Order does not matter to a sum, everything else does.
func TestASumIsOfRecordsNotOfTheirOrder(t *testing.T) {
	of := func(records ...string) (s sum) {
		for _, r := range records {
			s.add([]byte(r))
		}
		return s
	}
	if of("a", "b", "c") != of("c", "a", "b") {
		t.Error("another order is another sum")
	}
	for _, other := range []sum{of("a", "b"), of("a", "b", "b"), of("a", "b", "d"), of("a", "b", "c", "c"), of("ab", "c")} {
		if of("a", "b", "c") == other {
			t.Errorf("%+v equals the sum of a, b, c", other)
		}
	}
}
