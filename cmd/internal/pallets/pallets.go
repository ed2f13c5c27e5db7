// Package pallets has the commands for pallets that work on a directory. They are the same on a device and on a
// maintainer's machine.
package pallets

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/download"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// Workbench is what the commands work on and with, as the flags say.
type Workbench struct {
	Dir               string // of the pallet
	cache             string
	mirrors           []string
	platform          string
	offline           bool
	ignoreToolVersion bool
	json              bool
}

// Command is the group of the commands, and the workbench by which others added to it do the same work.
func Command() (*cobra.Command, *Workbench) {
	w := &Workbench{}
	cmd := cli.Group("pallet", "Check, show and change pallets",
		checkCommand(w), planCommand(w), showCommand(w), bundleCommand(w), initCommand(w), sumCommand(w))
	cmd.Aliases = []string{"plt"}
	cmd.AddCommand(listCommands(w)...)
	cmd.AddCommand(editCommands(w)...)
	cmd.AddCommand(requirementCommands(w)...)
	w.add(cmd)
	return cmd, w
}

func (w *Workbench) add(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVarP(&w.Dir, "pallet", "C", ".", "`directory` of the pallet")
	f.StringVar(&w.cache, "cache", "", "`directory` of what was downloaded (default: $PKCTL_CACHE, or that of the user)")
	f.StringArrayVar(&w.mirrors, "mirror", strings.Fields(os.Getenv("PKCTL_MIRRORS")),
		"`prefix=place` to look in instead, such as github.com/=file:///srv/git/github.com/ (repeatable; $PKCTL_MIRRORS)")
	f.StringVar(&w.platform, "platform", "linux/arm64", "`os/architecture[/variant]` of images")
	f.BoolVar(&w.offline, "offline", false, "use the cache and mirrors in the file system only")
	f.BoolVar(&w.ignoreToolVersion, "ignore-tool-version", false, "read formats that are newer than this program, too")
	f.BoolVar(&w.json, "json", false, "print JSON")
	for _, flag := range []string{"pallet", "cache"} {
		_ = cmd.MarkPersistentFlagDirname(flag) // the flags exist
	}
}

// cacheDir is where downloads are kept.
func (w *Workbench) cacheDir() (string, error) {
	if dir := cmp.Or(w.cache, os.Getenv("PKCTL_CACHE")); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no directory for downloads: %w; name one with --cache", err)
	}
	return filepath.Join(dir, "pkbuild", "pallets"), nil
}

// Source is where required pallets are from.
func (w *Workbench) Source() (source.Source, error) {
	dir, err := w.cacheDir()
	if err != nil {
		return source.Source{}, err
	}
	mirrors, err := mirror.Parse(w.mirrors)
	if err != nil {
		return source.Source{}, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return source.Source{Cache: filepath.Join(dir, "git"), Mirrors: mirrors, Offline: w.offline}, nil
}

func (w *Workbench) reader() (pallet.Reader, error) {
	s, err := w.Source()
	return pallet.Reader{Resolver: s, IgnoreToolVersion: w.ignoreToolVersion}, err
}

// Read reads the pallet of a directory.
func (w *Workbench) Read(cmd *cobra.Command, dir string) (*pallet.Pallet, error) {
	r, err := w.reader()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "forklift-pallet.yml")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no pallet: it has no forklift-pallet.yml; name another directory with --pallet, "+
			"or make one with: pallet init", dir)
	}
	return r.Read(cmd.Context(), dir)
}

// read reads the pallet that the flags name.
func (w *Workbench) read(cmd *cobra.Command) (*pallet.Pallet, error) { return w.Read(cmd, w.Dir) }

// Bundle makes the bundle of a pallet, with all that it downloads.
func (w *Workbench) Bundle(cmd *cobra.Command, p *pallet.Pallet, s source.State) (*pallet.Bundle, error) {
	dir, err := w.cacheDir()
	if err != nil {
		return nil, err
	}
	mirrors, err := mirror.Parse(w.mirrors)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return p.Bundle(cmd.Context(), pallet.Options{
		Version: s.Version, Commit: s.Commit, Clean: s.Clean,
		Downloads: download.Cache{Dir: filepath.Join(dir, "downloads"), Mirrors: mirrors, Platform: w.platform, Offline: w.offline},
	})
}

// edit changes the pallet that the flags name.
func (w *Workbench) edit() pallet.Edit { return pallet.Edit{Dir: w.Dir} }

// completeDeployments completes names of deployments.
func (w *Workbench) completeDeployments(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := w.read(cmd)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.DeploymentNames(), cobra.ShellCompDirectiveNoFileComp
}

func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}
