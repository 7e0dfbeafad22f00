// Package payloads gives webhook deliveries that nobody here wrote: the examples of the npm package
// @octokit/webhooks-examples, contributed by GitHub users, 58 kinds of event and some 329 payloads of 1 to 30 KB.
//
// npm fetches the package, from whatever registry its own configuration names, into a cache folder.
package payloads

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	name    = "@octokit/webhooks-examples"
	version = "7.6.1"
)

// Example is one delivery as it was recorded.
type Example struct {
	Event string          // the X-GitHub-Event header: issues, star, ...
	Raw   json.RawMessage // the body, with the package's own white space
}

// Tools says what is missing to fetch the package.
func Tools() error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not on the PATH: install Node.js with npm, to fetch " + name)
	}
	return nil
}

// Fetch downloads the package into cache (once) and returns its examples in the package's order.
func Fetch(ctx context.Context, cache string) ([]Example, error) {
	tgz := filepath.Join(cache, "octokit-webhooks-examples-"+version+".tgz")
	if _, err := os.Stat(tgz); err != nil {
		if err := os.MkdirAll(cache, 0o755); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, err)
		}
		tmp, err := os.MkdirTemp(cache, "fetch-")
		if err != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, err)
		}
		defer os.RemoveAll(tmp)
		cmd := exec.CommandContext(ctx, "npm", "pack", name+"@"+version, "--pack-destination", tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("npm pack %s@%s: %w\n%s", name, version, err, out)
		}
		if err := os.Rename(filepath.Join(tmp, filepath.Base(tgz)), tgz); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, err)
		}
	}
	f, err := os.Open(tgz)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	out, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w (delete the file to fetch it again)", tgz, err)
	}
	return out, nil
}

// read takes the examples of the public service (api.github.com) from the package's archive.
func read(r io.Reader) ([]Example, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err != nil {
			return nil, fmt.Errorf("api.github.com/index.json: %w", err)
		}
		if !strings.HasSuffix(h.Name, "/api.github.com/index.json") {
			continue
		}
		var kinds []struct {
			Name     string            `json:"name"`
			Examples []json.RawMessage `json:"examples"`
		}
		if err := json.NewDecoder(tr).Decode(&kinds); err != nil {
			return nil, fmt.Errorf("api.github.com/index.json: %w", err)
		}
		var out []Example
		for _, k := range kinds {
			for _, raw := range k.Examples {
				out = append(out, Example{Event: k.Name, Raw: raw})
			}
		}
		return out, nil
	}
}
