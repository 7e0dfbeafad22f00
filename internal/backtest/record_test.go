package backtest

import "testing"

// Editors of Windows put a mark before the first line.
func TestARecordBehindAMark(t *testing.T) {
	const line = `{"topic":"shop.orders","timestamp":"2026-11-19T09:00:00Z","value":{"a":1}}`
	for _, l := range []string{line, "\ufeff" + line} {
		if rec, err := parse([]byte(l)); err != nil || rec.Topic != "shop.orders" || string(rec.Value) != `{"a":1}` {
			t.Errorf("%q: %+v, %v", l, rec, err)
		}
	}
}
