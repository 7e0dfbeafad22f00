package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// kfake's segment files: a .dat of record batches, and beside it an .idx with one entry for each of them.
const (
	indexEntry  = 15 // version, checksum, epoch (4), timestamp (8), flags
	batchHeader = 61
)

// mend completes what a killed process left half written in dir, and ends what a closed one left open.
// It says whether kfake has yet to abort something by what a closed one left (see mendSession).
func mend(dir string) (open bool, err error) {
	if err := finishCompaction(dir); err != nil {
		return false, err
	}
	if open, err = mendSession(dir); err != nil {
		return false, err
	}
	if err := mendIndexes(dir); err != nil {
		return false, err
	}
	committed, err := mendCommits(dir)
	if err != nil {
		return false, err
	}
	return open, mendOffsets(dir, committed)
}

// mendIndexes completes the index of every segment in dir. kfake writes a batch first and its index entry after it: a process killed
// between the two leaves a batch without one. kfake would take that batch for committed although its transaction was open, and
// pair every later batch with its neighbour's entry.
func mendIndexes(dir string) error {
	segments, err := glob(dir, "partitions/*/*.dat")
	if err != nil {
		return fmt.Errorf("mend the broker's data: %w", err)
	}
	for _, dat := range segments {
		if err := mendIndex(dat, indexFile(dat)); err != nil {
			return fmt.Errorf("mend the broker's data: %w", err)
		}
	}
	return nil
}

// mendIndex appends the entries that the last batches of dat lack. What is not a whole batch is left to kfake, which cuts it off.
func mendIndex(dat, idx string) error {
	data, err := os.ReadFile(dat)
	if err != nil {
		return err
	}
	index, err := os.ReadFile(idx)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	have, size := len(index)/indexEntry, len(index)
	index = index[:have*indexEntry] // a torn entry goes
	for n := 0; len(data) >= batchHeader; n++ {
		length := 12 + int64(binary.BigEndian.Uint32(data[8:]))
		if length < batchHeader || length > int64(len(data)) {
			break
		}
		if n >= have {
			index = appendIndexEntry(index, data[:batchHeader])
		}
		data = data[length:]
	}
	if len(index) == size {
		return nil
	}
	return os.WriteFile(idx, index, 0o644)
}

// appendIndexEntry makes the entry of a batch: the epoch of the one before it, and whether it belongs to a transaction. kfake
// computes the timestamp anew.
func appendIndexEntry(index, batch []byte) []byte {
	var e [indexEntry]byte
	e[0] = 1
	if len(index) > 0 {
		copy(e[:6], index[len(index)-indexEntry:])
	}
	if attributes := binary.BigEndian.Uint16(batch[21:]); attributes&transactional != 0 && attributes&control == 0 {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], crc32.MakeTable(crc32.Castagnoli)))
	return append(index, e[:]...)
}
