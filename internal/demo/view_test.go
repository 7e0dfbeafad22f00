package demo

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/sandbox"
)

func someFrame() frame {
	return frame{head: "seed 42   for 15s", inside: "elsewhere: -c x", zone: time.UTC, now: noon, perSec: 39.6,
		snapshot: snapshot{events: 600, results: map[string]int{"no_match": 414, "ignored": 124, "dead": 2}, fates: map[string]int{"SENT": 46, "COALESCED": 7, "SUPPRESSED": 2}},
		quota:    []laneView{{"main/broadcast", Quota{Hour: Window{2, 2}, Day: Window{2, 3}, Next: noon.Add(59*time.Minute + 30*time.Second)}, 6}},
		notes:    []note{{noon, "u-004", "您的包裹已发出", "顺丰 SF1 正在路上"}, {noon.Add(time.Second), "city_北京", "北京闪购开始", "坏\x1b[2J了"}},
		warnings: []string{"a warning"}}
}

func TestFrame(t *testing.T) {
	f := someFrame()
	want := `notifier demo · 演示   seed 42   for 15s
elsewhere: -c x

事件 events   600   40/s   no match 414   ignored 124   dead 2
结果 fates    SENT 46   COALESCED 7   SUPPRESSED 2   DEAD 0   UNKNOWN 0
名额 slots    main/broadcast   hour 2/2   day 2/3   next 04:59:30 (in 59m30s)   waiting 6

手机上 on the phones
  | 04:00:01  city_北京
  | 北京闪购开始
  | 坏 [2J了

  | 04:00:00  u-004
  | 您的包裹已发出
  | 顺丰 SF1 正在路上

a warning`
	if diff := cmp.Diff(want, strings.Join(f.lines(false, 100), "\n")); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
	line := f.line()
	for _, part := range []string{"04:00:00", "events 600 (40/s)", "SENT 46", "slots hour 2/2, next 04:59:30 (in 59m30s), waiting 6", "→ city_北京: 北京闪购开始"} {
		if !strings.Contains(line, part) {
			t.Errorf("the line of the log has no %q: %s", part, line)
		}
	}
}

// No line may wrap: the next frame would be drawn at the wrong place. Han characters take two cells.
func TestFrameFitsTheTerminal(t *testing.T) {
	f := someFrame()
	for width := 20; width < 120; width++ {
		for _, l := range f.lines(false, width) {
			if got := (&runewidth.Condition{}).StringWidth(l); got >= width {
				t.Errorf("width %d: %d cells: %s", width, got, l)
			}
		}
	}
}

func TestScreenDrawsOverItself(t *testing.T) {
	for name, c := range map[string]struct {
		color  bool
		height int
	}{"colour": {true, 50}, "NO_COLOR": {false, 50}, "a low terminal": {false, 6}} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			s := &Screen{Out: &out, Color: c.color, Size: func() (int, int) { return 80, c.height }}
			if err := s.draw(someFrame()); err != nil {
				t.Fatal(err)
			}
			first := out.String()
			rows := strings.Count(first, "\n")
			if rows >= c.height {
				t.Errorf("%d rows on a terminal of %d", rows, c.height)
			}
			if got := strings.Contains(first, "\x1b[1m"); got != c.color {
				t.Errorf("colours: %v, want %v", got, c.color)
			}
			out.Reset()
			if err := s.draw(someFrame()); err != nil {
				t.Fatal(err)
			}
			if up := "\x1b[" + itoa(rows) + "A"; !strings.HasPrefix(out.String(), up) {
				t.Errorf("the second frame begins with %q, want %q", out.String()[:8], up)
			}
		})
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestScreenKeepsTheLastWarnings(t *testing.T) {
	var out strings.Builder
	s := &Screen{Out: &out, Size: func() (int, int) { return 80, 40 }}
	for _, w := range []string{"warning 1\n", "warning 2\n", "warning 3\n"} {
		if n, err := s.Write([]byte(w)); n != len(w) || err != nil {
			t.Fatal(n, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("a warning was written between frames: %q", out.String())
	}
	if err := s.draw(someFrame()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, "warning 1") || !strings.Contains(got, "warning 2") || !strings.Contains(got, "warning 3") {
		t.Errorf("frame: %s", got)
	}
}

func TestMeter(t *testing.T) {
	m := meter{at: []time.Time{noon}, n: []int{0}}
	for i := 1; i <= 10; i++ {
		m.perSecond(noon.Add(time.Duration(i)*time.Second), 40*i)
	}
	if got := m.perSecond(noon.Add(11*time.Second), 440); got != 40 {
		t.Errorf("a steady stream of 40/s: %v", got)
	}
	m.perSecond(noon.Add(13*time.Second), 440)
	if got := m.perSecond(noon.Add(15*time.Second), 440); got != 0 {
		t.Errorf("3 s after the last event: %v", got)
	}
}

func TestNotificationOfACall(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		want       note
		none       bool
	}{
		"a push to one":      {"/push/user.json", `{"userIds":["u-1"],"notification":{"title":"标题","pushContent":"正文"}}`, note{to: "u-1", title: "标题", body: "正文"}, false},
		"a push to several":  {"/push/user.json", `{"userIds":["u-1","u-2","u-3"],"notification":{"pushContent":"正文"}}`, note{to: "u-1 +2", body: "正文"}, false},
		"a city":             {"/push.json", `{"platform":["ios"],"audience":{"tag":["city_北京"],"is_to_all":false},"notification":{"title":"t","alert":"a"}}`, note{to: "city_北京", title: "t", body: "a"}, false},
		"everyone":           {"/push.json", `{"audience":{"is_to_all":true},"notification":{"title":"t","alert":"a"}}`, note{to: "全部用户 everyone", title: "t", body: "a"}, false},
		"a message, as form": {"/message/system/publish.json", `{"toUserId":["u-9"],"pushContent":"p","pushExt":"{\"title\":\"t\"}"}`, note{to: "u-9", title: "t", body: "p"}, false},
		"tags show nothing":  {"/user/tag/set.json", `{"userId":"u-1","tags":["a"]}`, note{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := notification(&sandbox.Entry{Path: c.path, Body: json.RawMessage(c.body), AtMS: noon.UnixMilli()})
			if ok == c.none {
				t.Fatalf("shows something: %v", ok)
			}
			if c.want.at = noon; !c.none && (!got.at.Equal(noon) || got.to != c.want.to || got.title != c.want.title || got.body != c.want.body) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
