package query

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A search ends at what it looks for, knows where to begin, and says whether the oldest records are gone.
func TestSearch(t *testing.T) {
	r, adm, began := past(t, 600)
	seen := 0
	all := func(*kgo.Record) bool { seen++; return false }
	if whole, err := r.Search(t.Context(), "a", time.Time{}, all); err != nil || !whole || seen != 300 {
		t.Errorf("%d records, whole %t: %v", seen, whole, err)
	}
	seen = 0
	if _, err := r.Search(t.Context(), "a", began.Add(500*time.Minute), all); err != nil || seen != 50 {
		t.Errorf("%d records since: %v", seen, err)
	}
	seen = 0
	found := func(rec *kgo.Record) bool { seen++; return string(rec.Value) == "0" }
	if _, err := r.Search(t.Context(), "a", time.Time{}, found); err != nil || seen == 0 || seen > 201 {
		t.Errorf("%d records: %v", seen, err)
	}
	if whole, err := r.Search(t.Context(), "nope", time.Time{}, all); err != nil || !whole {
		t.Errorf("no such topic: whole %t, %v", whole, err)
	}
	offsets, err := adm.ListEndOffsets(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	cut := offsets.Offsets()
	for p, o := range cut["a"] {
		o.At = 10
		cut["a"][p] = o
	}
	if _, err := adm.DeleteRecords(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	var values []string
	whole, err := r.Search(t.Context(), "a", time.Time{}, func(rec *kgo.Record) bool { values = append(values, string(rec.Value)); return false })
	if err != nil || whole || len(values) != 270 || slices.Contains(values, "0") {
		t.Errorf("%d records of a topic without its oldest, whole %t: %v", len(values), whole, err)
	}
}
