package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// feed runs the script. On descriptor 3 it asks for trees, and 4 is the file for the changes.
func (s Sandbox) feed(ctx context.Context, cmd *exec.Cmd, out *os.File, each func(line string)) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	defer theirs.Close()
	cmd.ExtraFiles = []*os.File{theirs, out}
	var serving errgroup.Group
	err = execute(ctx, cmd, each, func(pid int) {
		_ = theirs.Close() // so that the last question ends with the script
		serving.Go(func() error {
			defer ours.Close() // so that the script does not wait for what will not come
			return s.serve(ctx, ours, filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
		})
	})
	if e := serving.Wait(); e != nil && ctx.Err() == nil {
		return e // of which err is but a consequence
	}
	return err
}

// serve puts trees into directories as long as the script names some, below its own: there it sees mounts that nobody
// else sees. A tree is copied, never shared, as what lies below an overlay must not change.
func (s Sandbox) serve(ctx context.Context, script io.ReadWriter, dir string) error {
	trees := map[string]*tree.Tree{"tools": s.Tools, "tree": s.Tree, "root" + AsideDir: s.Aside}
	for asked := bufio.NewScanner(script); asked.Scan(); {
		t := trees[asked.Text()]
		if t == nil {
			return fmt.Errorf("the sandbox asked for %q, which is no tree of it", asked.Text())
		}
		if err := t.Extract(ctx, filepath.Join(dir, asked.Text())); err != nil {
			return fmt.Errorf("write the tree: %w", err)
		}
		if _, err := fmt.Fprintln(script, "done"); err != nil {
			return nil // it has ended, and says why
		}
	}
	return nil
}

// socketPair are the two ends of a connection.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "sandbox"), os.NewFile(uintptr(fds[1]), "sandbox"), nil
}
