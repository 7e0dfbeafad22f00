package load_test

import (
	"testing"

	"github.com/notifier/notifier/bench/load"
)

// Rules from their files to the index: 1,000 of them an operation.
func BenchmarkLoadRules(b *testing.B) {
	files := load.NewKind("mixed", 1000).Files()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := load.Compile(files); err != nil {
			b.Fatal(err)
		}
	}
}
