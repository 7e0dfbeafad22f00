package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// compactAbove is how many batches a partition may hold before a start rewrites it. To load and to read a thousand of each
// of four partitions costs a start some 90 ms of processor; to rewrite them costs a few, and 10 to 50 ms for the disk to sync.
const compactAbove = 300

// compactUpTo bounds the bytes of a partition that is rewritten, for its records are in memory then. It is a day or more of a busy demo; a longer
// log only makes a start slow.
const compactUpTo = 128 << 20

// KeepYoung is how old a replaced record of Options.Lately becomes before a start takes it away.
const KeepYoung = 3 * time.Minute

// While partitions are rewritten, their new logs are in compactionDir/new, and the old ones in compactionDir/old once all new ones are whole.
const compactionDir = "compaction"

// compaction rewrites partitions, between mend and kfake: of a compacted topic the last record of each key stays, of any other all that was
// committed in transactions, and both in few batches. What was written without a transaction stays as it is in the latter: its producer may
// go on, and is known by it. No transaction goes on after a start, so what has no marker
// then is as good as aborted (kfake aborts it, see fence), and everything else in a log is decided.
type compaction struct {
	dir    string
	above  int
	upTo   int64
	lately func(key []byte) bool
	now    time.Time
	log    *zap.Logger
	step   func() // nil, or called after each change on the disk, where a process may be killed
}

// rewritten is a partition whose new log is written beside the old one.
type rewritten struct {
	topic     string
	partition int
	name      string // of its directory
	start     int64  // of its log, by which the new files are named
	dropped   []transaction

	batchesBefore, batches, bytesBefore, bytes int
}

// run compacts what has become too long. What cannot be compacted stays as it is: that is no reason not to start.
func (c *compaction) run() error {
	began := time.Now()
	topics, err := readTopics(c.dir)
	if err != nil {
		c.log.Warn("the embedded broker's topics are not compacted", zap.Error(err))
		return nil
	}
	var all []rewritten
	for _, t := range topics {
		for p := range t.Partitions {
			r, err := c.rewrite(t, p)
			if err != nil {
				c.log.Warn("a partition of the embedded broker is not compacted", zap.String("topic", t.Name), zap.Int("partition", p), zap.Error(err))
			} else if r != nil {
				all = append(all, *r)
			}
		}
	}
	if len(all) == 0 {
		return finishCompaction(c.dir)
	}
	if err := c.swap(all); err != nil {
		c.log.Warn("the embedded broker's topics are not compacted", zap.Error(err))
		return finishCompaction(c.dir)
	}
	for _, r := range all {
		c.log.Info("compacted a partition of the embedded broker", zap.String("topic", r.topic), zap.Int("partition", r.partition),
			zap.Int("batches_before", r.batchesBefore), zap.Int("batches", r.batches),
			zap.Int("bytes_before", r.bytesBefore), zap.Int("bytes", r.bytes), zap.Duration("took", time.Since(began)))
	}
	return finishCompaction(c.dir)
}

func (c *compaction) stepped() {
	if c.step != nil {
		c.step()
	}
}

func (c *compaction) place(name string) string { return filepath.Join(c.dir, "partitions", name) }
func (c *compaction) fresh(name string) string {
	return filepath.Join(c.dir, compactionDir, "new", name)
}
func (c *compaction) old(name string) string {
	return filepath.Join(c.dir, compactionDir, "old", name)
}

// rewrite writes the new log of a partition, if it is much shorter than the old one.
func (c *compaction) rewrite(t topicFile, partition int) (*rewritten, error) {
	r := &rewritten{topic: t.Name, partition: partition, name: fmt.Sprintf("%s-%d", url.PathEscape(t.Name), partition)}
	size, all, transactional, err := indexed(c.place(r.name))
	if err != nil || t.compacted() && all <= c.above || !t.compacted() && transactional <= c.above {
		return nil, err
	}
	if size > c.upTo {
		return nil, fmt.Errorf("it has %d MiB, and no more than %d are compacted: starts will take longer and longer", size>>20, c.upTo>>20)
	}
	old, err := readLog(c.place(r.name))
	if err != nil {
		return nil, err
	}
	now := c.now.UnixMilli()
	mayGo := func(r logRecord) bool {
		lag := t.lag()
		if c.lately != nil && c.lately(r.key) {
			lag = max(lag, KeepYoung.Milliseconds())
		}
		return r.time <= now-lag
	}
	if !t.compacted() {
		mayGo = nil
	}
	fresh, dropped, err := old.compact(mayGo, now-t.keepTombstones())
	if err != nil {
		return nil, err
	}
	if 2*len(fresh.batches) > len(old.batches) {
		return nil, nil
	}
	r.start, r.dropped = fresh.start, dropped
	r.batchesBefore, r.batches, r.bytesBefore, r.bytes = len(old.batches), len(fresh.batches), old.bytes(), fresh.bytes()
	if err := os.MkdirAll(c.fresh(r.name), 0o755); err != nil {
		return nil, err
	}
	c.stepped()
	var data, index []byte
	for _, b := range fresh.batches {
		data, index = append(data, b.raw...), append(index, indexOf(b.epoch, b.open)...)
	}
	path := filepath.Join(c.fresh(r.name), strconv.FormatInt(r.start, 10))
	if err := os.WriteFile(path+".dat", data, 0o644); err != nil {
		return nil, err
	}
	c.stepped()
	return r, os.WriteFile(path+".idx", index, 0o644)
}

// swap puts the new logs in the places of the old ones: a process killed at any time leaves one of the two, whole, or nothing in its place
// and the new one beside it. What is new is synced before the old goes, which has been safe for a long time.
func (c *compaction) swap(all []rewritten) error {
	var files []string
	var dropped []transaction
	for _, r := range all {
		path := filepath.Join(c.fresh(r.name), strconv.FormatInt(r.start, 10))
		files = append(files, path+".dat", path+".idx", c.fresh(r.name))
		dropped = append(dropped, r.dropped...)
	}
	if err := syncAll(files); err != nil {
		return err
	}
	if err := c.fence(dropped); err != nil {
		return err
	}
	if err := os.MkdirAll(c.old(""), 0o755); err != nil {
		return err
	}
	for _, r := range all {
		c.stepped()
		if err := os.Rename(c.place(r.name), c.old(r.name)); err != nil {
			return err
		}
		c.stepped()
		if err := os.Rename(c.fresh(r.name), c.place(r.name)); err != nil {
			return err
		}
	}
	c.stepped()
	return syncAll([]string{c.place("")})
}

// syncAll syncs files and directories at once: together they take hardly longer than one.
func syncAll(paths []string) error {
	errs := make([]error, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() {
			f, err := os.Open(path)
			if err == nil {
				err = errors.Join(f.Sync(), f.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// finishCompaction ends what a killed process began: a new log is whole if the old one is no longer in its place, else it goes.
func finishCompaction(dir string) error {
	c := compaction{dir: dir}
	fresh, err := os.ReadDir(c.fresh(""))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, f := range fresh {
		_, gone := os.Lstat(c.place(f.Name()))
		if errors.Is(gone, fs.ErrNotExist) {
			gone = os.Rename(c.fresh(f.Name()), c.place(f.Name()))
		}
		err = errors.Join(err, gone)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, compactionDir))
	}
	if err != nil {
		return fmt.Errorf("finish the compaction of the broker's data: %w", err)
	}
	return nil
}

// fence does for the transactions whose data goes what kfake does when it finds such data: their producers may not go on, or the rest
// of a transaction could be committed without its beginning. kfake raises the epoch in memory only; here it is in pids.log.
func (c *compaction) fence(dropped []transaction) error {
	if len(dropped) == 0 {
		return nil
	}
	path := filepath.Join(c.dir, "pids.log")
	log, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	epochs, whole := producerEpochs(log)
	var entries []byte
	for _, t := range dropped {
		if at, ok := epochs[t.producer]; !ok || at > t.epoch {
			continue
		}
		if t.epoch == math.MaxInt16 {
			return fmt.Errorf("producer %d has no epoch left", t.producer)
		}
		b, err := frame(producerEntry{Type: "timeout", Producer: t.producer, Epoch: t.epoch + 1})
		if err != nil {
			return err
		}
		entries = append(entries, b...)
		epochs[t.producer] = t.epoch + 1
	}
	if entries == nil {
		return nil
	}
	// kfake passes over a torn entry, and over all behind it.
	if err := os.Truncate(path, int64(whole)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(entries)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// producerEntry is an entry of kfake's pids.log.
type producerEntry struct {
	Type     string `json:"type"` // init, endtx, timeout
	Producer int64  `json:"pid"`
	Epoch    int16  `json:"epoch"`
}

// producerEpochs reads the epochs of all producers from pids.log, and how many of its bytes are whole entries.
func producerEpochs(log []byte) (epochs map[int64]int16, whole int) {
	epochs = map[int64]int16{}
	for {
		data, n, ok := unframe(log[whole:])
		if !ok {
			return epochs, whole
		}
		whole += n
		var e producerEntry
		if json.Unmarshal(data, &e) != nil {
			continue
		}
		if _, known := epochs[e.Producer]; known || e.Type == "init" {
			epochs[e.Producer] = e.Epoch
		}
	}
}

// topicFile is what kfake keeps of a topic.
type topicFile struct {
	Name       string            `json:"name"`
	Partitions int               `json:"partitions"`
	Configs    map[string]string `json:"configs"`
}

func readTopics(dir string) ([]topicFile, error) {
	b, err := os.ReadFile(filepath.Join(dir, "topics.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		Topics []topicFile `json:"topics"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("topics.json: %w", err)
	}
	return file.Topics, nil
}

func (t topicFile) compacted() bool { return strings.Contains(t.Configs["cleanup.policy"], "compact") }

// keepTombstones is delete.retention.ms, a day by default.
func (t topicFile) keepTombstones() int64 { return t.config("delete.retention.ms", 24*60*60*1000) }

// lag is min.compaction.lag.ms: of what is younger nothing goes.
func (t topicFile) lag() int64 { return t.config("min.compaction.lag.ms", 0) }

func (t topicFile) config(name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(t.Configs[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}
