package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// joinBytes bounds a batch that joins others: far below message.max.bytes, and no more than a reader takes of a partition at once.
const joinBytes = 256 << 10

// partitionLog is a partition's log as kfake keeps it.
type partitionLog struct {
	start   int64 // the first offset that a reader may ask for
	batches []logBatch
}

func (l *partitionLog) bytes() (n int) {
	for _, b := range l.batches {
		n += len(b.raw)
	}
	return n
}

// logBatch is a batch on disk, with what its index entry says.
type logBatch struct {
	raw   []byte
	epoch int32 // the leader's
	open  bool  // it was in a transaction when it was written
}

// Attributes of a batch.
const (
	compression   = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
)

func (b logBatch) first() int64       { return int64(binary.BigEndian.Uint64(b.raw)) }
func (b logBatch) last() int64        { return b.first() + int64(binary.BigEndian.Uint32(b.raw[23:])) }
func (b logBatch) leader() uint32     { return binary.BigEndian.Uint32(b.raw[12:]) }
func (b logBatch) attributes() uint16 { return binary.BigEndian.Uint16(b.raw[21:]) }
func (b logBatch) began() int64       { return int64(binary.BigEndian.Uint64(b.raw[27:])) }
func (b logBatch) newest() int64      { return int64(binary.BigEndian.Uint64(b.raw[35:])) }
func (b logBatch) records() int       { return int(int32(binary.BigEndian.Uint32(b.raw[57:]))) }
func (b logBatch) transaction() transaction {
	return transaction{int64(binary.BigEndian.Uint64(b.raw[43:])), int16(binary.BigEndian.Uint16(b.raw[51:]))}
}

// segmentFiles lists a partition's segments, in order.
func segmentFiles(dir string) ([]string, error) {
	dats, err := glob(dir, "*.dat")
	slices.SortFunc(dats, func(a, b string) int { return int(baseOffset(a) - baseOffset(b)) })
	return dats, err
}

// glob is filepath.Glob within a directory whose name may hold anything.
func glob(dir, pattern string) ([]string, error) {
	found, err := fs.Glob(os.DirFS(dir), pattern)
	for i, f := range found {
		found[i] = filepath.Join(dir, f)
	}
	return found, err
}

func baseOffset(segment string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(filepath.Base(segment), ".dat"), 10, 64)
	return n
}

func indexFile(segment string) string { return strings.TrimSuffix(segment, ".dat") + ".idx" }

// indexed is how many bytes a partition has, and how many batches by its indexes: all of them, and those of transactions.
func indexed(dir string) (size int64, all, transactional int, err error) {
	dats, err := segmentFiles(dir)
	for _, dat := range dats {
		index, indexErr := os.ReadFile(indexFile(dat))
		data, dataErr := os.Stat(dat)
		if err := errors.Join(indexErr, dataErr); err != nil {
			return 0, 0, 0, err
		}
		for ; len(index) >= indexEntry; index = index[indexEntry:] {
			if all++; isOpen(index) {
				transactional++
			}
		}
		size += data.Size()
	}
	return size, all, transactional, err
}

// isOpen reports whether an index entry is of a batch of a transaction.
func isOpen(entry []byte) bool { return entry[14]&1 != 0 }

// readLog reads a partition. It is an error if anything is not as kfake leaves it and mend completes it.
func readLog(dir string) (*partitionLog, error) {
	dats, err := segmentFiles(dir)
	if err != nil {
		return nil, err
	}
	l := &partitionLog{}
	sizes := map[int64]int64{}
	for _, dat := range dats {
		data, err := os.ReadFile(dat)
		if err != nil {
			return nil, err
		}
		index, err := os.ReadFile(indexFile(dat))
		if err != nil {
			return nil, err
		}
		sizes[baseOffset(dat)] = int64(len(data))
		for len(data) > 0 {
			b, err := nextBatch(data, index)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(dat), err)
			}
			if n := len(l.batches); n > 0 && b.first() <= l.batches[n-1].last() {
				return nil, fmt.Errorf("%s: offset %d comes twice", filepath.Base(dat), b.first())
			}
			l.batches = append(l.batches, b)
			data, index = data[len(b.raw):], index[indexEntry:]
		}
	}
	if len(l.batches) > 0 {
		l.start = l.batches[0].first()
	}
	return l, l.readStart(dir, sizes)
}

var errTorn = errors.New("a batch is not whole")

func nextBatch(data, index []byte) (b logBatch, err error) {
	if len(data) < batchHeader || len(index) < indexEntry {
		return b, errTorn
	}
	length := 12 + int64(binary.BigEndian.Uint32(data[8:]))
	if length < batchHeader || length > int64(len(data)) || data[16] != 2 {
		return b, errTorn
	}
	b.raw = data[:length:length]
	entry := index[:indexEntry]
	if crc32.Checksum(b.raw[21:], castagnoli) != binary.BigEndian.Uint32(b.raw[17:]) || byte(crc32.Checksum(entry[2:], castagnoli)) != entry[1] {
		return b, errors.New("a checksum is wrong")
	}
	b.epoch, b.open = int32(binary.LittleEndian.Uint32(entry[2:])), isOpen(entry)
	return b, nil
}

// readStart takes the start of the log from the snapshot that kfake wrote when it was closed, if kfake would: if it knows the same segments.
// Else a log starts with its first batch.
func (l *partitionLog) readStart(dir string, sizes map[int64]int64) error {
	raw, err := os.ReadFile(filepath.Join(dir, "snapshot.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var snapshot struct {
		Start    int64 `json:"log_start_offset"`
		Segments []struct {
			Base int64 `json:"base_offset"`
			Size int64 `json:"size"`
		} `json:"segments"`
	}
	if json.Unmarshal(raw, &snapshot) != nil || len(snapshot.Segments) != len(sizes) {
		return nil
	}
	for _, s := range snapshot.Segments {
		if size, ok := sizes[s.Base]; !ok || size != s.Size {
			return nil
		}
	}
	l.start = snapshot.Start
	return nil
}

// compact makes the log that says the same in few batches: of what mayGo only the last committed record of each key, and no tombstones of until
// keptSince; nil: nothing goes that was committed. The last batch stays as it is, so the log ends where it did.
// dropped are the transactions without a marker whose data goes.
func (l *partitionLog) compact(mayGo func(logRecord) bool, keptSince int64) (fresh *partitionLog, dropped []transaction, err error) {
	committed, dead, err := l.decide()
	if err != nil {
		return nil, nil, err
	}
	tail := len(l.batches) - 1
	if tail < 0 || l.batches[tail].first() < l.start {
		return nil, nil, errors.New("the log starts within its last batch")
	}
	last := map[string]int64{}
	for i, b := range l.batches {
		if mayGo == nil || !committed[i] {
			continue
		}
		err := b.each(func(r logRecord) {
			if r.key != nil && r.offset >= l.start {
				last[string(r.key)] = r.offset
			}
		})
		if err != nil {
			return nil, nil, fmt.Errorf("the batch at %d: %w", b.first(), err)
		}
	}
	j := joiner{log: &partitionLog{start: l.start}}
	for i, b := range l.batches[:tail] {
		switch {
		case !committed[i] || b.last() < l.start:
			continue
		case mayGo == nil && b.attributes()&transactional == 0 && b.first() < l.start:
			return nil, nil, errors.New("the log starts within a batch that stays")
		case mayGo == nil && b.attributes()&transactional == 0:
			j.keep(b)
			continue
		}
		err := b.each(func(r logRecord) {
			replaced := mayGo != nil && r.key != nil && (last[string(r.key)] != r.offset || r.tombstone && r.time <= keptSince) && mayGo(r)
			if r.offset >= l.start && !replaced {
				j.add(r, b)
			}
		})
		if err != nil {
			return nil, nil, fmt.Errorf("the batch at %d: %w", b.first(), err)
		}
	}
	j.flush()
	if len(j.log.batches) == 0 && l.batches[tail].first() > l.start {
		// Nothing lives, and the log must go on to start where it did.
		j.empty(l.start, l.batches[tail].first()-1, l.batches[tail])
	}
	j.log.batches = append(j.log.batches, l.batches[tail:]...)
	for _, i := range dead {
		if i < tail {
			dropped = append(dropped, l.batches[i].transaction())
		}
	}
	return j.log, dropped, nil
}

// decide says which batches hold committed records, and which belong to transactions without a marker.
func (l *partitionLog) decide() (committed []bool, dead []int, err error) {
	committed = make([]bool, len(l.batches))
	open := map[int64][]int{} // batches of the transaction that a producer has begun
	ended := map[transaction]bool{}
	for i, b := range l.batches {
		t := b.transaction()
		switch {
		case b.attributes()&control != 0:
			commit := isCommit(b.raw[batchHeader:])
			for _, n := range open[t.producer] {
				// An abort that the broker decides has an epoch of its own; a commit with another one is of a transaction after one that
				// was open when a process was killed, and kfake takes the two for one.
				if committed[n] = commit; commit && l.batches[n].transaction() != t {
					return nil, nil, fmt.Errorf("the commit at %d is not of the records before it", b.first())
				}
			}
			// mendCommits must see that the epoch does not tell them apart.
			if commit && ended[t] {
				return nil, nil, fmt.Errorf("the commit at %d is the second one of its producer and epoch", b.first())
			}
			ended[t] = ended[t] || commit
			delete(open, t.producer)
		case b.open != (b.attributes()&transactional != 0):
			return nil, nil, fmt.Errorf("the index says something else of the batch at %d than the batch", b.first())
		case b.open:
			open[t.producer] = append(open[t.producer], i)
		default:
			committed[i] = true
		}
	}
	for _, is := range open {
		dead = append(dead, is...)
	}
	return committed, dead, nil
}

// logRecord is a record as its reader sees it.
type logRecord struct {
	offset, time int64
	key          []byte
	tombstone    bool
	rest         []byte // as on disk, from the length of the key on
}

var decompressor = kgo.DefaultDecompressor()

// each reads the records of a batch.
func (b logBatch) each(f func(logRecord)) error {
	data := b.raw[batchHeader:]
	if codec := b.attributes() & compression; codec != 0 {
		var err error
		if data, err = decompressor.Decompress(data, kgo.CompressionCodecType(codec)); err != nil {
			return err
		}
	}
	for range b.records() {
		length, n := binary.Varint(data)
		if n <= 0 || length < 1 || length > int64(len(data)-n) {
			return errTorn
		}
		rec := data[n+1 : n+int(length)] // without its attributes, which mean nothing
		data = data[n+int(length):]
		sinceFirst, n := binary.Varint(rec)
		if n <= 0 {
			return errTorn
		}
		rec = rec[n:]
		delta, n := binary.Varint(rec)
		if n <= 0 {
			return errTorn
		}
		rec = rec[n:]
		r := logRecord{offset: b.first() + delta, time: b.began() + sinceFirst, rest: rec}
		if b.attributes()&logAppendTime != 0 {
			r.time = b.newest()
		}
		var err error
		if r.key, rec, err = nextBytes(rec); err != nil {
			return err
		}
		value, _, err := nextBytes(rec)
		if err != nil {
			return err
		}
		r.tombstone = value == nil
		f(r)
	}
	if len(data) > 0 {
		return errTorn
	}
	return nil
}

// nextBytes reads a length and as many bytes; a length of -1 is nil.
func nextBytes(b []byte) (value, rest []byte, err error) {
	length, n := binary.Varint(b)
	switch {
	case n <= 0 || length > int64(len(b)-n):
		return nil, nil, errTorn
	case length < 0:
		return nil, b[n:], nil
	}
	end := n + int(length)
	return b[n:end:end], b[end:], nil
}

// joiner puts records into batches that no transaction and no producer has to do with. Each record keeps its offset and its time.
type joiner struct {
	log     *partitionLog
	from    logBatch // the first batch that it joins
	first   int64
	last    int64
	began   int64 // the time of its first record
	newest  int64
	n       int
	records []byte
	body    []byte // of one record
}

func (j *joiner) add(r logRecord, from logBatch) {
	if j.n > 0 && (len(j.records)+len(r.rest) > joinBytes || r.offset-j.first > math.MaxInt32 || from.epoch != j.from.epoch || from.leader() != j.from.leader()) {
		j.flush()
	}
	if j.n == 0 {
		j.from, j.first, j.began, j.newest = from, r.offset, r.time, r.time
		if len(j.log.batches) == 0 { // the log starts where it did
			if j.first = j.log.start; r.offset-j.first > math.MaxInt32 {
				j.empty(j.first, j.first, from)
				j.first = r.offset
			}
		}
	}
	j.body = binary.AppendVarint(append(j.body[:0], 0), r.time-j.began)
	j.body = append(binary.AppendVarint(j.body, r.offset-j.first), r.rest...)
	j.records = append(binary.AppendVarint(j.records, int64(len(j.body))), j.body...)
	j.last, j.newest, j.n = r.offset, max(j.newest, r.time), j.n+1
}

func (j *joiner) flush() {
	if j.n == 0 {
		return
	}
	j.put(j.first, j.last, j.began, j.newest, j.n, j.records, j.from)
	j.n, j.records = 0, j.records[:0]
}

// keep puts a batch as it is.
func (j *joiner) keep(b logBatch) {
	j.flush()
	if len(j.log.batches) == 0 && b.first() > j.log.start {
		j.empty(j.log.start, b.first()-1, b)
	}
	j.log.batches = append(j.log.batches, b)
}

// empty puts a batch without records, as Kafka's compaction does where all are gone.
func (j *joiner) empty(first, last int64, from logBatch) {
	j.put(first, min(last, first+math.MaxInt32), -1, -1, 0, nil, from)
}

func (j *joiner) put(first, last, began, newest int64, n int, records []byte, from logBatch) {
	b := make([]byte, batchHeader, batchHeader+len(records))
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[8:], uint32(batchHeader-12+len(records)))
	binary.BigEndian.PutUint32(b[12:], from.leader())
	b[16] = 2
	binary.BigEndian.PutUint32(b[23:], uint32(last-first))
	binary.BigEndian.PutUint64(b[27:], uint64(began))
	binary.BigEndian.PutUint64(b[35:], uint64(newest))
	for i := 43; i < 57; i++ { // no producer, no epoch, no sequence
		b[i] = 0xff
	}
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	j.log.batches = append(j.log.batches, logBatch{raw: b, epoch: from.epoch})
}

// indexOf makes a batch's index entry. kfake computes the timestamp anew.
func indexOf(epoch int32, open bool) []byte {
	e := make([]byte, indexEntry)
	e[0] = 1
	binary.LittleEndian.PutUint32(e[2:], uint32(epoch))
	if open {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}
