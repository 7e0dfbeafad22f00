package ledger

import (
	"testing"
)

func TestLettersAreWrittenInRunsAndReadAgain(t *testing.T) {
	ids := []string{"0@3", "0@4", "0@5", "0@9", "1@10", "1@11"}
	s := JoinLetters(ids)
	if s != "0@3-5,0@9,1@10-11" {
		t.Errorf("written %q", s)
	}
	l := SplitLetters(s + ",nonsense,2@x")
	for _, c := range []struct {
		p    int32
		o    int64
		want bool
	}{{0, 2, false}, {0, 3, true}, {0, 5, true}, {0, 6, false}, {0, 9, true}, {0, 10, false}, {1, 10, true}, {1, 12, false}, {2, 0, false}} {
		if got := l.Has(c.p, c.o); got != c.want {
			t.Errorf("%d@%d: %t, want %t", c.p, c.o, got, c.want)
		}
	}
}
