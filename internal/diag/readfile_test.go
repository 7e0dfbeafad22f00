package diag

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe would keep its reader waiting for ever, a device has no end: neither is read, and what is wrong is said with the name.
func TestOnlyRegularFilesOfASizeAreRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, err := range map[string]error{
		"pipe":   syscall.Mkfifo(at("pipe"), 0o600),
		"folder": os.Mkdir(at("folder"), 0o700),
		"small":  os.WriteFile(at("small"), []byte("12345678"), 0o600),
		"large":  os.WriteFile(at("large"), []byte("123456789"), 0o600),
		"zero":   os.Symlink("/dev/zero", at("zero")),
		"link":   os.Symlink("small", at("link")),
		"piped":  os.Symlink("pipe", at("piped")),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	for name, want := range map[string]string{
		"pipe": "it is a pipe", "piped": "it is a pipe", "zero": "it is a device", "folder": "it is a folder",
		"large": "it has more than 0 KiB", "none": "no such file or folder", "small": "", "link": "",
	} {
		b, err := ReadFile(at(name), 8)
		switch {
		case want == "":
			if err != nil || string(b) != "12345678" {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		case err == nil:
			t.Errorf("%s is read", name)
		case !strings.Contains(Unread(err).EN, want) || Unread(err).ZH == "" || !strings.Contains(err.Error(), at(name)):
			t.Errorf("%s: %v, told as %q", name, err, Unread(err))
		}
		if _, large := errors.AsType[*TooLarge](err); large != (name == "large") {
			t.Errorf("%s: too large is %v", name, large)
		}
	}
	if b, _ := ReadFile(at("large"), 8); len(b) != 9 {
		t.Errorf("%d bytes are given of a larger file", len(b))
	}
	if _, err := ReadFile(at("none"), 8); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
