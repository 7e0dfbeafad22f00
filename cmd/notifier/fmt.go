package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
)

func newFmtCmd() *cobra.Command {
	var diff bool
	cmd := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "write rule files in the canonical form",
		Long: `Writes rule files and catalogues canonically: tabs become spaces, full-width marks outside of texts and in
${...} become ASCII ones, keys stand in their order, titles and bodies in double quotes, one empty line between rules. Comments stay. What
a file says does not change: where tabs or full-width spaces leave open what a line belongs to, the line is named and the file stays as
it is. Prints the names of the files it wrote.

PATH is a folder or a file, rules/ if there is none.`,
		Example: `  notifier fmt
  notifier fmt rules/vip.yaml
  notifier fmt --diff               show what would change, exit 1 if anything would`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"rules/"}
			}
			lang, err := languageOf(cmd)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return format(args, diff, lang, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&diff, "diff", false, "print the changes instead of writing them")
	return cmd
}

func format(paths []string, diff bool, lang diag.Lang, out, talk io.Writer) error {
	files, list := rules.Read(paths)
	if list.Errors() > 0 {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return err
		}
		return &exitError{code: exitUsage}
	}
	for _, f := range files {
		if rules.IsSettings(f) {
			return &exitError{exitUsage, fmt.Errorf(mostly(lang, "%s is the settings file, not a rule file; next: notifier config check -c %s", "%s 是设置文件，不是规则文件；下一步：notifier config check -c %s"), f.Name, shellWord(f.Name))}
		}
	}
	formatted, err := rules.Format(files, app.AnyRuleOptions())
	if err != nil {
		return err
	}
	n, changed, left := 0, 0, 0
	for _, f := range formatted {
		if !named(f.File.Name, paths) {
			continue // the catalogue beside a file that was asked for
		}
		n++
		if f.Unclear > 0 {
			left++
			fmt.Fprintf(talk, mostly(lang, "error: %s:%d: its indentation has tabs or full-width spaces, and what the line belongs to cannot be told: nothing in the file is changed; write this line's indentation with spaces\n",
				"错误：%s:%d：缩进里有制表符或全角空格，看不出这一行属于哪一层：这个文件没有改动；请把这一行的缩进改成半角空格\n"), f.File.Name, f.Unclear)
		} else if f.Left {
			left++
			fmt.Fprintf(talk, mostly(lang, "note: %s has errors of form, so its keys stay where they are: `notifier check %s`\n", "提示：%s 有格式错误，配置项的顺序不动：`notifier check %s`\n"), f.File.Name, shellWord(f.File.Name))
		}
		if !f.Changed() {
			continue
		}
		changed++
		if diff {
			if err := writeDiff(out, f.File.Name, string(f.File.Data), string(f.Out)); err != nil {
				return err
			}
			continue
		}
		if err := replaceFile(f.File.Name, f.Out); err != nil {
			return &exitError{exitUsage, fmt.Errorf("write %s: %w", f.File.Name, err)}
		}
		fmt.Fprintln(out, f.File.Name)
	}
	switch {
	case n == 0:
		return noRuleFiles(paths, lang)
	case diff && changed > 0, left > 0:
		return &exitError{code: exitFindings}
	}
	if changed == 0 {
		fmt.Fprintln(talk, mostly(lang, many(n, "file")+", all in the canonical form", fmt.Sprintf("%d 个文件，格式都已规范", n)))
	}
	return nil
}

// named reports whether a file was asked for, by itself or by its folder.
func named(file string, paths []string) bool {
	for _, p := range paths {
		p = filepath.ToSlash(filepath.Clean(p))
		if file == p || p == "." || strings.HasPrefix(file, p+"/") {
			return true
		}
	}
	return false
}

// replaceFile writes a file beside the old one and puts it in its place, so that a daemon never reads half of it. A link stays a link.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".fmt-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// writeDiff prints the lines that differ, with three around them, in the form of diff -u.
func writeDiff(out io.Writer, name, before, after string) error {
	a, b := strings.Split(strings.TrimSuffix(before, "\n"), "\n"), strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	var w strings.Builder
	fmt.Fprintf(&w, "--- %s\n+++ %s (formatted)\n", name, name)
	edits := lineEdits(a, b)
	const around = 3
	for i := 0; i < len(edits); {
		if edits[i].mark == ' ' {
			i++
			continue
		}
		from, to := max(0, i-around), i
		for last := i; to < len(edits) && to-last <= 2*around; to++ { // hunks that are near are one
			if edits[to].mark != ' ' {
				last = to
			}
		}
		for to > i && edits[to-1].mark == ' ' && to-around > i && edits[to-around-1].mark == ' ' {
			to--
		}
		n, m := 0, 0
		for _, e := range edits[from:to] {
			if e.mark != '+' {
				n++
			}
			if e.mark != '-' {
				m++
			}
		}
		fmt.Fprintf(&w, "@@ -%d,%d +%d,%d @@\n", edits[from].a+1, n, edits[from].b+1, m)
		for _, e := range edits[from:to] {
			fmt.Fprintf(&w, "%c%s\n", e.mark, e.text)
		}
		i = to
	}
	_, err := io.WriteString(out, w.String())
	return err
}

type lineEdit struct {
	mark byte // ' ', '-' or '+'
	text string
	a, b int // lines before it in either file
}

// lineEdits is a shortest way from a to b by whole lines: the longest common subsequence, between the common beginning and end.
func lineEdits(a, b []string) []lineEdit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	common := make([][]int32, len(x)+1) // of what follows
	for i := range common {
		common[i] = make([]int32, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []lineEdit
	for i := range head {
		out = append(out, lineEdit{' ', a[i], i, i})
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, lineEdit{' ', x[i], head + i, head + j})
			i, j = i+1, j+1
		case i < len(x) && (j == len(y) || common[i+1][j] >= common[i][j+1]):
			out = append(out, lineEdit{'-', x[i], head + i, head + j})
			i++
		default:
			out = append(out, lineEdit{'+', y[j], head + i, head + j})
			j++
		}
	}
	for k := range tail {
		out = append(out, lineEdit{' ', a[len(a)-tail+k], len(a) - tail + k, len(b) - tail + k})
	}
	return out
}
