package sdk

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// shared is what all tests use: the notifier binary and the vendor's SDKs, ready to run.
var shared struct {
	notifier          string
	java, node, getui command
}

// command starts java/Vendor.java, node/vendor.js or getui/Getui.java.
type command struct {
	args  []string
	env   []string
	quiet bool // it says on stderr that it has no logger, each time
}

func (c command) stderr() io.Writer {
	if c.quiet {
		return io.Discard
	}
	return os.Stderr
}

// TestMain fetches and builds once. What is missing fails the run: a suite that skips itself silently proves nothing.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notifier-sdk-")
	if err == nil {
		err = setUp(dir)
	}
	if err != nil {
		os.RemoveAll(dir)
		fmt.Fprintf(os.Stderr, "sdk: cannot run: %v\n", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func setUp(dir string) error {
	if err := tools(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute) // the first run downloads some 12 MB
	defer cancel()

	shared.notifier = filepath.Join(dir, "notifier")
	if err := run(ctx, filepath.Join("..", ".."), "go", "build", "-o", shared.notifier, "./cmd/notifier"); err != nil {
		return err
	}
	for _, p := range []struct {
		to           *command
		folder, name string
	}{{&shared.java, "java", "Vendor"}, {&shared.getui, "getui", "Getui"}} {
		jars, err := fetchJava(ctx, p.folder)
		if err != nil {
			return err
		}
		classes := filepath.Join(dir, p.folder)
		jars = filepath.Join(jars, "*")
		if err := run(ctx, ".", "javac", "-nowarn", "-encoding", "UTF-8", "-cp", jars, "-d", classes, filepath.Join(p.folder, p.name+".java")); err != nil {
			return err
		}
		*p.to = command{args: []string{"java", "-Dfile.encoding=UTF-8", "-cp", classes + string(os.PathListSeparator) + jars, p.name}, quiet: p.name == "Getui"}
	}

	packages, err := fetchNode(ctx)
	if err != nil {
		return err
	}
	shared.node = command{
		args: []string{"node", filepath.Join("node", "vendor.js")},
		env:  []string{"NODE_PATH=" + filepath.Join(packages, "node_modules")},
	}
	return nil
}
