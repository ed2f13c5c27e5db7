package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
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
		Args: cli.Exactly("TAR or DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.source, m.sizeGiven = args[0], cmd.Flags().Changed("size")
			if m.output == "" {
				return fmt.Errorf("%w: -o FILE is missing", cli.ErrUsage)
			}
			if m.source == "-" && isTerminal(os.Stdin) {
				return fmt.Errorf("%w: the standard input is a terminal, and should be a tar", cli.ErrUsage)
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
		return fmt.Errorf("%w: --free: %w", cli.ErrUsage, err)
	}
	m.options = ext4.Options{Label: m.label, ReservedPercent: reservedPercent}
	if m.sizeGiven {
		if m.options.Size, err = recipes.ParseSize(m.size); err != nil {
			return fmt.Errorf("%w: --size: %w", cli.ErrUsage, err)
		}
	}
	if len(m.label) > 16 {
		return fmt.Errorf("%w: --label %q is longer than 16 bytes", cli.ErrUsage, m.label)
	}
	if m.uuid != "" {
		if m.options.UUID, err = uuid.Parse(m.uuid); err != nil || m.options.UUID == uuid.Nil {
			return fmt.Errorf("%w: --uuid %q is not a UUID such as %s", cli.ErrUsage, m.uuid, uuid.NameSpaceURL)
		}
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: SOURCE_DATE_EPOCH=%q is no number of seconds", cli.ErrUsage, epoch)
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
		return fmt.Errorf("%w: %s is no regular file, and would be replaced by one: write to a file, and copy that", cli.ErrUsage, m.output)
	}
	return nil
}
