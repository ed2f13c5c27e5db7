package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// device is where a device keeps what pkctl reads and changes.
type device struct {
	dir   string // of the stage store
	boot  string // report of this boot
	state string // directory of the overrides' ledger, queue and reset

	applied string // report of apply in this boot
	noFetch bool   // a stage may be next without its images
}

func stageCommand() *cobra.Command {
	d := &device{}
	cmd := cli.Group("stage", "List and choose what the device starts with",
		lsCommand(d), showCommand(d), verifyCommand(d),
		setNextCommand(d), rollbackCommand(d), resultCommand(d),
		nameCommand(d), unnameCommand(d), rmCommand(d), pruneCommand(d), linkCommand(d), applyCommand(d),
		exportCommand(d), importCommand(d), inventoryCommand(d))
	d.addStore(cmd)
	d.addBoot(cmd)
	d.addState(cmd)
	return cmd
}

func (d *device) addStore(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&d.dir, "store", defaultStore(), "`directory` of the stages")
}

func (d *device) addBoot(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&d.boot, "boot-report", report.Path, "`file` in which pkinit reported this boot")
}

func (d *device) addState(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&d.state, "state", overlays.StateDir, "`directory` of the overrides' ledger and of what is queued")
}

// change opens the store, changes it, and closes it.
func (d *device) change(cmd *cobra.Command, do func(*store.Store) error) error {
	sys, err := store.Linux(d.dir)
	if err != nil {
		return explain(err)
	}
	s, err := store.Open(cmd.Context(), sys)
	if err != nil {
		return explain(err)
	}
	return explain(errors.Join(do(s), s.Close()))
}

// explain says who may change stages.
func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (stages are root's: use sudo, or be a member of the group pkctl)", err)
	}
	return err
}

// load reads the store without locking it. What is unreadable in it is said.
func (d *device) load(cmd *cobra.Command) stages.Snapshot {
	snapshot, err := stages.Load(os.DirFS(d.dir))
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v\n", err)
	}
	return snapshot
}

// running is the stage of this boot; 0 if there is none, or no report of it.
func (d *device) running() (int, error) {
	boot, err := d.report()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return boot.Choice.Stage, err
}

// report is what pkinit reported of this boot.
func (d *device) report() (boot report.Boot, err error) {
	data, err := os.ReadFile(d.boot)
	if err != nil {
		return boot, fmt.Errorf("what this boot is: %w", err)
	}
	if err := json.Unmarshal(data, &boot); err != nil {
		return boot, fmt.Errorf("parse %s: %w", d.boot, err)
	}
	return boot, nil
}

// bundles are the numbers of all bundles, complete or not.
func (d *device) bundles() ([]int, error) {
	sys, err := store.Linux(d.dir)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	return store.Bundles(sys)
}

// completeStages completes the names of stages on the command line.
func (d *device) completeStages(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	snapshot, _ := stages.Load(os.DirFS(d.dir))
	all, _ := d.bundles()
	var names []string
	for _, n := range all {
		names = append(names, fmt.Sprint(n))
	}
	for name := range snapshot.Staged.Names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// manifest is what pkctl shows of a bundle.
func (d *device) manifest(stage int) (store.Manifest, error) {
	return store.ReadManifest(os.DirFS(filepath.Join(d.dir, fmt.Sprint(stage))))
}
