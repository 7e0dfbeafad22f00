package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/diag"
)

// answerWriter is stdout, and keeps why it took no more: what is printed for people is many small writes, and none of them is asked.
type answerWriter struct {
	to  *os.File
	err error
}

func (w *answerWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.err = cmp.Or(w.err, err)
	return n, err
}

func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

func jsonOrText(lang diag.Lang, format string) error {
	if format != "text" && format != "json" {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --format %q: text or json", "没有 --format %q：text 或 json"), format)}
	}
	return nil
}

// listFormat is jsonOrText of a list, which is also given line by line.
func listFormat(lang diag.Lang, format string) error {
	if format != "text" && format != "json" && format != "jsonl" {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --format %q: text, json or jsonl", "没有 --format %q：text、json 或 jsonl"), format)}
	}
	return nil
}

// confirm asks to type a word before something is changed; --yes answers for scripts.
func confirm(cmd *cobra.Command, yes bool, what, word string) error {
	_, err := confirmOne(cmd, yes, what, word)
	return err
}

// confirmOne asks for one of several words and returns which was typed; --yes is the first.
func confirmOne(cmd *cobra.Command, yes bool, what string, words ...string) (string, error) {
	if yes {
		return words[0], nil
	}
	lang, err := languageOf(cmd)
	if err != nil {
		return "", &exitError{exitUsage, err}
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		fmt.Fprintln(cmd.ErrOrStderr(), what)
		return "", &exitError{exitUsage, errors.New(mostly(lang, "not on a terminal, so nothing was done; confirm with --yes", "不在终端上，没有做任何事；请加 --yes 确认"))}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), mostly(lang, "%s\ntype %q to go on: ", "%s\n输入 %q 继续："), what, words[0])
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	word := strings.TrimSpace(line)
	if !slices.Contains(words, word) {
		return "", &exitError{exitUsage, errors.New(mostly(lang, "not confirmed, nothing was done", "没有确认，没有做任何事"))}
	}
	return word, nil
}

// whoami is the `by` of a command: the OS user.
func whoami() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// columns lines up rows of cells, between which tabs stand, by what a terminal shows: a Chinese character takes two places, which text/tabwriter
// does not know. The last cell of a row is as long as it likes.
type columns struct {
	to io.Writer
	bytes.Buffer
}

// Flush writes the rows.
func (c *columns) Flush() error {
	var rows [][]string
	var wide []int
	for line := range strings.Lines(c.String()) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		rows = append(rows, row)
		for i, cell := range row[:len(row)-1] {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], runewidth.StringWidth(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		last := len(row) - 1
		for i, cell := range row[:last] {
			b.WriteString(runewidth.FillRight(cell, wide[i]+2))
		}
		b.WriteString(row[last] + "\n")
	}
	_, err := io.WriteString(c.to, b.String())
	return err
}

// steady gives an error, which may have several lines, without what else would steer the terminal.
func steady(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = diag.Visible(line)
	}
	return strings.Join(lines, "\n")
}
