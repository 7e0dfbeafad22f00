package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// The rows of all partitions are one list in order of time, as far as they are held; none is lost behind that.
func TestFatesAreShownInOrderOfTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for most, want := range map[int]string{5: "1 2 3 4 5", 6: "1 2 3 4 5", 3: "1 2 4 3 5"} {
		var got []string
		rows := &byTime{most: most, write: func(x ledger.Fate) error {
			got = append(got, fmt.Sprint(int(x.At.Sub(at).Minutes())))
			return nil
		}}
		for _, m := range []int{2, 4, 1, 3, 5} {
			if err := rows.add(ledger.Fate{At: at.Add(time.Duration(m) * time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.flush(); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != want || rows.n != 5 {
			t.Errorf("%d held: %s, want %s", most, s, want)
		}
	}
}

// A word that is none of the fates finds nothing, which would read as if nothing had that fate.
func TestAFateIsOneOfTheFates(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings})
	code, _, _, err := runLine(t, "fates", "--fate", "sended")
	if code != exitUsage || err == nil || err.Error() != `unknown --fate "SENDED": SENT, COALESCED, SUPPRESSED, DEAD, UNKNOWN` {
		t.Errorf("exit %d, %v", code, err)
	}
}
