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

// Try durably has the next boot start a set once, by kexec: the firmware boots the selected set with one processor and
// launch.txt as its command line, and pkinit in it undoes this change of config.txt, then starts the set. Whatever happens
// to that set, the boot after it is of the selected one. Try fails if the set is selected, or differs from its manifest.
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

// TryByFirmware has the firmware start a set once, after `reboot "0 tryboot"`, and marks the set as tried. Only the kernels
// of Raspberry Pi pass this argument on to the firmware. TryByFirmware fails if the set differs from its manifest.
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

// Launched undoes the change of config.txt that Try made, so that the next boot is an ordinary one of the selected set, and
// durably marks the set to start as tried. Pkinit calls it before it starts that set by kexec. If the set is marked already,
// it fails after it has changed config.txt back.
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

// Cancel takes back a trial by Try that has not begun; without one it does nothing. It does not undo TryByFirmware.
func (s Store) Cancel() error {
	found, err := s.selection()
	if err != nil || !found.launch {
		return err
	}
	return s.selectSet(selection{number: found.number})
}

// Pending returns the number of the set that the next boot starts because of Try; 0 if there is none. It does not know of
// TryByFirmware.
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

// OnTrial reports whether the running set, by its number from RunningSet, was started on trial: it is marked as tried and
// not selected. For 0 it returns false.
func (s Store) OnTrial(running int) (bool, error) {
	selected, err := s.Selected()
	return err == nil && running != 0 && running != selected && s.set(running).Tried, err
}

// Confirm selects the running set, by its number from RunningSet, if it is on trial, and returns that number; else it
// changes nothing and returns 0. It fails if the set differs from its manifest.
func (s Store) Confirm(running int) (kept int, err error) {
	trial, err := s.OnTrial(running)
	if err != nil || !trial {
		return 0, err
	}
	return running, s.Select(running)
}

// Rollback selects the newest set that is older than the selected one, complete and not marked as tried, cancels a pending
// trial, and returns the number of the set. It fails if there is no such set, or its files differ from its manifest.
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
