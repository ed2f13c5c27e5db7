package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Files is a layer of files, directories and symlinks that a recipe lists.
type Files struct {
	Entries []File `json:"entries"`
}

// File describes a file, directory or symlink of a Files layer. For one with a source, SHA256 is the expected digest:
// it is part of the cache key, and a source with another content is an error.
type File struct {
	Path    string `json:"path"` // in the tree
	Type    string `json:"type"` // "file", "directory" or "symlink"
	Mode    uint32 `json:"mode"`
	UID     uint32 `json:"uid,omitempty"`
	GID     uint32 `json:"gid,omitempty"`
	Content string `json:"content,omitempty"` // of a file without a source
	Target  string `json:"target,omitempty"`  // of a symlink
	Source  string `json:"source,omitempty"`  // relative to Env.Dir
	Cached  bool   `json:"cached,omitempty"`  // the source is relative to Env.Cache instead
	Program string `json:"program,omitempty"` // one of the helpers, in place of a source
	Arch    string `json:"arch,omitempty"`    // of the program; Pi by default
	SHA256  string `json:"sha256,omitempty"`  // of the source or program
}

// Kind returns the name and version of the layer kind "files".
func (Files) Kind() Kind { return Kind{Name: "files", Version: 1} }

// Make returns a tree with the entries. It fails if a source does not have its recorded digest.
func (f Files) Make(ctx context.Context, env *Env, _ *tree.Tree) (*tree.Tree, error) {
	t := tree.New()
	for _, e := range f.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := e.node(ctx, env)
		if err != nil {
			return nil, err
		}
		if err := t.Put(e.Path, n); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (e File) node(ctx context.Context, env *Env) (*tree.Node, error) {
	n := &tree.Node{Mode: e.Mode, UID: e.UID, GID: e.GID, ModTime: env.Latest}
	switch e.Type {
	case "directory":
	case "symlink":
		n.Type, n.Mode, n.Target = tree.Symlink, 0o777, e.Target
	case "file":
		n.Type = tree.Regular
		var err error
		n.Content, err = e.content(ctx, env)
		return n, err
	default:
		return nil, fmt.Errorf("file %s: unknown type %q", e.Path, e.Type)
	}
	return n, nil
}

func (e File) content(ctx context.Context, env *Env) (tree.Content, error) {
	switch {
	case e.Cached:
		return OpenSource(ctx, filepath.Join(env.Cache, e.Source), e.SHA256)
	case e.Source != "":
		return OpenSource(ctx, Locate(env.Dir, e.Source), e.SHA256)
	case e.Program != "":
		return OpenSource(ctx, filepath.Join(env.Helpers, Helper(e.Program, cmp.Or(e.Arch, Pi))), e.SHA256)
	}
	return tree.Inline(e.Content), nil
}

// inlineLimit is the size in bytes up to which OpenSource reads a file into memory.
const inlineLimit = 1 << 20

// OpenSource opens a file of the building machine as the content of a file in a tree. It fails if the SHA-256 of the file,
// in hexadecimal, is not digest. A file of more than 1 MiB stays open as long as the content is in use.
func OpenSource(ctx context.Context, name, digest string) (tree.Content, error) {
	f, err := os.Open(name)
	if err != nil {
		return tree.Content{}, err
	}
	sum, size, err := sha256sum.Reader(ctx, f)
	if err != nil {
		return tree.Content{}, errors.Join(err, f.Close())
	}
	if sum != digest {
		err := fmt.Errorf("%s changed since the plan was made: its SHA-256 is %s, not %s", name, sum, digest)
		return tree.Content{}, errors.Join(err, f.Close())
	}
	c := tree.Content{ReaderAt: f, Size: size}
	if size > inlineLimit {
		return c, nil
	}
	data, err := io.ReadAll(c.Reader())
	if err != nil {
		return tree.Content{}, fmt.Errorf("read %s: %w", name, err)
	}
	return tree.Inline(data), f.Close()
}
