package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// File is one file of rules/, by a name that does not depend on where the folder lies.
type File struct {
	Name string // as shown in diagnostics
	Data []byte // of a file that is too large only the beginning, a byte more than may be
}

// maxSample bounds a sample event, like a record.
const maxSample = 1 << 20

// Load reads files and folders (with what lies in them, but not hidden files) and makes a Set of them. A file given
// alone brings the events.yaml beside it. The Set is nil when there is any error in the list; what cannot be read is
// an error of the list as well.
func Load(paths []string, opt Options) (*Set, diag.List) {
	files, list := Read(paths)
	opt.Partly = list.Errors() > 0
	set, found := LoadFiles(files, opt)
	if opt.Partly {
		set = nil
	}
	return set, append(found, list...).Sorted()
}

// Read collects the rule files, the catalogue and the samples under the given paths, sorted by name.
func Read(paths []string) ([]File, diag.List) {
	var list diag.List
	seen := map[string]bool{}
	var files []File
	unreadable := func(p string, err error) {
		why := diag.Unread(err)
		list = append(list, diag.Diagnostic{Code: "N117", Severity: diag.Error, File: p, Message: diag.Text{EN: "cannot read: " + why.EN, ZH: "读不到：" + why.ZH},
			Hint: diag.Text{EN: "check the path and who may read it", ZH: "请检查路径和读取权限"}})
	}
	add := func(p string, met bool) { // met in a folder, not named
		p = filepath.ToSlash(filepath.Clean(p))
		if seen[p] {
			return
		}
		seen[p] = true
		most := diag.MaxBytes
		if path.Ext(p) == ".json" {
			most = maxSample
		}
		b, err := diag.ReadFile(p, most)
		if _, large := errors.AsType[*diag.TooLarge](err); large {
			err = nil // a mistake in the file like any other, named where it is parsed; of a sample, where an event has it for one
		}
		if err != nil {
			unreadable(p, err)
			return
		}
		if met && passedOver(p, b) {
			seen[p] = false // it may be named as well
			return
		}
		files = append(files, File{p, b})
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			unreadable(p, err)
			continue
		}
		if !info.IsDir() {
			add(p, false)
			dir := filepath.Dir(p)
			for _, beside := range []string{"events.yaml", "events.yml"} {
				if _, err := os.Stat(filepath.Join(dir, beside)); err == nil {
					add(filepath.Join(dir, beside), false)
				}
			}
			samples, err := filepath.Glob(filepath.Join(dir, "samples", "*.json"))
			if err == nil {
				for _, s := range samples {
					add(s, false)
				}
			}
			continue
		}
		root := strings.TrimRight(p, "/") + "/" // with the slash a link to a folder is walked as well
		err = filepath.WalkDir(root, func(q string, e fs.DirEntry, err error) error {
			if err != nil {
				unreadable(q, err)
				return nil
			}
			if q != root && strings.HasPrefix(e.Name(), ".") {
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			switch filepath.Ext(q) {
			case ".yaml", ".yml", ".json":
				if !e.IsDir() {
					add(q, true)
				}
			default:
				if right := otherEnding(e.Name()); right != "" && !e.IsDir() {
					list = append(list, diag.Diagnostic{Code: "W119", Severity: diag.Warning, File: filepath.ToSlash(filepath.Clean(q)), Message: diag.Text{EN: "this file is not read: its name ends with neither `.yaml` nor `.yml`", ZH: "这个文件没有读取：文件名不是以 `.yaml` 或 `.yml` 结尾"},
						Hint: diag.Text{EN: "rename it to `" + right + "`, or move it elsewhere", ZH: "改名为 `" + right + "`；如果不是规则文件，请移到别处"}})
				}
			}
			return nil
		})
		if err != nil {
			unreadable(p, err)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, list
}

// otherEnding gives the name that was meant for a file whose ending an editor or another system has changed: vip.yaml.txt, VIP.YAML; "" for
// any other file.
func otherEnding(name string) string {
	base := name
	if ext := path.Ext(base); strings.EqualFold(ext, ".txt") {
		base = strings.TrimSuffix(base, ext)
	}
	ext := path.Ext(base)
	if !isYAML(strings.ToLower(ext)) || base == ext {
		return ""
	}
	return strings.TrimSuffix(base, ext) + strings.ToLower(ext)
}

// ReadFS is Read for an embedded folder.
func ReadFS(fsys fs.FS) ([]File, error) {
	var files []File
	err := fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch path.Ext(p) {
		case ".yaml", ".yml", ".json":
			b, err := fs.ReadFile(fsys, p)
			if err != nil {
				return err
			}
			files = append(files, File{p, b})
		}
		return nil
	})
	return files, err
}

// loader is one run over the files.
type loader struct {
	opt      Options
	files    map[string][]byte
	samples  []sampleRef
	example  map[string][]byte // the bytes of an event's sample
	specs    []*event.Spec
	byName   map[string]*event.Spec
	declared map[string]*diag.Node   // events, as the catalogue has them
	table    map[string]*event.Field // columns of the profile table
	users    *scope                  // the same, for conditions and holes
	rules    []*Rule
	named    map[string]*Rule // the same, by name
	scopes   map[string]*scope
	digest   []byte            // of the rule at hand
	digests  map[string][]byte // of what the catalogue declares, by event: see revisionOf
	list     diag.List

	partial bool            // a catalogue is empty or could not be read as a whole: there may be more events
	unclear map[string]bool // events that may have more fields

	tagsUnclear bool // a tag rule has an error, or a file is read in part: what tags there are is not known
}

type sampleRef struct {
	spec *event.Spec
	node *diag.Node
}

// LoadFiles makes a Set of files in memory: the whole loader but for the reading.
func LoadFiles(files []File, opt Options) (*Set, diag.List) {
	opt.defaults()
	l := &loader{opt: opt, example: map[string][]byte{}, files: map[string][]byte{}, byName: map[string]*event.Spec{}, named: map[string]*Rule{}, scopes: map[string]*scope{}, digests: map[string][]byte{}, declared: map[string]*diag.Node{}, unclear: map[string]bool{}, partial: opt.Partly, tagsUnclear: opt.Partly}
	var docs, catalogues, ruleDocs []*diag.Doc
	settings := 0
	for _, f := range files {
		l.files[path.Clean(f.Name)] = f.Data
		if path.Ext(f.Name) == ".json" {
			continue
		}
		d := diag.Parse(f.Name, f.Data)
		docs = append(docs, d)
		switch {
		case d.Root == nil:
		case d.Root.Kind != diag.Mapping:
			d.Root.Keys()
		case isSettings(d.Root):
			settings++
			next := "`notifier config check -c " + d.File + "`"
			d.Root.Error("N118", diag.Text{EN: "this is the settings file", ZH: "这是设置文件"}, diag.Text{EN: "check it with " + next, ZH: "请用 " + next + " 检查"})
		case d.Root.Get("events") != nil:
			catalogues = append(catalogues, d)
		default:
			ruleDocs = append(ruleDocs, d)
		}
	}
	set := &Set{opt: opt, watch: newWatch()}
	first := map[string]*diag.Node{}
	for _, d := range catalogues {
		l.partial = l.partial || !d.Whole()
		for _, s := range l.catalogue(d) {
			key := d.Root.Get("events").Key(s.Name)
			if old := first[s.Name]; old != nil {
				key.Error("N220", diag.Text{EN: fmt.Sprintf("event `%s` is declared twice", s.Name), ZH: fmt.Sprintf("事件 `%s` 声明了两次", s.Name)}, diag.Text{EN: "keep one of them", ZH: "只保留一个"})
				continue
			}
			first[s.Name], l.declared[s.Name] = key, d.Root.Get("events").Get(s.Name)
			l.specs, l.byName[s.Name] = append(l.specs, s), s
		}
	}
	l.table = l.profileFields(l.specs, first)
	l.users = userScope(l.table, l.specs)
	l.users.marks = l.opt.marks
	l.users.open = l.partial || len(l.unclear) > 0
	if len(docs) > settings && len(catalogues) == 0 && !l.partial && !slices.ContainsFunc(docs, func(d *diag.Doc) bool { return !d.Whole() }) {
		missing := diag.Diagnostic{Code: "N601", Severity: diag.Error, Message: diag.Text{EN: "no event catalogue: there is no file with `events:`", ZH: "没有事件目录：没有带 `events:` 的文件"},
			Hint: diag.Text{EN: "put events.yaml beside the rule files", ZH: "请把 events.yaml 放在规则文件旁边"}}
		for _, d := range docs {
			if strings.HasPrefix(path.Base(d.File), "events.") {
				d.Root.Error("N601", diag.Text{EN: "the catalogue has no `events:`", ZH: "事件目录里没有 `events:`"}, diag.Text{EN: "add `events:` with the events below it", ZH: "请加上 `events:`，下面写各个事件"})
				missing.Code = ""
			}
		}
		if missing.Code != "" {
			l.list = append(l.list, missing)
		}
	}
	l.checkSamples()
	if len(catalogues) > 0 {
		l.consent()
		for _, d := range ruleDocs {
			l.ruleFile(d)
		}
		l.across()
		l.slots()
		l.reserves()
	}
	for _, d := range docs {
		l.list = append(l.list, d.Findings()...)
		set.Files = append(set.Files, FileInfo{Name: d.File})
	}
	if len(l.rules) == 0 && l.list.Errors() == 0 && !opt.Partly {
		l.list = append(l.list, diag.Diagnostic{Code: "N110", Severity: diag.Error, Message: diag.Text{EN: "there are no rules", ZH: "一条规则都没有"},
			Hint: diag.Text{EN: "write one, or copy one from the rules/ that ship", ZH: "请写一条，或从自带的 rules/ 复制"}})
	}
	at := map[string]*FileInfo{}
	for i := range set.Files {
		at[set.Files[i].Name] = &set.Files[i]
	}
	for _, r := range l.rules {
		at[r.File].Rules++
		at[r.File].Tests += len(r.Tests)
	}
	set.Rules = l.rules
	out := l.list.Sorted()
	if out.Errors() > 0 {
		// Whether a rule is tested is no question while it is wrong.
		return nil, slices.DeleteFunc(out, func(d diag.Diagnostic) bool { return d.Code == untested })
	}
	set.Catalogue = event.NewCatalogue(l.specs, opt.MaxBytes)
	set.samples = l.example
	set.Hash, set.Advice = hash(files), l.facts()
	set.index(l.table)
	for _, d := range docs { // a condition keeps its own node, to name its place; the trees are larger than all that is made of them
		d.Root, d.List = nil, nil
	}
	for _, r := range l.rules {
		for _, c := range slices.Concat(r.when, r.unless) {
			c.sketch = simple{}
		}
		r.node = nil
		for i := range r.variants {
			r.variants[i].node = nil
		}
	}
	return set, out
}

// isSettings reports whether a file is the settings, which have `rules` and `events` too.
func isSettings(root *diag.Node) bool { return root.Get("kafka") != nil || root.Get("accounts") != nil }

// IsSettings reports whether a file is the settings.
func IsSettings(f File) bool {
	if !isYAML(f.Name) {
		return false
	}
	root := diag.Parse(f.Name, f.Data).Root
	return root != nil && isSettings(root)
}

var settingsKey = regexp.MustCompile(`(?m)^(kafka|accounts)[ \t]*:`)

// passedOver reports whether a file that lies among the rules is no concern of theirs: the settings, which are looked for beside them.
// One that has rules or events in it as well is a mistake to be named.
func passedOver(name string, data []byte) bool {
	if path.Ext(name) == ".json" || !settingsKey.Match(data) { // nearly always: the folder is read every second
		return false
	}
	root := diag.Parse(name, data).Root
	if root == nil || !isSettings(root) {
		return false
	}
	if rules := root.Get("rules"); rules != nil && rules.Kind != diag.Scalar {
		return false
	}
	events := root.Get("events")
	return events == nil || !slices.ContainsFunc(events.Fields, func(f diag.Field) bool { return f.Value.Get("topic") != nil })
}

// Summary counts files, rules and tests without asking whether they are right: what check prints beside errors.
func Summary(files []File) (out []FileInfo) {
	for _, f := range files {
		if path.Ext(f.Name) == ".json" {
			continue
		}
		info := FileInfo{Name: f.Name}
		if d := diag.Parse(f.Name, f.Data); d.Root != nil && !isSettings(d.Root) && d.Root.Get("rules") != nil {
			for _, r := range d.Root.Get("rules").List() {
				info.Rules++
				info.Tests += len(r.Get("tests").List())
			}
		} else if d.Root != nil && !isSettings(d.Root) && d.Root.Get("events") != nil {
			info.Events = len(d.Root.Get("events").Fields)
		}
		out = append(out, info)
	}
	return out
}

// hash names a revision: the names and bytes of all YAML files, names relative to what they have in common.
func hash(files []File) string {
	common := ""
	for i, f := range files {
		dir := path.Dir(f.Name) + "/"
		if i == 0 {
			common = dir
		}
		for !strings.HasPrefix(dir, common) {
			common = path.Dir(strings.TrimSuffix(common, "/")) + "/"
			if common == "./" || common == "//" {
				common = ""
			}
		}
	}
	h := sha256.New()
	for _, f := range files {
		if path.Ext(f.Name) != ".json" {
			fmt.Fprintf(h, "%s %d\n", strings.TrimPrefix(f.Name, common), len(f.Data))
			h.Write(f.Data)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// checkSamples decodes each sample event as its entry says.
func (l *loader) checkSamples() {
	for _, s := range l.samples {
		name := s.node.Text
		data, ok := l.files[path.Join(path.Dir(s.node.File()), name)]
		if !ok && l.opt.Partly { // perhaps it is what could not be read
			continue
		}
		if !ok || strings.Contains(name, "..") || path.IsAbs(name) {
			s.node.Error("N608", diag.Text{EN: "there is no file `" + name + "`", ZH: "没有文件 `" + name + "`"}, diag.Text{EN: "a .json file beside the catalogue", ZH: "应是事件目录旁边的 .json 文件"})
			continue
		}
		if len(data) > maxSample {
			s.node.Error("N608", diag.Text{EN: fmt.Sprintf("the sample has more than %d KiB", maxSample>>10), ZH: fmt.Sprintf("样例超过 %d KiB", maxSample>>10)},
				diag.Text{EN: "leave out of it what no field reads", ZH: "请删掉没有字段用到的内容"})
			continue
		}
		if len(s.spec.Topics) == 0 {
			continue
		}
		l.example[s.spec.Name] = data
		rec := event.Record{Position: event.Position{Topic: s.spec.Topics[0]}, Key: []byte("sample"), Value: data, Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
		evs, err := event.NewCatalogue([]*event.Spec{s.spec}, maxSample).Decode(rec)
		if err != nil {
			s.node.Error("N608", undecoded(err), diag.Text{EN: "copy a real record of the topic into the sample, or mend the paths", ZH: "请把主题里一条真实记录放进样例，或改正路径"})
		} else if len(evs) == 0 {
			s.node.Error("N608", diag.Text{EN: "the sample is not this event: `match` does not hold", ZH: "样例不是这个事件：`match` 不成立"}, diag.Text{EN: "change the sample, or `match`", ZH: "请改样例，或改 `match`"})
		} else {
			l.sampleFits(s.spec, data, &evs[0])
		}
	}
}

// undecoded says why a sample is not what its event says.
func undecoded(err error) diag.Text {
	zh := "解码失败"
	if e, ok := errors.AsType[*event.DecodeError](err); ok {
		zh = map[event.Reason]string{event.Undecodable: "不是声明的格式", event.TooLarge: "太大", event.BadField: "里的 id、用户、时间或必填字段取不到，或类型不对"}[e.Reason]
	}
	return diag.Text{EN: "the sample cannot be decoded: " + err.Error(), ZH: "样例事件" + zh + "（`" + err.Error() + "`）"}
}
