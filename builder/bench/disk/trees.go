package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// defaultTree writes the merged layers of a recipe as a tar. The layers come from the user's cache.
func (o options) defaultTree(ctx context.Context, tar string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(o.helpers, "pkbuild"), "plan", o.recipe).Output()
	if err != nil {
		return fmt.Errorf("pkbuild plan: %w: run make image", err)
	}
	p := &builder.Plan{}
	if err := json.Unmarshal(out, p); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	t, done, err := builder.Tree(ctx, p, builder.Workspace{Dir: filepath.Dir(o.recipe), Helpers: o.helpers,
		Caches: builder.Caches{Cache: filepath.Join(cache, "pkbuild")}, Mirror: builder.Mirror(ctx)})
	if err != nil {
		return err
	}
	return errors.Join(writeTar(t, tar), done())
}

// smallTree writes a tree of files of up to 4 KiB, 500 in each directory.
func (o options) smallTree(_ context.Context, tar string) error {
	t, random := tree.New(), rand.New(rand.NewPCG(1, 2))
	for i := range o.small {
		content := make([]byte, random.IntN(4096))
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		n := &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: time.Unix(1e9, 0), Content: tree.Inline(content)}
		if err := t.Put(fmt.Sprintf("files/%d/%d", i/500, i), n); err != nil {
			return err
		}
	}
	return writeTar(t, tar)
}

func writeTar(t *tree.Tree, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(t.WriteTar(w, time.Now()), w.Flush(), f.Close())
}
