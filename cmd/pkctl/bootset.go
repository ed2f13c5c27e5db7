package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// bootLock is locked by one change of the boot partition at a time.
const bootLock = "/run/lock/pkctl-boot"

// bootSets are the boot sets of the device, with the flags that say where they are.
type bootSets struct {
	dir, root, lock string
}

// bootSetCommands returns the subcommands of pkctl boot that work on boot sets.
func bootSetCommands() []*cobra.Command {
	b := &bootSets{}
	commands := []*cobra.Command{b.list(), b.verify(), b.setNext(), b.rollback(), b.add(), b.prune(), b.confirm()}
	for _, cmd := range commands {
		cmd.Flags().StringVar(&b.dir, "boot-dir", "/"+boot.Firmware, "`directory` of the boot partition")
		cmd.Flags().StringVar(&b.lock, "lock", bootLock, "`file` that is locked by one change at a time")
	}
	return commands
}

func (b *bootSets) store() bootset.Store { return bootset.Store{Files: bootset.Dir(b.dir)} }

// change runs a change of the boot partition under its lock.
func (b *bootSets) change(ctx context.Context, f func(bootset.Store) error) (err error) {
	unlock, err := atomicfile.LockWithin(ctx, b.lock, time.Minute)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return f(b.store())
}

// running returns the set from which the system was started, 0 if none.
func running() (int, error) {
	line, err := os.ReadFile("/proc/cmdline")
	return bootset.RunningSet(string(line)), err
}

func (b *bootSets) list() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List the boot sets: kernels with their initramfs, device trees and command line",
		Example: "  pkctl boot ls\n  pkctl boot ls --json", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sets, err := b.store().List()
			if err != nil {
				return err
			}
			pending, err := b.store().Pending()
			if err != nil {
				return err
			}
			now, err := running()
			if err != nil {
				return err
			}
			var text strings.Builder
			for _, s := range sets {
				fmt.Fprintf(&text, "%d  %s  %d MiB%s\n", s.Number, s.Kernel, s.Size>>20, describeSet(s, now, pending))
			}
			return cli.Printf(cmd, sets, "%s", text.String())
		},
	}
}

// describeSet says what role a set has.
func describeSet(s bootset.Set, running, pending int) string {
	text := ""
	for _, role := range []struct {
		is   bool
		name string
	}{
		{s.Selected, "selected"}, {s.Number == running, "running"}, {s.Number == pending, "is tried by the next boot"},
		{s.Tried && s.Number == running, "on trial"}, {s.Tried && s.Number != running, "failed its trial"}, {s.Problem != "", s.Problem},
	} {
		if role.is {
			text += ", " + role.name
		}
	}
	return strings.Replace(text, ", ", "  ", 1)
}

func (b *bootSets) verify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [SET]", Short: "Compare the files of boot sets with their checksums",
		Example: "  pkctl boot verify\n  pkctl boot verify 2", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers, err := b.numbers(args)
			if err != nil {
				return err
			}
			var all []error
			for _, n := range numbers {
				all = append(all, b.store().Verify(n))
			}
			if err := errors.Join(all...); err != nil {
				return err
			}
			return cli.Printf(cmd, numbers, "%d boot sets are as they were written\n", len(numbers))
		},
	}
}

// numbers returns the set of an argument, or all sets.
func (b *bootSets) numbers(args []string) (numbers []int, err error) {
	if len(args) == 1 {
		n, err := parseSet(args[0])
		return []int{n}, err
	}
	sets, err := b.store().List()
	for _, s := range sets {
		numbers = append(numbers, s.Number)
	}
	return numbers, err
}

func parseSet(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %q is not the number of a boot set", cli.ErrUsage, text)
	}
	return n, nil
}

func (b *bootSets) setNext() *cobra.Command {
	return &cobra.Command{
		Use: "set-next SET", Short: "Try a boot set once: the next boot starts it, and a good verdict keeps it",
		Long: "Try a boot set once. The next boot starts it; if the device is well then, all boots do. Whatever else happens, a panic, a hang\n" +
			"with a watchdog, a bad verdict or a power cut, the boot after it starts the selected set again.",
		Example: "  pkctl boot set-next 2 && systemctl reboot", Args: cli.Exactly("SET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := parseSet(args[0])
			if err != nil {
				return err
			}
			reboot := "systemctl reboot"
			err = b.change(cmd.Context(), func(s bootset.Store) error {
				if !passesTryboot() {
					return s.Try(n)
				}
				reboot = `systemctl reboot --reboot-argument="0 tryboot"`
				return s.TryByFirmware(n)
			})
			if err != nil {
				return err
			}
			return cli.Printf(cmd, map[string]any{"set": n, "reboot": reboot}, "boot set %d is tried by: %s\n", n, reboot)
		},
	}
}

// passesTryboot reports whether the running kernel is one of Raspberry Pi's, which pass the tryboot flag on to the firmware.
func passesTryboot() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	release, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return bytes.Contains(release, []byte("rpi")) || bytes.Contains(release, []byte("rpt"))
}

func (b *bootSets) rollback() *cobra.Command {
	return &cobra.Command{
		Use: "rollback", Short: "Start the boot set that was selected before the present one",
		Long: "Start the newest complete boot set below the selected one from the next boot on, and cancel a trial. The set was good when it\n" +
			"was selected; it is not tried again, so there is no way back by itself.",
		Example: "  pkctl boot rollback && systemctl reboot", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var to int
			err := b.change(cmd.Context(), func(s bootset.Store) (err error) {
				to, err = s.Rollback()
				return err
			})
			if err != nil {
				return err
			}
			return cli.Printf(cmd, map[string]int{"set": to}, "boot set %d is selected from the next boot on\n", to)
		},
	}
}

func (b *bootSets) add() *cobra.Command {
	try := false
	cmd := &cobra.Command{
		Use: "add VERSION", Short: "Write a boot set with an installed kernel, beside the running one",
		Long: "Write a boot set with an installed kernel: its image, device trees and modules, with the pkinit, overlays and command line\n" +
			"of the selected set. config.txt stays as it is. The hooks of apt do so for each kernel that they install, with --try.",
		Example: "  pkctl boot add 7.3.4+deb13-arm64", Args: cli.Exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			err := b.change(cmd.Context(), func(s bootset.Store) (err error) {
				var missing []string
				if number, missing, err = boot.AddSet(s, b.root, b.dir, args[0]); err != nil {
					return err
				}
				for _, m := range missing {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: kernel %s has no module %s\n", args[0], m)
				}
				if try && !passesTryboot() {
					return s.Try(number)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return cli.Printf(cmd, map[string]int{"set": number}, "boot set %d has kernel %s\n", number, args[0])
		},
	}
	cmd.Flags().StringVar(&b.root, "root", "/", "root `directory` of the device")
	cmd.Flags().BoolVar(&try, "try", false, "try it by the next boot")
	return cmd
}

func (b *bootSets) prune() *cobra.Command {
	keep := 2
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove the oldest boot sets",
		Example: "  pkctl boot prune\n  pkctl boot prune --keep 1", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var removed []int
			err := b.change(cmd.Context(), func(s bootset.Store) error {
				now, err := running()
				if err == nil {
					removed, err = s.Prune(keep, now)
				}
				return err
			})
			if err != nil {
				return err
			}
			return cli.Printf(cmd, append([]int{}, removed...), "%d boot sets were removed\n", len(removed))
		},
	}
	cmd.Flags().IntVar(&keep, "keep", keep, "`number` of boot sets that stay")
	return cmd
}

func (b *bootSets) confirm() *cobra.Command {
	return &cobra.Command{
		Use: "confirm", Short: "Keep the boot set that is on trial",
		Long:    "Select the boot set that is on trial for all following boots, as a good verdict of pkctl stage apply does.",
		Example: "  pkctl boot confirm", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := b.keep(cmd.Context())
			if err != nil {
				return err
			}
			if n == 0 {
				return cli.Printf(cmd, map[string]int{"set": 0}, "no boot set is on trial\n")
			}
			return cli.Printf(cmd, map[string]int{"set": n}, "boot set %d is kept\n", n)
		},
	}
}

// keep selects the running set if it is on trial, and returns its number; 0 if none is.
func (b *bootSets) keep(ctx context.Context) (kept int, err error) {
	now, err := running()
	if err != nil || now == 0 {
		return 0, err
	}
	err = b.change(ctx, func(s bootset.Store) error {
		kept, err = s.Confirm(now)
		return err
	})
	return kept, err
}

// judge keeps the boot set of this boot after a good verdict if it is on trial. After a bad one it reboots into the selected
// set, if the verdict itself does not.
func (b *bootSets) judge(ctx context.Context, r *apply.Report, mayReboot bool, reboot func(context.Context) error, log func(string)) {
	now, err := running()
	if err == nil && now != 0 && r.Result == stages.Good {
		var kept int
		if kept, err = b.keep(ctx); kept > 0 {
			log(fmt.Sprintf("boot set %d is kept", kept))
		}
	}
	if err == nil && now != 0 && r.Result == stages.Failed && mayReboot && !r.Reboot {
		var trial bool
		if trial, err = b.store().OnTrial(now); trial {
			log(fmt.Sprintf("boot set %d failed its trial: rebooting into the selected one", now))
			err = reboot(ctx)
		}
	}
	if err != nil && !errors.Is(err, bootset.ErrNone) {
		log(fmt.Sprintf("problem: the trial of the boot set was not concluded: %v", err))
	}
}
