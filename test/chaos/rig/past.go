package rig

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/test/chaos/audit"
)

// Past reads what a topic of the daemon's own broker holds on the disk while no process has it: the next start compacts what has become long,
// and an audit asks for all that ever was. A commit whose marker is in some partitions only is not in it; the start makes it whole, and what
// nothing has replaced is there afterwards.
func (d *Daemon) Past(topic string) ([]audit.Record, error) {
	r := newLog()
	dirs, err := filepath.Glob(filepath.Join(d.data, "partitions", topic+"-*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		p, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(dir), topic+"-"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the past of %s: %w", topic, err)
		}
		raw, err := batches(dir)
		if err != nil {
			return nil, fmt.Errorf("the past of %s: %w", topic, err)
		}
		fp, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, IsolationLevel: kgo.ReadUncommitted(), Topic: topic, Partition: int32(p)},
			&kmsg.FetchResponseTopicPartition{Partition: int32(p), RecordBatches: raw}, kgo.DefaultDecompressor(), nil)
		if fp.Err != nil {
			return nil, fmt.Errorf("the past of %s: partition %d: %w", topic, p, fp.Err)
		}
		for _, k := range fp.Records {
			r.take(k)
		}
	}
	return r.Topic[topic], nil
}

// batches are the whole batches of a partition: a process that is killed may leave the beginning of one behind them.
func batches(dir string) (raw []byte, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	base := func(file string) int64 {
		n, _ := strconv.ParseInt(strings.TrimSuffix(filepath.Base(file), ".dat"), 10, 64)
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(base(a), base(b)) })
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		whole := 0
		for len(b)-whole >= 12 {
			next := whole + 12 + int(binary.BigEndian.Uint32(b[whole+8:]))
			if next > len(b) {
				break
			}
			whole = next
		}
		raw = append(raw, b[:whole]...)
	}
	return raw, nil
}
