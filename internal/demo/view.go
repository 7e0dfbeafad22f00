package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/ledger"
)

// Screen is a terminal that is drawn on again and again, with plain ANSI: cursor up, clear line, and colours if wanted.
type Screen struct {
	Out   io.Writer
	Size  func() (width, height int) // of the terminal now, in cells
	Color bool

	mu       sync.Mutex // guards what follows, and writing
	lines    int        // drawn last
	warnings []string   // of the daemon, newest last
}

// Write takes a line of the daemon's log, to be shown with the next frame.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, strings.TrimSpace(string(p)))
	s.warnings = s.warnings[max(0, len(s.warnings)-2):]
	return len(p), nil
}

// draw puts a frame over the last one. What does not fit is cut: a wrapped line would spoil the next frame.
func (s *Screen) draw(f frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	width, height := s.Size()
	f.warnings = s.warnings
	lines := f.lines(s.Color, max(20, width))
	lines = lines[:min(len(lines), max(1, height-1))]
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		b.WriteString("\r\x1b[2K" + l + "\n")
	}
	b.WriteString("\x1b[J")
	s.lines = len(lines)
	_, err := io.WriteString(s.Out, b.String())
	return err
}

// frame is what the view shows at one moment.
type frame struct {
	head     string // which one it is, how it ends
	inside   string // where to look
	zone     *time.Location
	now      time.Time
	perSec   float64
	snapshot snapshot
	quota    []laneView
	notes    []note
	warnings []string
}

// laneView is a scarce lane.
type laneView struct {
	lane    string
	quota   Quota
	waiting int
}

const (
	bold, dim, green, yellow, plain = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
	shownNotes                      = 4
)

// lines draws the frame for a width in cells.
func (f *frame) lines(color bool, width int) (out []string) {
	cells := runewidth.Condition{EastAsianWidth: false}
	put := func(style, format string, args ...any) {
		text := cells.Truncate(printable(fmt.Sprintf(format, args...)), width-1, "…")
		if color && style != "" {
			text = style + text + plain
		}
		out = append(out, text)
	}
	s := &f.snapshot
	put(bold, "notifier demo · 演示   %s", f.head)
	put(dim, "%s", f.inside)
	put("", "")
	put("", "事件 events   %d   %.0f/s   no match %d   ignored %d   dead %d", s.events, f.perSec, s.results["no_match"], s.results["ignored"], s.results["dead"])
	put(green, "结果 fates    %s", fates(s.fates))
	for _, l := range f.quota {
		put(yellow, "名额 slots    %s   %s   day %d/%d   next %s   waiting %d", l.lane, l.quota.short(), l.quota.Day.Used, l.quota.Day.Limit, f.next(l.quota.Next), l.waiting)
	}
	put("", "")
	put(bold, "手机上 on the phones")
	for i := 0; i < shownNotes; i++ {
		if j := len(f.notes) - 1 - i; j >= 0 {
			n := f.notes[j]
			put(dim, "  | %s  %s", n.at.In(f.zone).Format(time.TimeOnly), n.to)
			put(bold, "  | %s", n.title)
			put("", "  | %s", n.body)
			put("", "")
		}
	}
	for _, w := range f.warnings {
		put(yellow, "%s", w)
	}
	return out
}

// next says when a slot opens.
func (f *frame) next(at time.Time) string {
	if !at.After(f.now) {
		return "now"
	}
	return fmt.Sprintf("%s (in %s)", at.In(f.zone).Format(time.TimeOnly), at.Sub(f.now).Truncate(time.Second))
}

func fates(by map[string]int) string {
	var parts []string
	for _, k := range ledger.FateKinds {
		parts = append(parts, fmt.Sprintf("%s %d", k, by[string(k)]))
	}
	return strings.Join(parts, "   ")
}

// printable keeps a text from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// line is the frame as one line of a log.
func (f *frame) line() string {
	parts := []string{f.now.In(f.zone).Format(time.TimeOnly), fmt.Sprintf("events %d (%.0f/s)", f.snapshot.events, f.perSec), fates(f.snapshot.fates)}
	for _, l := range f.quota {
		parts = append(parts, fmt.Sprintf("slots %s, next %s, waiting %d", l.quota.short(), f.next(l.quota.Next), l.waiting))
	}
	if n := len(f.notes); n > 0 {
		parts = append(parts, fmt.Sprintf("→ %s: %s", f.notes[n-1].to, printable(f.notes[n-1].title)))
	}
	return strings.Join(parts, "   ")
}

// show draws until ctx ends.
func (d *demo) show(ctx context.Context) error {
	every := time.Second
	if d.screen != nil {
		every = 200 * time.Millisecond
	} else {
		fmt.Fprintf(d.opt.Progress, "notifier demo · 演示   %s\n%s\n", d.head(), d.inside())
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	rate := meter{at: []time.Time{d.began}, n: []int{0}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f, err := d.frame()
		if err != nil {
			return err
		}
		f.perSec = rate.perSecond(f.now, f.snapshot.events)
		if d.screen != nil {
			err = d.screen.draw(f)
		} else {
			_, err = fmt.Fprintln(d.opt.Progress, f.line())
		}
		if err != nil {
			return fmt.Errorf("show the demo: %w", err)
		}
	}
}

func (d *demo) head() string {
	until := "Ctrl-C 结束 ends"
	if d.opt.For > 0 {
		until = "for " + d.opt.For.String()
	}
	return fmt.Sprintf("seed %d   clock %s   %s", d.opt.Seed, d.zone, until)
}

// inside is the command that looks at the running demo from another terminal.
func (d *demo) inside() string { return "另一个终端 elsewhere: notifier fates -c " + d.path }

func (d *demo) frame() (frame, error) {
	d.arrivals.look()
	_, notes := d.arrivals.seen()
	s, err := gather(d.reg)
	f := frame{head: d.head(), inside: d.inside(), zone: d.zone, now: time.Now(), snapshot: s, notes: notes}
	for _, l := range d.lanes(f.now) {
		f.quota = append(f.quota, laneView{l.Lane, quotaOf(l), l.Waiting})
	}
	return f, err
}

// meter turns a count into a rate over the last seconds.
type meter struct {
	at []time.Time
	n  []int
}

const meterSpan = 3 * time.Second

func (m *meter) perSecond(now time.Time, n int) float64 {
	m.at, m.n = append(m.at, now), append(m.n, n)
	for len(m.at) > 2 && now.Sub(m.at[1]) >= meterSpan {
		m.at, m.n = m.at[1:], m.n[1:]
	}
	span := now.Sub(m.at[0]).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(n-m.n[0]) / span
}
