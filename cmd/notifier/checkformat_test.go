package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
)

var update = flag.Bool("update", false, "write the golden files")

const checkSale = `version: 1
rules:
  - name: city-sale
    title: 同城闪购
    event: order.paid
    mode: live
    class: marketing
    when: 金额 > 500
    broadcast: {audience: {all_of: [vip]}, title: "闪购, 开始: 100%", body: "b"}
    limits: {expire: 4h}
`

// Errors of two files, and a set that loads with warnings and a note.
var checkCases = map[string]struct {
	files map[string]string
	code  int
	args  checkOptions
}{
	"errors":   {map[string]string{"rules/events.yaml": checkCatalogue, "rules/sale.yaml": strings.Replace(checkSale, "金额 > 500", "金额 ＞ 500", 1), "rules/vip.yaml": checkRules}, exitFindings, checkOptions{}},
	"warnings": {map[string]string{"rules/events.yaml": checkCatalogue, "rules/sale.yaml": checkSale}, 0, checkOptions{}},
	"strict":   {map[string]string{"rules/events.yaml": checkCatalogue, "rules/sale.yaml": checkSale}, exitFindings, checkOptions{strict: true}},
	"settings": {map[string]string{"rules/events.yaml": checkCatalogue, "rules/notifier.yaml": "version: 1\nkafka: {}\n", "rules/sale.yaml": checkSale}, exitFindings, checkOptions{paths: []string{"rules/notifier.yaml"}, given: []string{"rules/notifier.yaml"}}},
	"missing":  {map[string]string{"readme.txt": ""}, exitUsage, checkOptions{}},
	"no-rules": {map[string]string{"rules/events.yaml": checkCatalogue}, exitFindings, checkOptions{}},
}

// Every format in every language, with the exit code, is testdata/check/CASE.FORMAT.LANG.txt.
func TestCheckFormats(t *testing.T) {
	golden, err := filepath.Abs("testdata/check")
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for name, c := range checkCases {
		inDir(t, c.files)
		for _, format := range []string{"text", "json", "github"} {
			for _, lang := range []string{"en", "zh", "both"} {
				if format == "json" && lang != "both" {
					continue // it always has both
				}
				o := c.args
				o.format, o.lang = format, lang
				out, _, code := runCheck(o)
				got := out + fmt.Sprintf("exit %d\n", code)
				file := filepath.Join(golden, name+"."+format+"."+lang+".txt")
				if code != c.code {
					t.Errorf("%s, %s, %s: exit %d, want %d", name, format, lang, code, c.code)
				}
				if format == "json" {
					checkReport(t, name, out)
				}
				written++
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
					continue
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			}
		}
	}
	if have, err := filepath.Glob(filepath.Join(golden, "*.txt")); err != nil || len(have) != written {
		t.Errorf("%d goldens for %d cases, %v", len(have), written, err)
	}
}

// checkReport holds the machine shape to what it promises: one line of notifier.check/v1 whose counts are those of its list.
func checkReport(t *testing.T, name, out string) {
	t.Helper()
	var r diag.Report
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil || dec.More() || strings.Count(out, "\n") != 1 {
		t.Errorf("%s: %v: %s", name, err, out)
	}
	if r.Schema != "notifier.check/v1" || r.Errors != r.Diagnostics.Errors() || r.Warnings != r.Diagnostics.Warnings() || r.Diagnostics == nil {
		t.Errorf("%s: %+v", name, r)
	}
	for _, d := range r.Diagnostics {
		if d.Code == "" || d.Message.EN == "" || d.Message.ZH == "" || (d.Line > 0 && (d.Column < 1 || d.EndColumn < d.Column)) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// watched is check --watch with polls made by the test, which runs in a bubble of synctest.
type watched struct {
	t         *testing.T
	out, talk bytes.Buffer
	tick      chan time.Time
	stop      context.CancelFunc
	done      chan error
}

func watchIn(t *testing.T, files map[string]string) *watched {
	t.Helper()
	inDir(t, files)
	ctx, stop := context.WithCancel(t.Context())
	w := &watched{t: t, tick: make(chan time.Time), stop: stop, done: make(chan error, 1)}
	go func() {
		w.done <- watchCheck(ctx, checkOptions{paths: []string{"rules/"}, format: "text", lang: "en"}, nil, &w.out, &w.talk, w.tick)
	}()
	return w
}

// poll lets the watcher look n times, and waits until it has looked: what is written next is of the next round.
func (w *watched) poll(n int) {
	w.t.Helper()
	for range n {
		select {
		case w.tick <- time.Time{}:
		case err := <-w.done:
			w.t.Fatalf("the watcher ended: %v\n%s%s", err, &w.out, &w.talk)
		}
	}
	synctest.Wait()
}

func (w *watched) end() error {
	w.stop()
	return <-w.done
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckWatchChecksAgainAfterEachChange(t *testing.T) { synctest.Test(t, checksAgain) }

func checksAgain(t *testing.T) {
	good := strings.Replace(checkRules, "amuont", "amount", 1)
	w := watchIn(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules})
	w.poll(3) // nothing changes
	write(t, "rules/vip.yaml", good)
	w.poll(3) // seen, stands still, checked
	write(t, "rules/vip.yaml", checkRules)
	w.poll(1)
	write(t, "rules/vip.yaml", good) // back again before it stood still: no news
	w.poll(3)
	if err := os.Remove("rules/vip.yaml"); err != nil {
		t.Fatal(err)
	}
	w.poll(4)
	write(t, "rules/vip.yaml", checkRules)
	w.poll(4)
	err := w.end()
	if exitCode(err, true) != exitFindings {
		t.Errorf("the last check had findings, the end says %v", err)
	}
	var sums []string
	for line := range strings.SplitSeq(w.out.String(), "\n") {
		if strings.Contains(line, " file") && !strings.HasPrefix(line, "next") {
			sums = append(sums, line)
		}
	}
	want := []string{"1 error, 0 warnings in 2 files (1 rule)", "0 errors, 1 warning in 2 files (1 rule)", "1 error, 0 warnings in 1 file (0 rules)", "1 error, 0 warnings in 2 files (1 rule)"}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, &w.talk)
	}
	if n := strings.Count(w.talk.String(), "checked again"); n != 3 {
		t.Errorf("%d checks after a change:\n%s", n, &w.talk)
	}
}

func TestCheckWatchInChinese(t *testing.T) { synctest.Test(t, watchesInChinese) }

func watchesInChinese(t *testing.T) {
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules})
	ctx, stop := context.WithCancel(t.Context())
	var out, talk bytes.Buffer
	tick, done := make(chan time.Time), make(chan error, 1)
	go func() {
		done <- watchCheck(ctx, checkOptions{paths: []string{"rules/"}, format: "text", lang: "zh"}, nil, &out, &talk, tick)
	}()
	tick <- time.Time{}
	write(t, "rules/vip.yaml", checkRules+"# changed\n")
	for range 3 {
		tick <- time.Time{}
	}
	synctest.Wait()
	stop()
	<-done
	for _, want := range []string{"正在等文件变化，Ctrl-C 结束\n", "有变化，", " 重新检查\n"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("%q is missing\n%s", want, &talk)
		}
	}
}

func TestCheckWatchEndsWhenThereIsNothingToWatch(t *testing.T) {
	inDir(t, map[string]string{"rules/readme.txt": ""})
	err := watchCheck(t.Context(), checkOptions{paths: []string{"rules/"}, format: "text"}, nil, new(bytes.Buffer), new(bytes.Buffer), nil)
	if exitCode(err, true) != exitUsage {
		t.Errorf("got %v", err)
	}
}
