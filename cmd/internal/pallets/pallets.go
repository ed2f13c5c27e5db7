// Package pallets holds the commands that read, check and change the pallet of a directory. pkctl has them on a device,
// and pkbuild on a maintainer's machine.
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

// Flags are the command line flags that all pallet subcommands share, such as the directory of the pallet and the
// cache.
type Flags struct {
	Dir               string // of the pallet
	cache             string
	mirrors           []string
	platform          string
	offline           bool
	dryRun            bool // of the commands that change deployments
	ignoreToolVersion bool
	program           string // that the commands belong to, for messages
}

// Command returns the "pallet" command of a program, with subcommands that show, check and edit pallets, and the flags
// that they share.
func Command(program string) (*cobra.Command, *Flags) {
	w := &Flags{program: program}
	cmd := cli.Group("pallet", "Check, show and change pallets",
		checkCommand(w), planCommand(w), showCommand(w), bundleCommand(w), initCommand(w), sumCommand(w))
	cmd.Aliases = []string{"plt"}
	cmd.AddCommand(listCommands(w)...)
	cmd.AddCommand(editCommands(w)...)
	cmd.AddCommand(requirementCommands(w)...)
	cli.AddJSON(cmd)
	w.add(cmd)
	addExamples(cmd, program)
	return cmd, w
}

func (w *Flags) add(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVarP(&w.Dir, "pallet", "C", ".", "`directory` of the pallet")
	f.StringVar(&w.cache, "cache", "", "`directory` of downloads (default: $PKCTL_CACHE, or the user's cache directory)")
	f.StringArrayVar(&w.mirrors, "mirror", strings.Fields(os.Getenv("PKCTL_MIRRORS")),
		"`prefix=place` of a mirror, such as github.com/=file:///srv/git/github.com/ (repeatable; $PKCTL_MIRRORS)")
	f.Lookup("mirror").DefValue = "[]" // the reference is the same on all machines
	f.StringVar(&w.platform, "platform", "linux/arm64", "`os/architecture[/variant]` of images")
	f.BoolVar(&w.offline, "offline", false, "use only the cache, and mirrors in the file system")
	f.BoolVar(&w.ignoreToolVersion, "ignore-tool-version", false, "read formats that are newer than this program")
	for _, flag := range []string{"pallet", "cache"} {
		_ = cmd.MarkPersistentFlagDirname(flag) // the flags exist
	}
}

// cacheDir returns the directory of downloads.
func (w *Flags) cacheDir() (string, error) {
	if dir := cmp.Or(w.cache, os.Getenv("PKCTL_CACHE")); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; name one with --cache", err)
	}
	return filepath.Join(dir, cacheName), nil
}

// cacheName is the directory of downloads in a user's cache directory.
const cacheName = "pkbuild/pallets"

// Caches returns, for the home directory of root and each one below /home, the default directory of a user's downloads,
// relative to the home directory. These directories need not exist.
func Caches() map[string]string {
	caches := map[string]string{"/root": filepath.Join(".cache", cacheName)}
	homes, _ := filepath.Glob("/home/*") // fails for a malformed pattern only
	for _, home := range homes {
		caches[home] = caches["/root"]
	}
	return caches
}

// Source returns the client that fetches required pallets from Git, with the cache and mirrors that the flags name.
func (w *Flags) Source() (source.Source, error) {
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

func (w *Flags) reader() (pallet.Reader, error) {
	s, err := w.Source()
	return pallet.Reader{Resolver: s, IgnoreToolVersion: w.ignoreToolVersion}, err
}

// Read reads the pallet in a directory and its required pallets, with the cache and mirrors that the flags name. It fails
// if the directory has no forklift-pallet.yml.
func (w *Flags) Read(cmd *cobra.Command, dir string) (*pallet.Pallet, error) {
	r, err := w.reader()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "forklift-pallet.yml")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no forklift-pallet.yml: name the directory of a pallet with --pallet, or make one with "+
			"%s pallet init", dir, w.program)
	}
	return r.Read(cmd.Context(), dir)
}

// read reads the pallet that the flags name.
func (w *Flags) read(cmd *cobra.Command) (*pallet.Pallet, error) { return w.Read(cmd, w.Dir) }

// Bundle returns the bundle of a pallet (the form in which devices store it) and prints its warnings. It downloads what
// the pallet's file exports name. s is the state of the pallet's Git tree, from which the bundle has its version.
func (w *Flags) Bundle(cmd *cobra.Command, p *pallet.Pallet, s source.State) (*pallet.Bundle, error) {
	dir, err := w.cacheDir()
	if err != nil {
		return nil, err
	}
	mirrors, err := mirror.Parse(w.mirrors)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	b, err := p.Bundle(cmd.Context(), pallet.Options{
		Version: s.Version, Commit: s.Commit, Clean: s.Clean,
		Downloads: download.Cache{Dir: filepath.Join(dir, "downloads"), Mirrors: mirrors, Platform: w.platform, Offline: w.offline},
	})
	if err != nil {
		return nil, err
	}
	for _, text := range b.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", text)
	}
	return b, nil
}

// edit returns the editor of the files of requirements of the pallet that the flags name.
func (w *Flags) edit() pallet.Edit { return pallet.Edit{Dir: w.Dir} }

// editDeployments returns the editor of the pallet that the flags name, which shows changes of imported deployments before
// it writes them.
func (w *Flags) editDeployments(cmd *cobra.Command) (pallet.Edit, error) {
	r, err := w.reader()
	return pallet.Edit{Dir: w.Dir, Reader: r, Review: func(changes []pallet.Change) error { return w.review(cmd, changes) }}, err
}

// errDryRun stops an edit before it writes.
var errDryRun = errors.New("dry run")

// review prints changes of imported deployments, and with --dry-run all changes.
func (w *Flags) review(cmd *cobra.Command, changes []pallet.Change) error {
	for _, c := range changes {
		if len(c.Origin) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "imported from %s\n", c.Origin[0])
		}
		switch {
		case c.Content == "" && len(c.Origin) > 0:
			fmt.Fprintf(cmd.ErrOrStderr(), "delete %s, which is in its place\n", c.File)
		case c.Content == "" && w.dryRun:
			fmt.Fprintf(cmd.ErrOrStderr(), "delete %s\n", c.File)
		case len(c.Origin) > 0 || w.dryRun:
			fmt.Fprintf(cmd.ErrOrStderr(), "write %s:\n%s", c.File, indented(c.Content))
		}
	}
	if w.dryRun {
		return errDryRun
	}
	return nil
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// completeDeployments completes names of deployments.
func (w *Flags) completeDeployments(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := w.read(cmd)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.DeploymentNames(), cobra.ShellCompDirectiveNoFileComp
}
