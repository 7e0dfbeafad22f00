package ledger

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Command is a record of <prefix>.control: something that changes state. The owner executes it, once, and answers there
// (design.md 3, Commands and point 13).
type Command struct {
	V      int               `json:"v"`
	ID     string            `json:"id"`
	Cmd    string            `json:"cmd"`
	Target string            `json:"target"` // scope, rule, attempt or intent id, or an account's identity
	Args   map[string]string `json:"args,omitempty"`
	Expect string            `json:"expect,omitempty"` // the state the command was typed for
	By     string            `json:"by"`
	Why    string            `json:"why"`
	At     time.Time         `json:"at"`
}

// The commands.
const (
	CmdPause   = "pause"
	CmdResume  = "resume"
	CmdResolve = "attempts-resolve"
	CmdRecall  = "recall"
	CmdVerify  = "tags-verify"
	CmdResync  = "tags-resync"
	CmdApprove = "approve"
	CmdReject  = "reject"
	CmdKill    = "kill"
	CmdRevive  = "revive"
	CmdCancel  = "pending-cancel"
	CmdExtend  = "pending-extend"
	CmdCharge  = "quota-charge"
	CmdForget  = "user-forget"
	CmdSkip    = "skip"
	CmdAssume  = "quota-assume"
	CmdReplay  = "dead-replay" // a note: whoever typed it has done it, in the same transaction
)

// A resume that sends what older revisions of the rules made as it is has the argument send: old.
const (
	ArgSend = "send"
	SendOld = "old"
)

// Key is the record's key: command + target where the last one rightly takes the place of those before it, because it says how things stand
// from now on: compaction keeps it, and who comes later obeys it alone. For approvals + person, because two people approve one request. For
// all others + id: they add up, or the first is final, or their order counts, and also those that nobody has obeyed yet.
func (c Command) Key() string {
	switch c.Cmd {
	case CmdPause, CmdResume, CmdAssume:
		return commandPrefix + c.Cmd + "/" + c.Target
	case CmdVerify:
		if c.Args[ArgRepair] != RepairYes { // it changes nothing, and scripts ask it daily
			return commandPrefix + c.Cmd + "/" + c.Target
		}
	case CmdApprove:
		return commandPrefix + c.Cmd + "/" + c.Target + "/" + c.By
	}
	return commandPrefix + c.Cmd + "/" + c.Target + "/" + c.ID
}

// Everybody is the Partition of a command that every owner obeys, Nobody of one that is done when it is written.
const (
	Everybody int32 = -1
	Nobody    int32 = -2
)

// Partition is whose owner obeys a command, where an account's partition is one of so many. The skip of an event's record is obeyed by whoever reads
// that topic: it is answered under partition 0.
func (c Command) Partition(t Topics, partitions int) int32 {
	account := c.Args[ArgAccount]
	switch c.Cmd {
	case CmdReplay:
		return Nobody
	case CmdResolve, CmdRecall:
		p, err := AttemptPartition(c.Target)
		if err != nil {
			return Nobody
		}
		return p
	case CmdSkip:
		at, err := ParsePlace(c.Target)
		if err != nil {
			return Nobody
		}
		if at.Topic == t.Intents {
			return at.Partition
		}
		return 0
	case CmdVerify, CmdResync, CmdAssume:
		account = c.Target
	case CmdCancel, CmdApprove, CmdReject, CmdCharge:
	default:
		return Everybody
	}
	return int32(HashPartition([]byte(account), partitions))
}

// AttemptPartition reads the partition out of an attempt's id, INCARNATION-PARTITION-NUMBER.
func AttemptPartition(id string) (int32, error) {
	parts := strings.Split(id, "-")
	if len(parts) == 3 {
		if p, err := strconv.ParseInt(parts[1], 10, 32); err == nil && p >= 0 {
			return int32(p), nil
		}
	}
	return 0, fmt.Errorf("%q is no attempt's id; next: notifier attempts --unknown", id)
}

// SkipWithin is how long the skip of an event's record stands: whoever typed it looks after that.
const SkipWithin = 24 * time.Hour

// A check of tags that writes again what differs has the argument repair: true.
const (
	ArgRepair = "repair"
	RepairYes = "true"
)

// OfRecall begins the detail of a fate that tells what a human said of a recall without outcome: sent or not-sent follows.
const OfRecall = "the recall: "

// Arguments of a charge: when others used slots, and how many.
const (
	ArgAt    = "at"
	ArgCount = "count"
)

// MaxCharge bounds one charge: more than any window of a scarce lane allows.
const MaxCharge = 10_000

const commandPrefix = "cmd/"

// IsCommand reports whether a key of the control topic is a command's.
func IsCommand(key string) bool {
	return len(key) > len(commandPrefix) && key[:len(commandPrefix)] == commandPrefix
}

// Answer is what one partition's owner says of a command.
type Answer struct {
	V         int       `json:"v"`
	ID        string    `json:"id"` // of the command
	Partition int32     `json:"partition"`
	Instance  string    `json:"instance"`
	OK        bool      `json:"ok"`
	Refused   bool      `json:"refused,omitempty"` // the state was not the one expected, or a gate let nothing come of it
	Text      string    `json:"text"`
	Flying    int       `json:"flying,omitempty"`  // pause, kill: calls that had left already
	Intents   int       `json:"intents,omitempty"` // kill: how many it gives up; pending-extend: how many expire later
	At        time.Time `json:"at"`

	Attempt string       `json:"attempt,omitempty"` // the call that the command made
	Outcome AttemptState `json:"outcome,omitempty"` // what is known of that call
	Drift   *Drift       `json:"drift,omitempty"`   // what a check of tags found
}

// AnswerKey is the key of an answer.
func AnswerKey(id string, partition int32) string { return fmt.Sprintf("answer/%s/%d", id, partition) }

// AnswerRecord is an answer as a record of the control topic.
func AnswerRecord(t Topics, a Answer) *kgo.Record {
	b, err := json.Marshal(a)
	if err != nil { // our own record types always marshal
		panic("encode answer: " + err.Error())
	}
	return &kgo.Record{Topic: t.Control, Key: []byte(AnswerKey(a.ID, a.Partition)), Value: b}
}
