package doctor

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// settings loads the file: everything else needs it.
func (d *doctor) settings() {
	s, list := settings.Load(d.Path, d.Env, nil)
	next := "notifier config check -c " + quoted(d.Path)
	for _, x := range list {
		state := Warning
		if x.Severity == diag.Error {
			state = Error
		}
		d.bad("settings", state, place(x), x.Message, x.Hint, next)
		d.worse(exitSettings)
	}
	if d.s = s; s != nil {
		d.well("settings", d.Path, text("accounts: %d", "账号 %d 个", len(s.Accounts)))
	}
}

// place is where a diagnostic is: file:line:column, and its code.
func place(x diag.Diagnostic) string {
	at := x.File
	if x.Line > 0 {
		at += ":" + strconv.Itoa(x.Line) + ":" + strconv.Itoa(x.Column)
	}
	return at + " " + x.Code
}

// rules loads the rule files as the daemon does.
func (d *doctor) rules() {
	set, list := rules.Load([]string{d.s.Rules}, app.RuleOptions(d.s))
	next := "notifier check " + quoted(d.s.Rules)
	if set == nil {
		first := list[0]
		for _, x := range list {
			if x.Severity == diag.Error {
				first = x
				break
			}
		}
		d.bad("rules", Error, place(first), first.Message, text("errors: %d; the daemon does not start with them, a running one keeps its last good set",
			"错误 %d 个；有错误时程序不会启动，运行中的程序继续用上一份好的规则", list.Errors()), next)
		return
	}
	d.topics = set.Topics()
	if n := list.Warnings(); n > 0 {
		d.bad("rules", Warning, d.s.Rules, text("rules: %d, warnings: %d", "规则 %d 条，警告 %d 个", len(set.Rules), n), diag.Text{}, next)
		return
	}
	d.well("rules", d.s.Rules, text("rules: %d, revision %s", "规则 %d 条，版本 %s", len(set.Rules), set.Hash))
}

// zoneAge is how old zone data may be: states change their clocks with less notice than that.
const zoneAge = 2

// zones checks the zone data that days and quiet hours are counted by. The program brings its own, but the system's comes first.
func (d *doctor) zones() {
	dir := d.Options.Zone
	if dir == "" {
		dir = "/usr/share/zoneinfo"
	}
	const next = "apt-get install --only-upgrade tzdata"
	used := map[string]*time.Location{d.s.Zone.String(): d.s.Zone}
	for _, ac := range d.s.Accounts {
		for _, z := range ac.Quota.DayZones {
			used[z.String()] = z
		}
	}
	for name, east := range map[string]int{"Asia/Shanghai": 8 * 3600, "UTC": 0} {
		if z := used[name]; z != nil {
			for _, month := range []time.Month{time.January, time.July} {
				if _, got := time.Date(2026, month, 1, 0, 0, 0, 0, z).Zone(); got != east {
					d.bad("zones", Error, name, text("the zone data says %d s east of UTC, it must be %d", "时区数据给出 UTC 偏移 %d 秒，应为 %d", got, east), diag.Text{}, next)
					return
				}
			}
		}
	}
	v := zoneVersion(dir)
	year, err := strconv.Atoi(v[:min(4, len(v))])
	switch {
	case v == "":
		d.well("zones", "", text("zones: %d, from the program's own data", "时区 %d 个，用程序自带的数据", len(used)))
	case err == nil && d.Now().Year()-year > zoneAge:
		d.bad("zones", Warning, dir, text("the system's zone data is of %s", "系统时区数据的版本是 %s", v), diag.Text{}, next)
	default:
		d.well("zones", dir, text("zones: %d, data of %s", "时区 %d 个，数据版本 %s", len(used), v))
	}
}

// zoneVersion reads the release of the system's zone data, like 2026b; "" when it does not say.
func zoneVersion(dir string) string {
	if b, err := os.ReadFile(filepath.Join(dir, "+VERSION")); err == nil {
		return strings.TrimSpace(string(b))
	}
	f, err := os.Open(filepath.Join(dir, "tzdata.zi"))
	if err != nil {
		return ""
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	if !sc.Scan() {
		return ""
	}
	v, _ := strings.CutPrefix(sc.Text(), "# version ")
	return strings.TrimSpace(v)
}

// Of a disk: what is too little, and what soon will be.
const (
	diskError   = 256 << 20 // an embedded broker writes segments of up to 32 MiB a partition
	diskWarning = 2 << 30
)

// disk looks at the folder of the embedded broker: nothing else of the daemon is on this machine's disk.
func (d *doctor) disk() {
	dir := d.s.Kafka.Embedded
	if dir == "" {
		return
	}
	at := dir
	for { // it may not be there yet
		if _, err := os.Stat(at); err == nil || filepath.Dir(at) == at {
			break
		}
		at = filepath.Dir(at)
	}
	free, err := freeBytes(at)
	d.room(dir, at, free, err)
}

// room judges what a folder of the embedded broker may still be given; at is the folder above it that is there.
func (d *doctor) room(dir, at string, free uint64, err error) {
	state := Warning
	switch {
	case err != nil:
		d.bad("disk", Unknown, dir, text("cannot be asked: %v", "无法查询：%v", err), diag.Text{}, "df -h "+quoted(at))
		return
	case free >= diskWarning:
		d.well("disk", dir, text("%d MiB free", "剩余 %d MiB", free>>20))
		return
	case free < diskError:
		state = Error
	}
	d.bad("disk", state, dir, text("only %d MiB free", "只剩 %d MiB", free>>20), text("make room, or move kafka.embedded", "请清理空间，或换一个 kafka.embedded 目录"), "df -h "+quoted(at))
}
