package embedded

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
)

// transaction names one transaction of kfake: it raises a producer's epoch with each of them (KIP-890).
type transaction struct {
	producer int64
	epoch    int16
}

// ended is what one partition's log holds of the transactions in it.
type ended struct {
	dat     string // its last segment
	next    int64  // the offset after its last batch
	open    map[transaction]bool
	commits map[transaction][]byte // the marker that committed it
	twice   map[transaction]bool   // two markers: the epoch does not tell transactions apart
}

// mendCommits completes commits that a killed process left half done. kfake ends a transaction by writing a marker to one partition
// after the other; at the next start it aborts what has none. A transaction that is committed in one partition was decided, so the
// others get the same marker. It returns the markers, of those transactions that their epoch tells apart.
func mendCommits(dir string) (map[transaction][]byte, error) {
	dirs, err := glob(dir, "partitions/*")
	if err != nil {
		return nil, fmt.Errorf("mend the broker's data: %w", err)
	}
	logs := map[string]*ended{}
	committed := map[transaction][]byte{}
	twice := map[transaction]bool{}
	for _, d := range dirs {
		e, err := readTransactions(d)
		if err != nil {
			return nil, fmt.Errorf("mend the broker's data: %w", err)
		}
		logs[d] = e
		maps.Copy(committed, e.commits)
		maps.Copy(twice, e.twice)
	}
	for t := range twice {
		delete(committed, t)
	}
	for _, e := range logs {
		for t := range e.open {
			marker, ok := committed[t]
			if !ok {
				continue
			}
			if err := e.append(marker); err != nil {
				return nil, fmt.Errorf("mend the broker's data: %w", err)
			}
		}
	}
	return committed, nil
}

// readTransactions walks a partition's segments in order.
func readTransactions(dir string) (*ended, error) {
	e := &ended{open: map[transaction]bool{}, commits: map[transaction][]byte{}, twice: map[transaction]bool{}}
	dats, err := segmentFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, dat := range dats {
		data, err := os.ReadFile(dat)
		if err != nil {
			return nil, err
		}
		e.dat = dat
		for len(data) >= batchHeader {
			length := 12 + int64(binary.BigEndian.Uint32(data[8:]))
			if length < batchHeader || length > int64(len(data)) {
				break // torn: kfake cuts it off
			}
			e.see(data[:length])
			data = data[length:]
		}
	}
	return e, nil
}

// see takes in one batch.
func (e *ended) see(batch []byte) {
	e.next = int64(binary.BigEndian.Uint64(batch)) + int64(binary.BigEndian.Uint32(batch[23:])) + 1
	attributes := binary.BigEndian.Uint16(batch[21:])
	t := transaction{int64(binary.BigEndian.Uint64(batch[43:])), int16(binary.BigEndian.Uint16(batch[51:]))}
	switch {
	case attributes&control != 0:
		if e.commits[t] != nil {
			e.twice[t] = true
		}
		delete(e.open, t)
		if isCommit(batch[batchHeader:]) {
			e.commits[t] = batch
		}
	case attributes&transactional != 0:
		if e.commits[t] != nil {
			e.twice[t] = true
		}
		e.open[t] = true
	}
}

// isCommit reads the type out of a control batch's record: length, attributes, two deltas, the key's length, then the key, which is a
// version and a type of two bytes each (1 is commit).
func isCommit(record []byte) bool {
	_, n := binary.Varint(record)
	if n <= 0 || len(record) <= n {
		return false
	}
	record = record[n+1:]
	for range 3 {
		_, n := binary.Varint(record)
		if n <= 0 {
			return false
		}
		record = record[n:]
	}
	return len(record) >= 4 && binary.BigEndian.Uint16(record[2:]) == 1
}

// append writes a marker at the end of the partition. A batch's checksum does not cover its offset.
func (e *ended) append(marker []byte) error {
	b := slices.Clone(marker)
	binary.BigEndian.PutUint64(b, uint64(e.next))
	e.next++
	f, err := os.OpenFile(e.dat, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return mendIndex(e.dat, indexFile(e.dat))
}
