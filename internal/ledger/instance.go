package ledger

import "time"

// Instance is what a running process says of itself on the control topic: which rules it goes by. It is written when that changes and
// removed when the process ends well; whether it still runs, the groups say.
type Instance struct {
	V        int       `json:"v"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	RuleSet  string    `json:"rule_set"`
	Since    time.Time `json:"since"`              // when that rule set went live there
	Failed   string    `json:"failed,omitempty"`   // why the files on its disk are not live
	FailedAt time.Time `json:"failed_at,omitzero"` // since when
	Parked   string    `json:"parked,omitempty"`   // rules that its watchdog has stopped
	Started  time.Time `json:"started"`
}

// InstanceKey is the key of an Instance.
func InstanceKey(name string) string { return instancePrefix + name }

const instancePrefix = "instance/"

// IsInstance reports whether a key of the control topic is an Instance's.
func IsInstance(key string) bool {
	return len(key) > len(instancePrefix) && key[:len(instancePrefix)] == instancePrefix
}

// Flow is how far stage 1 has read a partition of an event topic.
type Flow struct {
	Topic     string
	Partition int32
	At        int64     // the next offset that it reads
	Stable    int64     // up to which anybody can read: behind it a transaction is open
	End       int64     // of the log
	Oldest    time.Time // of the record at At; zero if there is none yet
	Fresh     bool      // stage 1 never began here: At is the first offset that there is
	Lost      bool      // At is not in the log: it begins later, or ends before
}
