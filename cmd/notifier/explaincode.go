package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/docs"
	"github.com/notifier/notifier/internal/diag"
)

func newExplainCodeCmd() *cobra.Command {
	var format, lang string
	cmd := &cobra.Command{
		Use:   "explain-code [CODE]",
		Short: "the page of a diagnostic",
		Long:  "Shows what a code of `check` means: what, why, how to mend it, and for a warning how to silence it. Without a code: the list.",
		Example: `  notifier explain-code N101
  notifier explain-code W307 --lang zh
  notifier explain-code              all codes`,
		Args:         cobra.MaximumNArgs(1),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := language(lang, os.Environ())
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if err := jsonOrText(l, format); err != nil {
				return err
			}
			code := ""
			if len(args) == 1 {
				code = args[0]
			}
			return explainCode(cmd.OutOrStdout(), code, format, l)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().StringVar(&lang, "lang", "", "en, zh or both (default from the locale)")
	return cmd
}

// codePage is the machine shape of one page.
type codePage struct {
	Code     string        `json:"code"`
	Severity diag.Severity `json:"severity"`
	Title    diag.Text     `json:"title"`
	Text     diag.Text     `json:"text"`
}

// explainCode writes the page of a code, or with "" a line for each.
func explainCode(out io.Writer, code, format string, lang diag.Lang) error {
	pages := docs.Codes()
	if code != "" {
		i := slices.IndexFunc(pages, func(p docs.Code) bool { return strings.EqualFold(p.Code, code) })
		if i < 0 {
			return &exitError{exitUsage, unknownCode(code, pages, lang)}
		}
		pages = pages[i : i+1]
	}
	shown := make([]codePage, len(pages))
	for i, p := range pages {
		severity := map[byte]diag.Severity{'N': diag.Error, 'W': diag.Warning, 'I': diag.Advice}[p.Code[0]]
		shown[i] = codePage{p.Code, severity, diag.Text{EN: p.EN.Title, ZH: p.ZH.Title}, diag.Text{EN: p.EN.Text, ZH: p.ZH.Text}}
	}
	if format == "json" {
		return printJSON(out, struct {
			Schema string     `json:"schema"`
			Codes  []codePage `json:"codes"`
		}{"notifier.explain-code/v1", shown})
	}
	var b strings.Builder
	for _, p := range shown {
		if code == "" {
			fmt.Fprintf(&b, "%s  %-7s  %s\n", p.Code, p.Severity, p.Title.In(lang))
			continue
		}
		for i, l := range []diag.Lang{diag.EN, diag.ZH} {
			if lang != diag.Both && lang != l {
				continue
			}
			if i > 0 && lang == diag.Both {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s[%s]: %s\n\n%s\n", p.Severity, p.Code, p.Title.In(l), p.Text.In(l))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// unknownCode says which code was perhaps meant: the nearest one, or those of the same hundred.
func unknownCode(code string, pages []docs.Code, lang diag.Lang) error {
	var known, same []string
	for _, p := range pages {
		known = append(known, p.Code)
		if len(code) > 1 && strings.EqualFold(p.Code[:2], code[:2]) {
			same = append(same, p.Code)
		}
	}
	hint := mostly(lang, "`notifier explain-code` lists them", "全部见 `notifier explain-code`")
	if near := diag.Nearest(code, known); near != "" {
		hint = fmt.Sprintf(mostly(lang, "did you mean %s? ", "是不是想写 %s？"), near) + hint
	} else if len(same) > 0 {
		hint = mostly(lang, "there are ", "有 ") + strings.Join(same, mostly(lang, ", ", "、"))
	}
	return fmt.Errorf(mostly(lang, "no code %q: %s", "没有代码 %q：%s"), code, hint)
}
