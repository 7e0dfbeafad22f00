package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The colours of words that lines begin with, on a terminal.
var colours = []struct{ word, colour string }{
	{"error[", "31"}, {"warning[", "33"}, {"note[", "36"}, {"PASS ", "32"}, {"FAIL ", "31"}, {"     ✓ ", "32"}, {"     ✗ ", "31"},
}

// coloured gives where a command writes text for people: stdout, in colours if --color says so, or by default on a terminal that has
// not said NO_COLOR or TERM=dumb.
func coloured(cmd *cobra.Command) (io.Writer, error) {
	out, mode := cmd.OutOrStdout(), "auto"
	if f := cmd.Flag("color"); f != nil {
		mode = f.Value.String()
	}
	switch mode {
	case "never":
		return out, nil
	case "always":
		return &colourWriter{to: out}, nil
	case "auto":
		f, ok := fileOf(out)
		if ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
			return &colourWriter{to: out}, nil
		}
		return out, nil
	}
	return nil, &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "unknown --color %q: auto, always or never", "没有 --color %q：auto、always 或 never"), mode)}
}

// colourWriter colours the first word of lines. Whoever writes to it writes whole lines.
type colourWriter struct{ to io.Writer }

func (w *colourWriter) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for line := range bytes.Lines(p) {
		for _, c := range colours {
			if rest, ok := bytes.CutPrefix(line, []byte(c.word)); ok {
				fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", c.colour, c.word)
				line = rest
				break
			}
		}
		b.Write(line)
	}
	if _, err := w.to.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
