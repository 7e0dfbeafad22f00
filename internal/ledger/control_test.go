package ledger

import "testing"

// A compacted topic keeps the last record of each key: only where the last word of all counts may a command take the place of another.
func TestCommandsTakeThePlaceOfOthersOnlyWhereTheLastCounts(t *testing.T) {
	repair := map[string]string{ArgRepair: RepairYes}
	for _, c := range []struct {
		cmd  string
		args map[string]string
		last bool // of two people's the last counts alone
	}{
		{CmdPause, nil, true}, {CmdResume, nil, true}, {CmdAssume, nil, true}, {CmdVerify, nil, true},
		{CmdVerify, repair, false}, {CmdResync, nil, false}, {CmdResolve, nil, false}, {CmdRecall, nil, false}, {CmdApprove, nil, false}, {CmdReject, nil, false},
		{CmdKill, nil, false}, {CmdRevive, nil, false}, {CmdCancel, nil, false}, {CmdExtend, nil, false}, {CmdCharge, nil, false}, {CmdForget, nil, false},
		{CmdSkip, nil, false}, {CmdReplay, nil, false},
	} {
		a, b := Command{ID: "1", Cmd: c.cmd, Target: "x", By: "li", Args: c.args}, Command{ID: "2", Cmd: c.cmd, Target: "x", By: "wang", Args: c.args}
		if same := a.Key() == b.Key(); same != c.last || !IsCommand(a.Key()) {
			t.Errorf("%s %v: the keys are %s and %s", c.cmd, c.args, a.Key(), b.Key())
		}
	}
	a, b := Command{ID: "1", Cmd: CmdApprove, Target: "x", By: "li"}, Command{ID: "2", Cmd: CmdApprove, Target: "x", By: "li"}
	if a.Key() != b.Key() {
		t.Errorf("one person's approvals have the keys %s and %s", a.Key(), b.Key())
	}
}

func TestWhoseOwnerObeysACommand(t *testing.T) {
	const n = 16
	topics, of := TopicsOf("n"), func(account string) int32 { return int32(HashPartition([]byte(account), n)) }
	for _, c := range []struct {
		c    Command
		want int32
	}{
		{Command{Cmd: CmdPause, Target: "all"}, Everybody}, {Command{Cmd: CmdKill, Target: "r"}, Everybody}, {Command{Cmd: CmdExtend, Target: "r"}, Everybody}, {Command{Cmd: CmdForget, Target: "u"}, Everybody},
		{Command{Cmd: CmdResolve, Target: "K3F7QA-7-91"}, 7}, {Command{Cmd: CmdRecall, Target: "K3F7QA-9-91"}, 9}, {Command{Cmd: CmdResolve, Target: "nonsense"}, Nobody},
		{Command{Cmd: CmdVerify, Target: "stub:k"}, of("stub:k")}, {Command{Cmd: CmdResync, Target: "stub:l"}, of("stub:l")}, {Command{Cmd: CmdAssume, Target: "stub:m"}, of("stub:m")},
		{Command{Cmd: CmdCharge, Target: "stub:k/broadcast", Args: map[string]string{ArgAccount: "stub:k"}}, of("stub:k")},
		{Command{Cmd: CmdApprove, Target: "x", Args: map[string]string{ArgAccount: "stub:l"}}, of("stub:l")}, {Command{Cmd: CmdCancel, Target: "x", Args: map[string]string{ArgAccount: "stub:m"}}, of("stub:m")},
		{Command{Cmd: CmdSkip, Target: "n.intents/3@17"}, 3}, {Command{Cmd: CmdSkip, Target: "orders/3@17"}, 0}, {Command{Cmd: CmdSkip, Target: "nonsense"}, Nobody}, {Command{Cmd: CmdReplay, Target: "dead"}, Nobody},
	} {
		if got := c.c.Partition(topics, n); got != c.want {
			t.Errorf("%s %s: partition %d, want %d", c.c.Cmd, c.c.Target, got, c.want)
		}
	}
}
