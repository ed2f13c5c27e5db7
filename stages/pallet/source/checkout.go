package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Limits of a commit. Real pallets have hundreds of files and some megabytes.
const (
	maxFiles = 100_000
	maxBytes = 1 << 30
)

// checkout writes the files of a commit to a directory, which appears when it is complete.
func checkout(commit *object.Commit, dir string) error {
	err := replaceDir(dir, func(tmp string) error {
		root, err := os.OpenRoot(tmp)
		if err != nil {
			return err
		}
		w := writer{root: root}
		return errors.Join(w.commit(commit), root.Close())
	})
	if err != nil {
		return fmt.Errorf("check out commit %s: %w", commit.Hash, err)
	}
	return nil
}

// writer writes files below a directory, never through a symlink that leads out of it.
type writer struct {
	root  *os.Root
	files int
	bytes int64
}

func (w *writer) commit(commit *object.Commit) error {
	tree, err := commit.Tree()
	if err != nil {
		return err
	}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.entry(tree, name, entry.Mode); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func (w *writer) entry(tree *object.Tree, name string, mode filemode.FileMode) error {
	if !isValidName(name) {
		return errors.New("file name in the commit is not valid")
	}
	if w.files++; w.files > maxFiles {
		return fmt.Errorf("commit has more than the allowed %d files", maxFiles)
	}
	switch mode {
	case filemode.Dir:
		return w.root.Mkdir(name, 0o755)
	case filemode.Submodule:
		return nil
	case filemode.Symlink:
		return w.symlink(tree, name)
	case filemode.Executable:
		return w.file(tree, name, 0o755)
	}
	return w.file(tree, name, 0o644)
}

// isValidName reports whether a path is clean, stays below its directory, and contains no .git.
func isValidName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return false
		}
	}
	return filepath.IsLocal(name) && path.Clean(name) == name && !strings.ContainsRune(name, 0)
}

func (w *writer) symlink(tree *object.Tree, name string) error {
	const maxTarget = 4096
	f, err := tree.File(name)
	if err != nil {
		return err
	}
	if f.Size > maxTarget {
		return fmt.Errorf("symlink in the commit has a target of %d bytes, which is too long", f.Size)
	}
	target, err := f.Contents()
	if err != nil {
		return err
	}
	return w.root.Symlink(target, name)
}

func (w *writer) file(tree *object.Tree, name string, mode os.FileMode) error {
	f, err := tree.File(name)
	if err != nil {
		return err
	}
	if w.bytes += f.Size; w.bytes > maxBytes {
		return fmt.Errorf("commit has more than the allowed %d bytes of files", maxBytes)
	}
	in, err := f.Reader()
	if err != nil {
		return err
	}
	out, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close(), out.Chmod(mode), out.Close())
}
