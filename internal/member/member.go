// Package member is what a membership of a consumer group needs that the client does not do.
package member

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// CloseWithin bounds the end of a membership: a client that is closed waits for its JoinGroup, and the group answers that only
// when everybody has joined or the rebalance times out.
const CloseWithin = 2 * time.Second

// settle is for what the client does between being told where to read and reading: on a usual network it asks the brokers about the epochs of
// these offsets within it.
const settle = 5 * time.Millisecond

// FetchTogether makes the client begin with all partitions that it was given at once. It is for the end of kgo.AdjustFetchOffsetsFn. The client takes
// its partitions in one by one and begins to fetch with the first; those that come too late for that fetch wait until it has ended, for as long as
// kgo.FetchMaxWait where nothing new is to be read.
//
// stopped are those that must not be read, nor are by then; nil: none.
func FetchTogether(cl *kgo.Client, given map[string]map[int32]kgo.Offset, stopped func(topic string, p int32) bool) {
	ps := map[string][]int32{}
	for topic, offsets := range given {
		ps[topic] = slices.Collect(maps.Keys(offsets))
	}
	if len(ps) == 0 {
		return
	}
	cl.PauseFetchPartitions(ps)
	time.AfterFunc(settle, func() {
		for topic := range ps {
			ps[topic] = slices.DeleteFunc(ps[topic], func(p int32) bool { return stopped != nil && stopped(topic, p) })
		}
		cl.ResumeFetchPartitions(ps)
	})
}

// Leave tells the group that a static member goes for good, so that others take its partitions at once. It takes a second at most.
func Leave(cl *kgo.Client, group, instance string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := kadm.NewClient(cl).LeaveGroup(ctx, kadm.LeaveGroup(group).Reason("shutdown").InstanceIDs(instance)); err != nil {
		return fmt.Errorf("leave group %s: %w", group, err)
	}
	return nil
}
