package sdk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// cache holds what is downloaded once. It is in .gitignore.
const cache = ".cache"

// tools says which programs are missing, as one error.
func tools() error {
	var missing []error
	for _, t := range []struct{ name, what string }{
		{"java", "a JDK 17 or newer"},
		{"javac", "a JDK 17 or newer"},
		{"mvn", "Apache Maven, to fetch the Java SDKs"},
		{"node", "Node.js 18 or newer"},
		{"npm", "npm, to fetch the Node SDK"},
	} {
		if _, err := exec.LookPath(t.name); err != nil {
			missing = append(missing, fmt.Errorf("%s is not on the PATH: install %s", t.name, t.what))
		}
	}
	return errors.Join(missing...)
}

// fetchJava returns the folder with the jars of FOLDER/pom.xml. Maven fetches them, with whatever mirror its own settings
// name.
func fetchJava(ctx context.Context, folder string) (string, error) {
	pom := filepath.Join(folder, "pom.xml")
	return fetchOnce(folder, []string{pom}, func(dir string) error {
		return run(ctx, ".", "mvn", "-q", "-B", "-f", pom,
			"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

// fetchNode returns the folder whose node_modules is what node/package-lock.json says. npm fetches the packages from the
// registry of its own settings: the lock file names none.
func fetchNode(ctx context.Context) (string, error) {
	files := []string{"node/package.json", "node/package-lock.json", "node/.npmrc"}
	return fetchOnce("node", files, func(dir string) error {
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o644); err != nil {
				return err
			}
		}
		return run(ctx, dir, "npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts")
	})
}

// fetchOnce returns the cache folder for these files' contents, which fill fills if it does not exist. Runs at the same
// time do not disturb each other: each fills a folder of its own, and the rename is atomic.
func fetchOnce(name string, files []string, fill func(dir string) error) (string, error) {
	sum := sha256.New()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", fmt.Errorf("fetch %s SDK: %w", name, err)
		}
		sum.Write(b)
	}
	root, err := filepath.Abs(cache)
	if err != nil {
		return "", fmt.Errorf("fetch %s SDK: %w", name, err)
	}
	dir := filepath.Join(root, name+"-"+hex.EncodeToString(sum.Sum(nil))[:12])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("fetch %s SDK: %w", name, err)
	}
	tmp, err := os.MkdirTemp(root, "fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch %s SDK: %w", name, err)
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return "", fmt.Errorf("fetch %s SDK: %w", name, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, other := os.Stat(dir); other == nil {
			return dir, nil // somebody else was faster
		}
		return "", fmt.Errorf("fetch %s SDK: %w", name, err)
	}
	return dir, nil
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
