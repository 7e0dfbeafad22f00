package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// What is printed as the next command to type can be typed as it is: it repeats the settings file and the paths of the call that printed it.

// checkOf is the command that names the mistakes in the rules of this call; paths are those that were given.
func checkOf(paths []string) string {
	words := []string{"notifier", "check"}
	for _, p := range paths {
		words = append(words, shellWord(p))
	}
	return strings.Join(words, " ")
}

// givenRules are the paths of --rules, if it was given.
func givenRules(cmd *cobra.Command, paths []string) []string {
	if !cmd.Flags().Changed("rules") {
		return nil
	}
	return paths
}

var plainWord = regexp.MustCompile(`^[\p{L}\p{N}_./+:@=,-]+$`)

// shellWord writes a word as a shell takes it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// repeatConfig lets what a command prints for people name the settings file of -c in each next command. Machine shapes stay as they are.
func repeatConfig(cmd *cobra.Command) {
	config := givenConfig(cmd)
	if config == "" || slices.Contains([]string{"run", "demo"}, cmd.Name()) { // those write logs
		return
	}
	out, talk := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if f := cmd.Flag("format"); f == nil || f.Value.String() == "text" {
		cmd.SetOut(&nextWriter{out, config})
	}
	cmd.SetErr(&nextWriter{talk, config})
}

func givenConfig(cmd *cobra.Command) string {
	if f := cmd.Flag("config"); f != nil && f.Changed {
		return f.Value.String()
	}
	return ""
}

// nextWriter puts -c FILE into the next commands of what passes. Whoever writes to it writes whole lines, or whole cells of a table.
type nextWriter struct {
	to     io.Writer
	config string
}

func (w *nextWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, withConfig(string(p), w.config)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// fileOf is the file behind a writer, to ask whether it is a terminal.
func fileOf(w io.Writer) (*os.File, bool) {
	if n, ok := w.(*nextWriter); ok {
		w = n.to
	}
	if a, ok := w.(*answerWriter); ok {
		return a.to, true
	}
	f, ok := w.(*os.File)
	return f, ok
}

var (
	nextMark    = regexp.MustCompile("next: |下一步：|`notifier ")
	nextCommand = regexp.MustCompile(`\bnotifier ([a-z][a-z-]*)`)
)

// withConfig writes `notifier -c FILE command` for the commands behind a mark that says that they come next.
func withConfig(text, config string) string {
	if config == "" {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		at := nextMark.FindStringIndex(line)
		if at == nil || strings.Contains(line[at[0]:], " -c ") { // has it
			b.WriteString(line)
			continue
		}
		b.WriteString(line[:at[0]])
		b.WriteString(nextCommand.ReplaceAllStringFunc(line[at[0]:], func(s string) string {
			command := strings.TrimPrefix(s, "notifier ")
			if command == "explain-code" { // needs none
				return s
			}
			return "notifier -c " + shellWord(config) + " " + command
		}))
	}
	return b.String()
}
