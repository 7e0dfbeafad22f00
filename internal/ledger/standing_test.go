package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A command stands for the partitions whose position has not passed it, whoever has to obey it.
func TestACommandStandsUntilItsOwnersHavePassedIt(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(control int64) *State {
		st := NewState()
		st.Position.Control = control
		return st
	}
	given := func(offset int64, cmd, target string, old time.Duration) Standing {
		return Standing{Command: Command{ID: fmt.Sprint(offset), Cmd: cmd, Target: target, At: now.Add(-old)}, Offset: offset}
	}
	all := []Standing{
		given(2, CmdKill, "s", 0), given(5, CmdResolve, "AAAAAA-1-9", 0), given(6, CmdResolve, "AAAAAA-2-9", 0), given(7, CmdKill, "r", 0),
		given(8, CmdResolve, "AAAAAA-1-9", 0), given(9, CmdRevive, "r", 0), given(10, CmdReplay, "dead", 0), given(11, CmdSkip, "orders/3@17", time.Hour), given(12, CmdSkip, "orders/3@17", 25*time.Hour), given(13, CmdSkip, "n.intents/2@17", 25*time.Hour),
	}
	states := map[int32]*State{0: at(8), 1: at(8)} // nobody has begun the third
	var got []string
	for _, x := range Stand(all, states, TopicsOf("n"), 3, now) {
		got = append(got, fmt.Sprint(x.ID, x.Cmd, x.Partitions))
	}
	want := []string{"2kill[2]", "6attempts-resolve[2]", "7kill[2]", "8attempts-resolve[1]", "9revive[0 1 2]", "11skip[0]", "13skip[2]"}
	if !slices.Equal(got, want) {
		t.Errorf("%q stand, want %q", got, want)
	}
	if left := Stand(all, nil, TopicsOf("n"), 0, now); len(left) != 0 {
		t.Errorf("%v stand although there is no ledger", left)
	}
}
