package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake keeps the offsets that a transaction commits for a group in memory until the transaction ends, and writes them to groups.log
// after the markers. A process killed between the two has committed the records and not the offsets: they would be read again, and
// everything made of them would be there twice. So the offsets are written to a file of ours before kfake is told of the end, and a
// start that finds the marker of that transaction writes those that are missing.
//
// kfake handles one request after the other, so only the last transaction can be torn: the file holds no other.
const stagedFile = "txn-offsets"

// frameHeader precedes an entry of kfake's logs: the length of what follows the checksum (4, little endian), the checksum of that (4),
// a version (2).
const frameHeader = 10

// groupCommit is an entry of kfake's groups.log: a group's offset.
type groupCommit struct {
	Type       string  `json:"type"` // commit | delete, and others that are no concern here
	Group      string  `json:"g"`
	Topic      string  `json:"t,omitempty"`
	Partition  int32   `json:"p,omitempty"`
	Offset     int64   `json:"o,omitempty"`
	Epoch      int32   `json:"e,omitempty"`
	Metadata   *string `json:"m,omitempty"`
	LastCommit *int64  `json:"lc,omitempty"` // unix milliseconds
}

// staged are the offsets of one transaction that has not ended.
type staged struct {
	Producer int64         `json:"producer"`
	Epoch    int16         `json:"epoch"`
	Offsets  []groupCommit `json:"offsets"`
}

// stager remembers what transactions want to commit. It runs in kfake's only goroutine, before the request that it sees is handled.
type stager struct {
	file      *os.File
	topicName func([16]byte) string // requests of version 6 name topics by id
	open      map[int64]*staged     // by producer
}

func newStager(dir string, topicName func([16]byte) string) (*stager, error) {
	f, err := os.OpenFile(filepath.Join(dir, stagedFile), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return &stager{file: f, topicName: topicName, open: map[int64]*staged{}}, nil
}

// offsets takes in a TxnOffsetCommit.
func (s *stager) offsets(r *kmsg.TxnOffsetCommitRequest) {
	tx := s.open[r.ProducerID]
	if tx == nil || tx.Epoch != r.ProducerEpoch {
		tx = &staged{Producer: r.ProducerID, Epoch: r.ProducerEpoch}
		s.open[r.ProducerID] = tx
	}
	now := time.Now().UnixMilli()
	for _, t := range r.Topics {
		name := t.Topic
		if name == "" {
			if name = s.topicName(t.TopicID); name == "" {
				continue // kfake refuses it
			}
		}
		for _, p := range t.Partitions {
			tx.Offsets = append(tx.Offsets, groupCommit{Type: "commit", Group: r.Group, Topic: name, Partition: p.Partition, Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata, LastCommit: &now})
		}
	}
}

// end writes what the transaction that ends wants to commit.
func (s *stager) end(r *kmsg.EndTxnRequest) error {
	tx := s.open[r.ProducerID]
	delete(s.open, r.ProducerID)
	if tx == nil || tx.Epoch != r.ProducerEpoch || !r.Commit {
		return nil
	}
	b, err := frame(tx)
	if err != nil {
		return err
	}
	_, err = s.file.WriteAt(b, 0) // a longer one before it leaves bytes behind the frame, which nobody reads
	return err
}

// mendOffsets writes the group offsets of the last transaction if it is committed and they are missing. It also cuts a torn entry off
// the end of groups.log: kfake passes over it and appends behind it, where the start after that finds nothing.
func mendOffsets(dir string, committed map[transaction][]byte) error {
	path := filepath.Join(dir, "groups.log")
	log, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mend the broker's data: %w", err)
	}
	have, whole := groupOffsets(log)
	if whole < len(log) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return fmt.Errorf("mend the broker's data: %w", err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, stagedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mend the broker's data: %w", err)
	}
	data, _, ok := unframe(raw)
	var tx staged
	if !ok || json.Unmarshal(data, &tx) != nil {
		return nil // killed while it was written: the transaction was not ended
	}
	if committed[transaction{tx.Producer, tx.Epoch}] == nil {
		return nil
	}
	var missing []byte
	for _, c := range tx.Offsets {
		if at, ok := have[c.key()]; ok && at >= c.Offset {
			continue
		}
		b, err := frame(c)
		if err != nil {
			return fmt.Errorf("mend the broker's data: %w", err)
		}
		missing = append(missing, b...)
	}
	if missing == nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("mend the broker's data: %w", err)
	}
	if _, err := f.Write(missing); err != nil {
		return errors.Join(fmt.Errorf("mend the broker's data: %w", err), f.Close())
	}
	return f.Close()
}

func (c *groupCommit) key() string { return fmt.Sprintf("%s/%s/%d", c.Group, c.Topic, c.Partition) }

// groupOffsets reads the offsets of all groups from groups.log, and how many of its bytes are whole entries.
func groupOffsets(log []byte) (have map[string]int64, whole int) {
	have = map[string]int64{}
	for {
		data, n, ok := unframe(log[whole:])
		if !ok {
			return have, whole
		}
		whole += n
		var c groupCommit
		if json.Unmarshal(data, &c) != nil {
			continue
		}
		switch c.Type {
		case "commit":
			have[c.key()] = c.Offset
		case "delete":
			delete(have, c.key())
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frame(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	b := make([]byte, frameHeader, frameHeader+len(data))
	binary.LittleEndian.PutUint32(b, uint32(2+len(data)))
	binary.LittleEndian.PutUint16(b[8:], 1)
	b = append(b, data...)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return b, nil
}

// unframe gives the first entry of b, and its length with the frame.
func unframe(b []byte) (data []byte, n int, ok bool) {
	if len(b) < frameHeader {
		return nil, 0, false
	}
	length := int64(binary.LittleEndian.Uint32(b))
	if length < 2 || 8+length > int64(len(b)) {
		return nil, 0, false
	}
	n = int(8 + length)
	if crc32.Checksum(b[8:n], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, false
	}
	return b[frameHeader:n], n, true
}
