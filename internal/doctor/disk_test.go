package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The folder of the embedded broker: little room is a warning, too little an error, and what cannot be asked is neither.
func TestTheRoomForTheEmbeddedBrokerIsJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free uint64
		err  error
		want string
	}{
		{free: diskWarning, want: "ok: 2048 MiB free"},
		{free: diskWarning - 1, want: "warning: only 2047 MiB free"},
		{free: diskError, want: "warning: only 256 MiB free"},
		{free: diskError - 1, want: "error: only 255 MiB free"},
		{err: errors.New("no such system"), want: "unknown: cannot be asked: no such system"},
	} {
		d := &doctor{}
		d.room("/data/kafka", "/data", c.free, c.err)
		if len(d.findings) != 1 {
			t.Fatalf("%+v", d.findings)
		}
		f := d.findings[0]
		if got := string(f.State) + ": " + f.What.EN; got != c.want || f.Check != "disk" || f.On != "/data/kafka" || (f.State == OK) != (f.Next == "") || f.Next != "" && f.Next != "df -h /data" {
			t.Errorf("got %s (%+v), want %s", got, f, c.want)
		}
	}
}

// A broker that has little room is a warning, one that cannot use a disk is an error, each with the command that shows more; brokers that keep it
// to themselves are no finding that counts.
func TestTheDisksOfTheBrokersAreJudged(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	dir := func(name string, code int16, usable, total int64) kmsg.DescribeLogDirsResponseDir {
		d := kmsg.NewDescribeLogDirsResponseDir()
		d.Dir, d.ErrorCode, d.UsableBytes, d.TotalBytes = name, code, usable, total
		return d
	}
	for _, c := range []struct {
		name string
		dirs []kmsg.DescribeLogDirsResponseDir
		code int16
		want []string
		exit int
	}{
		{name: "room", dirs: []kmsg.DescribeLogDirsResponseDir{dir("/a", 0, 100*mib, 1000*mib)}},
		{name: "little", dirs: []kmsg.DescribeLogDirsResponseDir{dir("/a", 0, 500*mib, 1000*mib), dir("/b", 0, 99*mib, 1000*mib)}, want: []string{"warning disk broker 0 /b: 99 of 1000 MiB free: a full disk stops the broker"}},
		{name: "broken", dirs: []kmsg.DescribeLogDirsResponseDir{dir("/a", kerr.KafkaStorageError.Code, 0, 0)}, want: []string{"error disk broker 0 /a: the broker cannot use it: KAFKA_STORAGE_ERROR"}, exit: exitFindings},
		{name: "an older Kafka does not tell", dirs: []kmsg.DescribeLogDirsResponseDir{dir("/a", 0, -1, -1)}},
		{name: "no right", code: kerr.ClusterAuthorizationFailed.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, exactly())
			r.kc.ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
				r.kc.KeepControl()
				resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
				resp.ErrorCode, resp.Dirs = c.code, c.dirs
				return resp, nil, true
			})
			rep := r.run()
			var got []string
			for _, line := range only(rep) {
				what, next, _ := strings.Cut(line, " | ")
				what, _, _ = strings.Cut(what, ";")
				if !strings.HasPrefix(next, "kafka-log-dirs.sh --bootstrap-server "+r.addrs[0]) {
					t.Errorf("the command is %q", next)
				}
				for i, want := range c.want { // Kafka's own words may go on
					if strings.HasPrefix(what, want) {
						what = c.want[i]
					}
				}
				got = append(got, what)
			}
			if d := cmp.Diff(c.want, got); d != "" || rep.Exit() != c.exit {
				t.Errorf("exit %d, want %d (-want +got):\n%s", rep.Exit(), c.exit, d)
			}
		})
	}
}

// Days and quiet hours are counted by zone data that is right, or not at all.
func TestZonesThatAreNotWhereTheyAreAreAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	_, s := Run(t.Context(), Options{Path: r.dir + "/notifier.yaml", Now: r.now, Zone: t.TempDir()})
	if s == nil {
		t.Fatal("no settings")
	}
	s.Zone, s.Accounts = time.FixedZone("Asia/Shanghai", 9*3600), nil
	d := &doctor{Options: Options{Now: r.now, Zone: t.TempDir()}, s: s}
	d.zones()
	if len(d.findings) != 1 || d.findings[0].State != Error || d.findings[0].On != "Asia/Shanghai" || d.findings[0].Next == "" {
		t.Errorf("%+v", d.findings)
	}
}
