package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

// systemSettings is where settings are looked for last.
const systemSettings = "/etc/notifier/notifier.yaml"

// settingsPath is the file of -c, else notifier.yaml, else /etc/notifier/notifier.yaml.
func settingsPath(cmd *cobra.Command) string {
	f := cmd.Flag("config")
	if f.Changed {
		return f.Value.String()
	}
	if _, err := os.Stat(f.Value.String()); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(systemSettings); err == nil {
			return systemSettings
		}
	}
	return f.Value.String()
}

// readSettings loads the settings of a command; nil if they have errors.
func readSettings(cmd *cobra.Command) (*settings.Settings, diag.List) {
	s, list := settings.Load(settingsPath(cmd), os.Environ(), nil)
	return s, lookedFor(cmd, list)
}

// lookedFor adds to the finding that there is no file where it was looked for.
func lookedFor(cmd *cobra.Command, list diag.List) diag.List {
	if f := cmd.Flag("config"); !f.Changed && len(list) > 0 && list[0].Code == "N700" {
		list[0].Hint = diag.Text{EN: "tried " + f.Value.String() + " and " + systemSettings + ": name the file with -c FILE, or copy notifier.example.yaml to " + f.Value.String(),
			ZH: "找过 " + f.Value.String() + " 和 " + systemSettings + "：用 -c FILE 指定文件，或把 notifier.example.yaml 复制为 " + f.Value.String()}
	}
	return list
}

// loadSettings is readSettings for commands that only need them: every mistake is printed, and errors end the command.
func loadSettings(cmd *cobra.Command) (*settings.Settings, error) {
	s, list := readSettings(cmd)
	return sound(cmd, s, list)
}

// loadForKafka is loadSettings for commands that call no vendor: whoever runs them need not be able to read the vendors' secrets.
func loadForKafka(cmd *cobra.Command) (*settings.Settings, error) {
	s, list := settings.LoadForKafka(settingsPath(cmd), os.Environ())
	return sound(cmd, s, lookedFor(cmd, list))
}

// sound prints what was found in settings, and makes an error of those that are none.
func sound(cmd *cobra.Command, s *settings.Settings, list diag.List) (*settings.Settings, error) {
	if len(list) > 0 {
		if err := printFindings(cmd, list); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return nil, badSettings(cmd)
	}
	return s, nil
}

func badSettings(cmd *cobra.Command) error {
	return &exitError{exitSettings, fmt.Errorf(mostly(spoken(cmd), "the settings have errors; next: mend them, then `notifier config check -c %s`", "设置有错误；下一步：改好以后运行 `notifier config check -c %s`"), settingsPath(cmd))}
}

func printFindings(cmd *cobra.Command, list diag.List) error {
	lang, err := languageOf(cmd)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return diag.WriteText(cmd.ErrOrStderr(), list.Sorted(), lang)
}

// reader gives the means to read our topics.
func reader(cmd *cobra.Command) (*query.Reader, *settings.Settings, error) {
	s, err := loadForKafka(cmd)
	if err != nil {
		return nil, nil, err
	}
	opts, err := app.Connect(s)
	if err != nil {
		return nil, nil, err
	}
	return &query.Reader{Kafka: opts, Topics: ledger.TopicsOf(s.Kafka.Prefix)}, s, nil
}

// newLogger makes the daemon's log, on stderr.
func newLogger(l settings.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return nil, &exitError{exitSettings, fmt.Errorf("log.level: %w", err)}
	}
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(level)
	cfg.Sampling = nil
	cfg.DisableStacktrace = true
	cfg.EncoderConfig.TimeKey = "at"
	cfg.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	cfg.EncoderConfig.EncodeDuration = zapcore.StringDurationEncoder
	if !l.JSON {
		cfg.Encoding = "console"
	}
	return cfg.Build()
}
