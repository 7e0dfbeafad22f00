package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/schema"
)

func newSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [events|rules|settings]",
		Short: "JSON Schema of our files",
		Long: `Prints the JSON Schema (draft 2020-12) of the event catalogue, of rule files or of notifier.yaml, with descriptions in
English and Chinese; without a word one schema that holds for every kind. An editor with a yaml-language-server completes and explains keys once the file begins with the line

  # yaml-language-server: $schema=rules.schema.json`,
		Example: `  notifier schema > notifier.schema.json
  notifier schema rules > rules/rules.schema.json
  notifier schema events > rules/events.schema.json
  notifier schema settings > settings.schema.json`,
		Args:         cobra.MaximumNArgs(1),
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := cmd.OutOrStdout().Write(schema.Any())
				return err
			}
			return writeSchema(cmd.OutOrStdout(), args[0], spoken(cmd))
		},
	}
}

func writeSchema(out io.Writer, kind string, lang diag.Lang) error {
	kinds := []string{"events", "rules", "settings"}
	i := slices.Index(kinds, kind)
	if i < 0 {
		hint := mostly(lang, "events, rules or settings", "events、rules 或 settings")
		if near := diag.Nearest(kind, kinds); near != "" {
			hint = fmt.Sprintf(mostly(lang, "did you mean %s?", "是不是想写 %s？"), near)
		}
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "no schema %q: %s", "没有 schema %q：%s"), kind, hint)}
	}
	_, err := out.Write([][]byte{schema.Events, schema.Rules, schema.Settings}[i])
	return err
}
