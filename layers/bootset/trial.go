package bootset

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Arguments of the kernel's command line.
const (
	SetArgument    = "pkinit.set="    // the set from which the system was started, in its cmdline.txt
	LaunchArgument = "pkinit.launch=" // the set that pkinit starts by kexec, in launch.txt
)

// launchArguments let a kernel of a Pi 3, 4 or Zero 2 W start another one by kexec, since without PSCI it cannot stop a processor
// that it has started, and let the watchdog run on.
const launchArguments = "nr_cpus=1 watchdog.stop_on_reboot=0"

// Try has the next boot start a set once, by a launcher: the selected set boots with one processor, and pkinit, which first
// takes the selection of the launcher back, starts the set by kexec. Whatever happens to it, the boot after it is of the
// selected set. It fails if the set is damaged.
func (s Store) Try(number int) error {
	selected, err := s.Selected()
	if err != nil {
		return err
	}
	if number == selected {
		return fmt.Errorf("boot set %d: %w", number, ErrSelected)
	}
	if err := errors.Join(s.Verify(number), s.Untry(number)); err != nil {
		return err
	}
	line, err := s.read(path.Join(DirName(selected), Cmdline))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s %s %s%s\n", strings.TrimSpace(string(line)), launchArguments, LaunchArgument, DirName(number))
	if err := s.replace(path.Join(DirName(selected), Launch), text); err != nil {
		return err
	}
	return s.selectSet(selection{number: selected, launch: true})
}

// TryByFirmware has the firmware start a set once after a reboot with the argument "0 tryboot", which only the kernels of
// Raspberry Pi pass on to it. It fails if the set is damaged.
func (s Store) TryByFirmware(number int) error {
	if err := errors.Join(s.Verify(number), s.Untry(number)); err != nil {
		return err
	}
	data, err := s.read(ConfigFile)
	if err != nil {
		return err
	}
	next, err := withSelection(data, selection{number: number})
	if err != nil {
		return err
	}
	if err := s.replace(TryFile, string(next)); err != nil {
		return err
	}
	return s.mark(number)
}

// Launched takes the selection of the launcher back and marks the set as tried. Pkinit calls it before kexec. It fails if the
// set was tried before.
func (s Store) Launched(number int) error {
	found, err := s.selection()
	if err != nil {
		return err
	}
	if found.launch {
		found.launch = false
		if err := s.selectSet(found); err != nil {
			return err
		}
	}
	if s.set(number).Tried {
		return fmt.Errorf("boot set %d was tried before", number)
	}
	return s.mark(number)
}

// Cancel takes back a trial that did not begin.
func (s Store) Cancel() error {
	found, err := s.selection()
	if err != nil || !found.launch {
		return err
	}
	return s.selectSet(selection{number: found.number})
}

// Pending returns the set that the next boot tries, 0 if there is none.
func (s Store) Pending() (int, error) {
	found, err := s.selection()
	if err != nil || !found.launch {
		return 0, err
	}
	line, err := s.read(path.Join(DirName(found.number), Launch))
	if err != nil {
		return 0, err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if name, ok := strings.CutPrefix(word, LaunchArgument); ok {
			return ParseDirName(name), nil
		}
	}
	return 0, fmt.Errorf("%s/%s names no boot set", DirName(found.number), Launch)
}

func (s Store) mark(number int) error {
	return s.replace(path.Join(DirName(number), TriedMark), "")
}

// replace writes a small file that no boot reads yet, and syncs it.
func (s Store) replace(name, text string) error {
	if err := s.Files.RemoveAll(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Files.Create(name, strings.NewReader(text)); err != nil {
		return err
	}
	return s.Files.Sync()
}

// OnTrial reports whether the running set was started on trial.
func (s Store) OnTrial(running int) (bool, error) {
	selected, err := s.Selected()
	return err == nil && running != 0 && running != selected && s.set(running).Tried, err
}

// Confirm selects the running set if it is on trial, and returns its number; 0 if it is not on trial.
func (s Store) Confirm(running int) (kept int, err error) {
	trial, err := s.OnTrial(running)
	if err != nil || !trial {
		return 0, err
	}
	return running, s.Select(running)
}

// Rollback selects the newest complete set below the selected one, cancels a trial, and returns the set. It fails if there is
// none.
func (s Store) Rollback() (number int, err error) {
	selected, err := s.Selected()
	if err != nil {
		return 0, err
	}
	sets, err := s.List()
	if err != nil {
		return 0, err
	}
	for _, set := range sets {
		if set.Number < selected && set.Problem == "" && !set.Tried {
			number = set.Number
		}
	}
	if number == 0 {
		return 0, fmt.Errorf("boot set %d: no older set to go back to", selected)
	}
	return number, s.Select(number)
}
