package diag

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// unfit is why a file that is there is not read.
type unfit struct{ Text }

func (u *unfit) Error() string { return u.EN }

// TooLarge is the error of a file that has more bytes than are read.
type TooLarge struct{ unfit }

func (t *TooLarge) Unwrap() error { return &t.unfit }

// ReadFile reads a regular file, or a link to one, of at most so many bytes. A pipe would keep its reader waiting for ever, a device has no
// end: both are errors. So is a larger file, with *TooLarge beside the first bytes, one more than the most.
func ReadFile(name string, most int) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil {
		err = regular(name, info)
	}
	if err != nil {
		return nil, err
	}
	// What the name stands for may be another file by now: opening a pipe does not wait, and what was opened is asked again.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	if info, err = f.Stat(); err == nil {
		err = regular(name, info)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(b) > most {
		err = &fs.PathError{Op: "read", Path: name, Err: &TooLarge{unfit{Text{fmt.Sprintf("it has more than %d KiB", most>>10), fmt.Sprintf("超过 %d KiB", most>>10)}}}}
	}
	return b, err
}

// regular is nil for a regular file.
func regular(name string, info fs.FileInfo) error {
	what := Text{"not a regular file", "不是普通文件"}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = Text{"it is a folder", "这是文件夹"}
	case mode&fs.ModeNamedPipe != 0:
		what = Text{"it is a pipe, and only a regular file is read", "这是管道，只能读普通文件"}
	case mode&fs.ModeDevice != 0:
		what = Text{"it is a device, and only a regular file is read", "这是设备，只能读普通文件"}
	case mode&fs.ModeSocket != 0:
		what = Text{"it is a socket, and only a regular file is read", "这是套接字，只能读普通文件"}
	}
	return &fs.PathError{Op: "read", Path: name, Err: &unfit{what}}
}
