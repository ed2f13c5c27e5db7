package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder/disk/ext4"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// mkext4 is what is asked of pkbuild mkext4.
type mkext4 struct {
	source, output     string
	size, free         string
	label, uuid        string
	asJSON, sizeGiven  bool
	options            ext4.Options
	freeBytes, entries int64
}

// Made is what pkbuild mkext4 has made; sizes are in bytes.
type Made struct {
	File       string `json:"file"`
	Size       int64  `json:"size"`
	Free       int64  `json:"free"`     // for all users
	Reserved   int64  `json:"reserved"` // for root alone, besides
	Inodes     uint32 `json:"inodes"`
	FreeInodes uint32 `json:"free_inodes"`
	Entries    int64  `json:"entries"` // of the tree, the root among them
	UUID       string `json:"uuid"`
	Label      string `json:"label"`
	Made       string `json:"made"` // the file system's own time of making
}

// reservedPercent of the blocks are for root alone, as mke2fs has it.
const reservedPercent = 5

func mkext4Command() *cobra.Command {
	var m mkext4
	cmd := &cobra.Command{
		Use:   "mkext4 TAR|DIR -o FILE",
		Short: "Write an ext4 file system from a tar or a directory, without root",
		Long: "Write an ext4 file system from a tar or a directory, without root or a mount, the same bytes for the same tree.\n" +
			"A tar may be compressed with gzip, zstd, xz or bzip2, and comes from the standard input where it is -. The file\n" +
			"appears under its name only when it is complete. docs/mkext4.md has examples.",
		Args: exactly("TAR or DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.source, m.sizeGiven = args[0], cmd.Flags().Changed("size")
			if m.output == "" {
				return fmt.Errorf("%w: -o FILE is missing", errUsage)
			}
			if m.source == "-" && isTerminal(os.Stdin) {
				return fmt.Errorf("%w: the standard input is a terminal, and should be a tar", errUsage)
			}
			if err := m.parse(); err != nil {
				return err
			}
			made, err := m.make(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("make %s of %s: %w", m.output, m.source, err)
			}
			if m.asJSON {
				return printJSON(cmd, made)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ext4 of %s, %s free, %d entries, UUID %s\n",
				made.File, inMiB(made.Size), inMiB(made.Free), made.Entries, made.UUID)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&m.output, "output", "o", "", "`file` to write")
	f.StringVar(&m.size, "size", "", "`size` of the file system, such as 2GiB (default: the least that the tree needs and --free)")
	f.StringVar(&m.free, "free", "64MiB", "`size` to leave free for ordinary users, without --size")
	f.StringVar(&m.label, "label", "", "`label` of up to 16 bytes")
	f.StringVar(&m.uuid, "uuid", "", "`UUID` of the file system (default: derived from the tree)")
	f.BoolVar(&m.asJSON, "json", false, "print what was made as JSON")
	cmd.MarkFlagsMutuallyExclusive("size", "free")
	return cmd
}

func inMiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// parse checks what can be wrong with the arguments by themselves.
func (m *mkext4) parse() (err error) {
	if m.freeBytes, err = recipes.ParseSize(m.free); err != nil {
		return fmt.Errorf("%w: --free: %w", errUsage, err)
	}
	m.options = ext4.Options{Label: m.label, ReservedPercent: reservedPercent}
	if m.sizeGiven {
		if m.options.Size, err = recipes.ParseSize(m.size); err != nil {
			return fmt.Errorf("%w: --size: %w", errUsage, err)
		}
	}
	if len(m.label) > 16 {
		return fmt.Errorf("%w: --label %q is longer than 16 bytes", errUsage, m.label)
	}
	if m.uuid != "" {
		if m.options.UUID, err = uuid.Parse(m.uuid); err != nil || m.options.UUID == uuid.Nil {
			return fmt.Errorf("%w: --uuid %q is not a UUID such as %s", errUsage, m.uuid, uuid.NameSpaceURL)
		}
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: SOURCE_DATE_EPOCH=%q is no number of seconds", errUsage, epoch)
		}
		m.options.Now = time.Unix(seconds, 0)
	}
	return m.checkOutput()
}

// checkOutput refuses to put a file in the place of what is none.
func (m *mkext4) checkOutput() error {
	info, err := os.Stat(m.output)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no regular file, and would be replaced by one: write to a file, and copy that", errUsage, m.output)
	}
	return nil
}

// make reads the tree and writes the file system.
func (m *mkext4) make(ctx context.Context, stderr io.Writer) (*Made, error) {
	tree, contents, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	defer contents.Close()
	for _, name := range tree.RemoveWhiteouts() {
		fmt.Fprintf(stderr, "pkbuild: /%s deletes what lies in a layer below, and there is none: it is left out\n", name)
	}
	if err := m.complete(tree); err != nil {
		return nil, err
	}
	var usage ext4.Usage
	err = layers.Replace(m.output, func(f *os.File) error {
		if err := ext4.Write(ctx, f, 0, tree, m.options); err != nil {
			return err
		}
		usage, err = ext4.ReadUsage(f, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Made{
		File: m.output, Size: m.options.Size, Free: usage.Free - usage.Reserved, Reserved: usage.Reserved,
		Inodes: usage.Inodes, FreeInodes: usage.FreeInodes, Entries: m.entries, Label: m.label,
		UUID: uuid.UUID(usage.UUID).String(), Made: m.options.Now.UTC().Format(time.RFC3339),
	}, nil
}

// read makes a tree of the source. Its contents are there until the closer is closed.
func (m *mkext4) read(ctx context.Context) (*layers.Tree, io.Closer, error) {
	dir := filepath.Dir(m.output)
	if m.source == "-" {
		return readInput(ctx, dir)
	}
	f, err := os.Open(m.source)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		tree, contents, err := layers.ReadArchive(ctx, f, dir)
		if contents != f {
			err = errors.Join(err, f.Close())
		}
		return closing(tree, contents, err)
	}
	if within(m.output, m.source) {
		return nil, nil, errors.Join(errors.New("the output lies in the directory that is read: write it elsewhere"), f.Close())
	}
	tree, err := layers.ReadDir(m.source)
	return tree, f, err
}

// readInput reads the standard input. A read of it cannot be called off: where nobody waits any more, it is left alone.
func readInput(ctx context.Context, dir string) (tree *layers.Tree, contents io.Closer, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tree, contents, err = closing(layers.ReadArchive(ctx, os.Stdin, dir))
	}()
	select {
	case <-done:
		return tree, contents, err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// closing drops the type of a file, which would make an interface of a nil one.
func closing(t *layers.Tree, f *os.File, err error) (*layers.Tree, io.Closer, error) {
	return t, f, err
}

// within tells whether a file that may not exist lies below a directory.
func within(file, dir string) bool {
	parent, err1 := filepath.EvalSymlinks(filepath.Dir(file))
	top, err2 := filepath.EvalSymlinks(dir)
	parent, err3 := filepath.Abs(parent)
	top, err4 := filepath.Abs(top)
	rel, err5 := filepath.Rel(top, parent)
	return errors.Join(err1, err2, err3, err4, err5) == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// madeAt is the time of the youngest entry, if that is after 1970 and not in the future, which e2fsck takes for a
// mistake.
func madeAt(tree *layers.Tree) time.Time {
	made, first, now := tree.Youngest(), time.Unix(0, 0), time.Now()
	switch {
	case made.Before(first):
		return first
	case made.After(now):
		return now
	}
	return made
}

// sizeUnit is what a size that nobody gave is a multiple of.
const sizeUnit = 1 << 20

// complete decides what was left open: the UUID and the time by the tree, the size by what it needs.
func (m *mkext4) complete(tree *layers.Tree) error {
	for range tree.Walk() {
		m.entries++
	}
	if m.options.UUID == uuid.Nil {
		digest := tree.MetadataDigest()
		m.options.UUID = uuid.NewSHA1(uuid.NameSpaceURL, append(digest[:], m.label...))
	}
	if m.options.Now.IsZero() {
		m.options.Now = madeAt(tree)
	}
	if !m.sizeGiven {
		o := m.options
		o.Align = sizeUnit
		var err error
		m.options.Size, err = ext4.MinSize(tree, o, m.freeBytes)
		return err
	}
	need, err := ext4.MinSize(tree, m.options, 0)
	if err == nil && need > m.options.Size {
		err = fmt.Errorf("the tree needs %d bytes (%s), and --size is %d", need, inMiB(need), m.options.Size)
	}
	return err
}
