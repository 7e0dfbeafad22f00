package query

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var errFound = errors.New("found")

// Search gives the committed records of a topic between a time (zero: the beginning) and now to f, until f says that it has what it
// looks for. whole: the topic still has its first record. A topic that does not exist has none.
func (r *Reader) Search(ctx context.Context, topic string, since time.Time, f func(*kgo.Record) (found bool)) (whole bool, err error) {
	whole, err = r.complete(ctx, topic)
	if err != nil {
		return false, err
	}
	err = r.each(ctx, topic, since, func(rec *kgo.Record) error {
		if f(rec) {
			return errFound
		}
		return nil
	})
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return true, nil
	case errors.Is(err, errFound):
		return whole, nil
	}
	return whole, err
}
