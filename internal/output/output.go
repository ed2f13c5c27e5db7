// Package output resolves the destinations that users name for files: a regular file is replaced when its new content is
// complete, a pipe and a character device receive a stream, and everything else is refused before anything is written.
package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/compress"
)

// ErrDirectory is the error for a destination that is a directory.
var ErrDirectory = errors.New("is a directory")

// Stdout is the name of the standard output as a destination.
const Stdout = "-"

// Destination is the output file or stream of a command, as the user named it.
type Destination struct {
	Name string // as the user wrote it
	File string // the regular file, which need not exist, with symlinks resolved; "" for a stream
}

// Resolve returns the destination of a name: a file to create or replace, a pipe, a character device, or "-" for the
// standard output. It fails for directories, sockets and block devices; for a block device the error has the command that
// writes a file to it.
func Resolve(name string) (Destination, error) {
	d := Destination{Name: name}
	if name == Stdout {
		return d, nil
	}
	info, err := os.Stat(name)
	switch {
	case strings.HasSuffix(name, "/") && (err == nil || errors.Is(err, fs.ErrNotExist)):
		return d, fmt.Errorf("output %s %w: name a file in it", name, ErrDirectory)
	case errors.Is(err, fs.ErrNotExist):
		d.File, err = followLinks(name)
		return d, err
	case err != nil:
		return d, fmt.Errorf("output: %w", err)
	}
	switch mode := info.Mode(); mode.Type() {
	case 0:
		d.File, err = filepath.EvalSymlinks(name)
		return d, err
	case fs.ModeNamedPipe, fs.ModeDevice | fs.ModeCharDevice:
		return d, nil
	case fs.ModeDir:
		return d, fmt.Errorf("output %s %w: name a file in it", name, ErrDirectory)
	case fs.ModeDevice:
		return d, fmt.Errorf("output %s is a block device: write to a file, and then run: bmaptool copy FILE %s (with --nobmap if "+
			"there is no FILE.bmap)", name, name)
	case fs.ModeSocket:
		return d, fmt.Errorf("output %s is a socket: write to a file or a pipe", name)
	default:
		return d, fmt.Errorf("output %s is not a regular file, a pipe or a character device (%s)", name, mode)
	}
}

// maxLinks is Linux' limit of symlinks in a path.
const maxLinks = 40

// followLinks returns the name of the file that a chain of symlinks leads to, which does not exist.
func followLinks(name string) (string, error) {
	for range maxLinks {
		target, err := os.Readlink(name)
		if err != nil {
			return name, nil // not a symlink
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(name), target)
		}
		name = target
	}
	return "", fmt.Errorf("output: %w", &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP})
}

// IsStream reports whether the destination is a pipe, a character device or the standard output.
func (d Destination) IsStream() bool { return d.File == "" }

// IsStdout reports whether the destination is the standard output of this process, under whatever name.
func (d Destination) IsStdout() bool {
	if !d.IsStream() || d.Name == Stdout {
		return d.Name == Stdout
	}
	out, err := os.Stdout.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(d.Name)
	return err == nil && os.SameFile(out, named)
}

// RequireFile returns an error if the destination is a stream, for content that cannot be streamed, such as "an ext4
// file system".
func (d Destination) RequireFile(content string) error {
	if d.IsStream() {
		return fmt.Errorf("output %s is a stream, and %s is not written front to back: write to a regular file", d.Name, content)
	}
	return nil
}

// Write calls write with a new empty file, which durably replaces the destination if write succeeds; else the destination
// stays as it was. For a stream it calls write with the stream itself, which has then received what was written before an
// error.
func (d Destination) Write(ctx context.Context, write func(*os.File) error) (err error) {
	if !d.IsStream() {
		return atomicfile.Replace(ctx, d.File, write)
	}
	f, err := d.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

// WriteFile writes data to the file or stream that name denotes; see Resolve.
func WriteFile(ctx context.Context, name string, data []byte) error {
	d, err := Resolve(name)
	if err != nil {
		return err
	}
	return d.Write(ctx, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// Open opens a stream for writing. It waits until a named pipe has a reader, and fails if ctx ends before. When ctx ends
// later, writes to a named pipe fail.
func (d Destination) Open(ctx context.Context) (*os.File, error) {
	if d.Name == Stdout {
		fd, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", d.Name, err)
		}
		return os.NewFile(uintptr(fd), os.Stdout.Name()), nil
	}
	for {
		f, err := os.OpenFile(d.Name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) }) // not every device has deadlines
			return f, nil
		}
		if !errors.Is(err, unix.ENXIO) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a reader of %s: %w", d.Name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// RefuseCompressed returns an error if the destination's name ends like a compressed file, for commands that cannot
// compress.
func (d Destination) RefuseCompressed() error {
	if f := compress.FormatOf(d.Name); f != compress.None {
		return fmt.Errorf("output %s: its ending promises %s, and the file is not compressed: choose another ending, and compress the file afterwards", d.Name, f)
	}
	return nil
}
