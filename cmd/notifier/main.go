// Command notifier turns domain events from Kafka into push notifications and tags. One small file a command, no logic: the
// daemon is package app, everything it does lies under internal/.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // zones also where the image has none

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/query"
)

func main() {
	os.Exit(faultless(os.Stderr, func() int { return execute(context.Background(), os.Args[1:]) }))
}

// faultless gives a panic the code of an internal fault. Go itself would end with 2, which says that the command line was wrong.
func faultless(talk io.Writer, run func() int) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(talk, "notifier: internal fault: %v · 程序内部错误\n%s", p, debug.Stack())
			code = exitInternal
		}
	}()
	return run()
}

// execute runs a command line and gives the exit code of cli.md 2.
func execute(ctx context.Context, args []string) int {
	started := false
	root := newRootCmd(&started)
	root.SetArgs(args)
	out := &answerWriter{to: os.Stdout}
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	if out.err != nil {
		if cmd.Flags().Lookup("by") != nil { // it has changed something, or not: its code tells, or a script would do it twice
			fmt.Fprintln(os.Stderr, "notifier: "+steady(said(cmd, out.err)))
		} else {
			err = out.err
		}
	}
	if err == nil {
		return 0
	}
	if word, ok := strings.CutPrefix(err.Error(), `unknown command "`); ok && cmd == cmd.Root() {
		word, _, _ = strings.Cut(word, `"`)
		err = unknownCommand(cmd, word)
	}
	code := exitCode(err, started)
	text := withConfig(said(cmd, err), givenConfig(cmd))
	if text != "" {
		fmt.Fprintln(os.Stderr, "notifier: "+steady(text))
	}
	if next := nextFor(cmd, code, err); next != "" {
		fmt.Fprintln(os.Stderr, withConfig(next, givenConfig(cmd)))
	}
	return code
}

// exitCode maps an error to its code; an error before a command started is wrong use.
func exitCode(err error, started bool) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*app.KafkaError](err); ok {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*query.SilentError](err); ok {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*app.TopicError](err); ok || errors.Is(err, app.ErrSHA1) || errors.Is(err, app.ErrListen) || errors.Is(err, consumer.ErrNoStart) || errors.Is(err, consumer.ErrInstanceTaken) || errors.Is(err, dispatch.ErrInstanceTaken) {
		return exitSettings
	}
	if _, ok := errors.AsType[*app.NoStartError](err); ok {
		return exitSettings
	}
	if errors.Is(err, embedded.ErrLocked) {
		return exitUsage
	}
	if _, ok := errors.AsType[*app.RulesError](err); ok {
		return exitFindings
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && e.Path == os.Stdout.Name() { // whoever typed the command chose it
		return exitUsage
	}
	if errors.Is(err, embedded.ErrFailed) || noRoom(err) { // before the paths: a write that failed has one too
		return exitUnreachable
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return exitUsage
	}
	if !started {
		return exitUsage
	}
	return exitInternal
}

// noRoom reports whether an error says that no more can be written where the embedded broker keeps its data: the disk is full, or a limit is
// reached, of a user (EDQUOT) or of the size of a file (EFBIG, `ulimit -f`).
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func newRootCmd(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "notifier",
		Short: "turns domain events into notifications",
		Long: `Reads domain events from Kafka, keeps each user's tags at the push vendor in step, and turns events into pushes,
messages and broadcasts by rule files that operations edit while it runs.`,
		Example: `  notifier demo                     everything in one process, to look at
  notifier check                    every error in rules/
  notifier run -c notifier.yaml     the daemon
  notifier fates --since 1h         what became of events`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			*started = true
			repeatConfig(cmd)
			return emptyWord(cmd, args)
		},
	}
	root.PersistentFlags().StringP("config", "c", "notifier.yaml", "settings file (else /etc/notifier/notifier.yaml)")
	root.PersistentFlags().String("color", "auto", "auto, always or never")
	root.PersistentFlags().String("lang", "", "en, zh or both, of what is said in both (default from the locale)")
	helpful(root)
	root.AddCommand(newRunCmd(), newDemoCmd(), newCheckCmd(), newFmtCmd(), newNewCmd(), newTestCmd(), newExplainCmd(), newBacktestCmd(), newExplainCodeCmd(), newSchemaCmd(), newSandboxCmd(), newConfigCmd(), newFatesCmd(), newQuotaCmd(), newAttemptsCmd(), newStatusCmd(), newDoctorCmd(), newRecallCmd(), newApprovalsCmd(), newPendingCmd(), newDeadCmd(), newSkipCmd(), newUserCmd(), newTagsCmd(), newPauseCmd(), newResumeCmd(), newKillCmd(), newReviveCmd(), newVersionCmd())
	completions(root)
	helpOf(root)
	wrongWords(root)
	saidOnce(root)
	return root
}
