package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder/ext4image"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// mkext4 are the flags of pkbuild mkext4.
type mkext4 struct {
	output, size, free, label, uuid string
}

func mkext4Command() *cobra.Command {
	var m mkext4
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "mkext4 TAR|DIR -o FILE",
		Short: "Write an ext4 file system from a tar or a directory, without root",
		Long: "Write an ext4 file system from a tar or a directory, without root or a mount. Equal trees give equal bytes. A tar\n" +
			"may be compressed with gzip, zstd, xz or bzip2; - reads it from the standard input. The file gets its name when\n" +
			"it is complete. docs/mkext4.md has more examples.",
		Example: "  pkbuild mkext4 rootfs.tar.zst -o root.img --label rootfs\n  docker export web | pkbuild mkext4 - -o web.img --size 4GiB",
		Args:    cli.Exactly("TAR or DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := m.options(args[0], os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			if o.Source == "-" && cli.IsTerminal(os.Stdin) {
				return fmt.Errorf("%w: the standard input is a terminal, want a tar", cli.ErrUsage)
			}
			o.Warn = func(line string) { fmt.Fprintf(cmd.ErrOrStderr(), "pkbuild: %s\n", line) }
			made, err := ext4image.Write(cmd.Context(), o)
			if err != nil {
				return fmt.Errorf("write %s from %s: %w", o.Output, o.Source, err)
			}
			if asJSON {
				return printJSON(cmd, made)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ext4 of %s, %s free, %d entries, UUID %s\n",
				made.File, inMiB(made.Size), inMiB(made.Free), made.Entries, made.UUID)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&m.output, "output", "o", "", "`file` to write")
	f.StringVar(&m.size, "size", "", "`size` of the file system, such as 2GiB (default: the smallest for the tree and --free)")
	f.StringVar(&m.free, "free", "64MiB", "free `space` for ordinary users, without --size")
	f.StringVar(&m.label, "label", "", "`label` of up to 16 bytes")
	f.StringVar(&m.uuid, "uuid", "", "`UUID` of the file system (default: derived from the tree)")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.MarkFlagsMutuallyExclusive("size", "free")
	return cmd
}

func inMiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// options parses the flags and the environment variable SOURCE_DATE_EPOCH.
func (m mkext4) options(source, epoch string) (o ext4image.Options, err error) {
	if m.output == "" {
		return o, fmt.Errorf("%w: -o FILE is missing", cli.ErrUsage)
	}
	o = ext4image.Options{Source: source, Output: m.output, Label: m.label}
	if o.Free, err = recipes.ParseSize(m.free); err != nil {
		return o, fmt.Errorf("%w: --free: %w", cli.ErrUsage, err)
	}
	if m.size != "" {
		if o.Size, err = recipes.ParseSize(m.size); err != nil {
			return o, fmt.Errorf("%w: --size: %w", cli.ErrUsage, err)
		}
		if o.Size == 0 {
			return o, fmt.Errorf("%w: --size is 0, want a positive size such as 512MiB", cli.ErrUsage)
		}
	}
	if len(m.label) > 16 {
		return o, fmt.Errorf("%w: --label %q is longer than 16 bytes", cli.ErrUsage, m.label)
	}
	if m.uuid != "" {
		if o.UUID, err = uuid.Parse(m.uuid); err != nil || o.UUID == uuid.Nil {
			return o, fmt.Errorf("%w: --uuid %q is not a UUID such as %s", cli.ErrUsage, m.uuid, uuid.NameSpaceURL)
		}
	}
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return o, fmt.Errorf("%w: SOURCE_DATE_EPOCH %q is not a number of seconds", cli.ErrUsage, epoch)
		}
		o.Now = time.Unix(seconds, 0)
	}
	return o, checkOutput(m.output)
}

// checkOutput refuses destinations that cannot be written.
func checkOutput(name string) error {
	d, err := output.Resolve(name)
	if err == nil {
		err = errors.Join(d.RequireFile("an ext4 file system"), d.RefuseCompressed())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return nil
}
