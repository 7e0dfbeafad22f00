package ledger

import "time"

// Standing is a command that was given and not obeyed by all who have to: it takes effect when they run.
type Standing struct {
	Command
	Offset     int64   // on the control topic
	Partitions []int32 // whose owners have not obeyed it
}

// Stand leaves those of all commands that the position of an owner who has to obey them has not passed. Whoever reads event topics has no such
// position: what such a one has to obey is given as long as nobody has worked on partition 0 since either.
func Stand(all []Standing, states map[int32]*State, topics Topics, partitions int, now time.Time) (out []Standing) {
	for _, x := range all {
		if at, err := ParsePlace(x.Target); partitions == 0 || x.Cmd == CmdSkip && err == nil && at.Topic != topics.Intents && now.Sub(x.At) > SkipWithin {
			continue
		}
		whose := x.Partition(topics, partitions)
		for p := range int32(partitions) {
			if st := states[p]; (whose == p || whose == Everybody) && (st == nil || st.Position.Control <= x.Offset) {
				x.Partitions = append(x.Partitions, p)
			}
		}
		if len(x.Partitions) > 0 {
			out = append(out, x)
		}
	}
	return out
}
