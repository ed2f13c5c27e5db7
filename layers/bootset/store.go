package bootset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Store is the boot sets of a boot partition. Its methods take no lock: callers exclude other writers.
type Store struct{ Files Files }

// Reserve is the number of bytes that Add leaves free for the firmware's own files and logs.
const Reserve = 16 << 20

// ErrNone is returned for a boot partition that has no boot sets, or is not mounted.
var ErrNone = errors.New("no boot sets")

// ErrSelected is returned for the removal of a set that config.txt selects.
var ErrSelected = errors.New("boot set is selected")

func (s Store) read(name string) ([]byte, error) {
	f, err := s.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// List returns the sets in the order of their numbers. One that is incomplete, or whose manifest cannot be read, has a
// Problem. List fails with ErrNone if config.txt is missing or selects no set.
func (s Store) List() ([]Set, error) {
	selected, err := s.selection()
	if err != nil {
		return nil, err
	}
	entries, err := s.Files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var sets []Set
	for _, e := range entries {
		n := ParseDirName(e.Name())
		if n == 0 || !e.IsDir() {
			continue
		}
		set := s.set(n)
		set.Selected = n == selected.number
		sets = append(sets, set)
	}
	return sorted(sets), nil
}

func (s Store) selection() (selection, error) {
	data, err := s.read(ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return selection{}, fmt.Errorf("%w: the boot partition has no %s; is it mounted?", ErrNone, ConfigFile)
	}
	if err != nil {
		return selection{}, err
	}
	found, _, err := parseConfig(data)
	return found, err
}

// set reads the manifest of a set.
func (s Store) set(n int) Set {
	set := Set{Number: n}
	data, err := s.read(path.Join(DirName(n), Manifest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		set.Problem = "incomplete: its writing was interrupted"
	case err != nil:
		set.Problem = err.Error()
	default:
		if set.Kernel, set.Files, err = ParseManifest(data); err != nil {
			set.Problem = err.Error()
		}
	}
	for _, f := range set.Files {
		set.Size += f.Size
	}
	if f, err := s.Files.Open(path.Join(DirName(n), TriedMark)); err == nil {
		set.Tried = true
		_ = f.Close() // read-only
	}
	return set
}

// Selected returns the number of the set that config.txt selects. It fails with ErrNone if config.txt is missing or selects
// no set.
func (s Store) Selected() (int, error) {
	found, err := s.selection()
	return found.number, err
}

// Verify compares the files of a set with its manifest. It fails with all differences, also if the set does not exist or is
// incomplete. The command line may differ, since people edit it, but not be empty.
func (s Store) Verify(number int) error {
	set := s.set(number)
	if set.Problem != "" {
		return fmt.Errorf("boot set %d: %s", number, set.Problem)
	}
	var all []error
	for _, name := range slices.Sorted(maps.Keys(set.Files)) {
		f, err := s.Files.Open(path.Join(DirName(number), name))
		if err != nil {
			all = append(all, fmt.Errorf("boot set %d: %w", number, err))
			continue
		}
		got, err := Digest(f)
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("boot set %d: read %s: %w", number, name, err)
		} else if want := set.Files[name]; name == Cmdline && got.Size == 0 {
			err = fmt.Errorf("boot set %d: %s is empty", number, name)
		} else if got != want && name != Cmdline {
			err = fmt.Errorf("boot set %d: %s is damaged: it has %d bytes and SHA-256 %.12s, want %d and %.12s",
				number, name, got.Size, got.SHA256, want.Size, want.SHA256)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Content is a file of a set that is to be written.
type Content struct {
	Size int64 // in bytes
	Open func() (io.ReadCloser, error)
}

// Bytes returns data as the content of a file.
func Bytes(data []byte) Content {
	return Content{int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// Add durably writes a new set with the kernel of a version, verifies it, and returns its number; it does not select the
// set. The command line among files must have SetArgument, by which a system knows from which set it was started. Add first
// removes incomplete sets, and fails before it writes if less than Reserve would stay free.
func (s Store) Add(kernel string, files map[string]Content) (number int, err error) {
	if number, err = s.Prepare(files); err != nil {
		return 0, err
	}
	dir := DirName(number)
	digests := map[string]File{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if digests[name], err = s.write(path.Join(dir, name), files[name]); err != nil {
			return 0, errors.Join(fmt.Errorf("write boot set %d: %w", number, err), s.Files.RemoveAll(dir))
		}
	}
	if err := s.Files.Sync(); err != nil {
		return 0, fmt.Errorf("write boot set %d: %w", number, err)
	}
	if err := s.Files.Create(path.Join(dir, Manifest), bytes.NewReader(FormatManifest(kernel, digests))); err != nil {
		return 0, fmt.Errorf("write boot set %d: %w", number, err)
	}
	if err := s.Files.Sync(); err != nil {
		return 0, fmt.Errorf("write boot set %d: %w", number, err)
	}
	return number, s.Verify(number)
}

// write writes a file and returns its digest.
func (s Store) write(name string, c Content) (File, error) {
	r, err := c.Open()
	if err != nil {
		return File{}, err
	}
	defer r.Close()
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.Files.Create(name, reader)
		reader.CloseWithError(err)
		done <- err
	}()
	got, err := Digest(io.TeeReader(r, writer))
	writer.CloseWithError(err)
	if err = errors.Join(err, <-done); err != nil {
		return got, err
	}
	if got.Size != c.Size {
		return got, fmt.Errorf("%s has %d bytes, want %d", name, got.Size, c.Size)
	}
	return got, nil
}

// Next returns the number of the set that Add will write: one more than the highest. It fails as List does.
func (s Store) Next() (number int, err error) {
	sets, err := s.List()
	number = 1
	for _, set := range sets {
		number = max(number, set.Number+1)
	}
	return number, err
}

// Prepare removes all sets with a Problem but the selected one, and returns the number of the next set. It fails if the boot
// partition has no room for files and Reserve.
func (s Store) Prepare(files map[string]Content) (number int, err error) {
	sets, err := s.List()
	if err != nil {
		return 0, err
	}
	if number, err = s.Next(); err != nil {
		return 0, err
	}
	for _, set := range sets {
		if set.Problem != "" && !set.Selected {
			if err := s.Files.RemoveAll(DirName(set.Number)); err != nil {
				return 0, fmt.Errorf("remove boot set %d: %w", set.Number, err)
			}
		}
	}
	free, cluster, err := s.Files.Free()
	if err != nil {
		return 0, err
	}
	if need := Room(files, cluster) + Reserve; need > free {
		return 0, fmt.Errorf("boot set needs %d MiB with a reserve of %d, and the boot partition has %d MiB free; run: pkctl boot prune",
			need>>20, Reserve>>20, free>>20)
	}
	return number, nil
}

// Room estimates how many bytes the files of a set, its directories and its manifest take on a file system whose clusters
// have the given size in bytes.
func Room(files map[string]Content, cluster int64) int64 {
	cluster = max(cluster, sectorSize)
	dirs := map[string]bool{}
	var need int64
	for name, c := range files {
		need += (c.Size + cluster - 1) / cluster * cluster
		dirs[path.Dir(name)] = true
	}
	return need + int64(len(dirs)+1)*cluster + int64(len(files))*256 // entries of names and of the manifest
}

// Select durably makes a set, which the caller knows to boot, the one of all following boots. It cancels a pending trial,
// and forgets that the set was tried. It fails if the files of the set differ from its manifest.
func (s Store) Select(number int) error {
	if err := s.Verify(number); err != nil {
		return err
	}
	if err := s.selectSet(selection{number: number}); err != nil {
		return err
	}
	return s.Untry(number)
}

// Untry durably forgets that a set was tried, so that it can be tried again. It does nothing for a set that was not tried.
func (s Store) Untry(number int) error {
	if !s.set(number).Tried {
		return nil
	}
	if err := s.Files.RemoveAll(path.Join(DirName(number), TriedMark)); err != nil {
		return err
	}
	return s.Files.Sync()
}

// selectSet writes the sector of config.txt.
func (s Store) selectSet(to selection) error {
	data, err := s.read(ConfigFile)
	if err != nil {
		return err
	}
	next, err := withSelection(data, to)
	if err != nil || bytes.Equal(data, next) {
		return err
	}
	if len(data) < sectorSize { // a user has edited it: first its size, then its content
		padded, err := sector(string(data) + "\n")
		if err == nil {
			err = s.Files.Overwrite(ConfigFile, padded)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", ConfigFile, err)
		}
	}
	if len(data) > sectorSize {
		return fmt.Errorf("%s has %d bytes, and a sector %d: move lines to another file and include it", ConfigFile, len(data), sectorSize)
	}
	if err := s.Files.Overwrite(ConfigFile, next); err != nil {
		return fmt.Errorf("write %s: %w", ConfigFile, err)
	}
	return nil
}

// Remove durably removes a set. It fails with ErrSelected for the selected set, and does nothing if there is no such set.
func (s Store) Remove(number int) error {
	selected, err := s.Selected()
	if err != nil {
		return err
	}
	if number == selected {
		return fmt.Errorf("boot set %d: %w", number, ErrSelected)
	}
	// Without its manifest it is incomplete, whatever else of it remains.
	dir := DirName(number)
	err = s.Files.RemoveAll(path.Join(dir, Manifest))
	if err == nil {
		err = s.Files.Sync()
	}
	if err == nil {
		err = s.Files.RemoveAll(dir)
	}
	if err == nil {
		err = s.Files.Sync()
	}
	if err != nil {
		return fmt.Errorf("remove boot set %d: %w", number, err)
	}
	return nil
}

// Prune removes the oldest sets until count are left, and all with a Problem, but neither the selected one nor those whose
// numbers are in keep. It returns the numbers of the removed sets, after an error those removed until then.
func (s Store) Prune(count int, keep ...int) (removed []int, err error) {
	sets, err := s.List()
	if err != nil {
		return nil, err
	}
	left := len(sets)
	for _, set := range sets {
		if left <= count && set.Problem == "" || set.Selected || slices.Contains(keep, set.Number) {
			continue
		}
		if err := s.Remove(set.Number); err != nil {
			return removed, err
		}
		removed = append(removed, set.Number)
		left--
	}
	return removed, nil
}

// RunningSet returns the number of the set from which a system was started, according to the command line of its kernel; 0
// if the system was started from no set.
func RunningSet(cmdline string) int {
	n := 0
	for word := range strings.FieldsSeq(cmdline) {
		if name, ok := strings.CutPrefix(word, "pkinit.set="); ok {
			n = ParseDirName(name)
		}
	}
	return n
}
