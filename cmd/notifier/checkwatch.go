package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/notifier/notifier/internal/rules"
)

// watchCheck checks, and checks again whenever the files have changed and then stood still from one poll to the next. Files
// are compared by content, which sees every way to change them. It ends with ctx, with the result of the last check, and at
// once when the first check finds nothing to watch: a wrong flag, no files, unusable settings.
func watchCheck(ctx context.Context, o checkOptions, env []string, out, talk io.Writer, poll <-chan time.Time) error {
	checked := digest(o.paths)
	seen := checked
	err := check(o, env, out, talk)
	if e, ok := errors.AsType[*exitError](err); err != nil && (!ok || e.err != nil) {
		return err
	}
	lang, _ := language(o.lang, env) // check has refused what is none
	fmt.Fprintln(talk, mostly(lang, "watching, Ctrl-C ends", "正在等文件变化，Ctrl-C 结束"))
	for {
		select {
		case <-ctx.Done():
			return err
		case <-poll:
		}
		now := digest(o.paths)
		if now == seen && now != checked {
			fmt.Fprintf(talk, mostly(lang, "changed, checked again at %s\n", "有变化，%s 重新检查\n"), time.Now().Format(time.TimeOnly))
			checked = now
			if err = check(o, env, out, talk); err != nil && err.Error() != "" {
				fmt.Fprintln(talk, err)
			}
		}
		seen = now
	}
}

// digest names the content of all rule files, and what cannot be read.
func digest(paths []string) (sum [sha256.Size]byte) {
	files, unreadable := rules.Read(paths)
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s %d\n", f.Name, len(f.Data))
		h.Write(f.Data)
	}
	for _, d := range unreadable {
		fmt.Fprintf(h, "%s: %s\n", d.File, d.Message.EN)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
