//go:build synctests

package sim

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that is not heard of any more keeps the others of its group for a third of a session, not until its rebalance time-out: they
// would try again before that ends, and the broker begin it anew, for ever.
func TestOneMemberDoesNotKeepTheOthersFromJoining(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		join := func(member string) (string, time.Duration) {
			cl, err := kgo.NewClient(append([]kgo.Opt{kgo.RetryTimeout(time.Hour)}, w.kafka...)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cl.Close)
			req := kmsg.NewPtrJoinGroupRequest()
			req.Group, req.ProtocolType, req.MemberID = "others", "consumer", member
			req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(session.Milliseconds()), int32((session + 5*time.Second).Milliseconds())
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name = "range"
			req.Protocols = append(req.Protocols, p)
			began := time.Now()
			res, err := req.RequestWith(context.Background(), cl)
			if err != nil {
				t.Fatal(err)
			}
			if err := kerr.ErrorForCode(res.ErrorCode); err != nil && err != kerr.MemberIDRequired {
				t.Fatal(err)
			}
			return res.MemberID, time.Since(began)
		}
		silent, _ := join("")
		join(silent) // is answered, and that is the last of it
		next, _ := join("")
		if _, took := join(next); took > session/3+time.Second {
			t.Errorf("the next member joined after %s, a third of the session is %s", took, session/3)
		}
	})
}
