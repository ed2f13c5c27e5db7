package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/partition/mbr"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/shell"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// OpenCard returns the means to change the files of an SD card in an image file. It does not read the file: if that is no
// card, each change fails.
func OpenCard(file string) scenario.Card { return cardEditor{file} }

// cardEditor changes a card with e2fsprogs, mtools and dosfstools: a scenario.Card.
type cardEditor struct{ file string }

// bootDir is where a running system sees the boot partition.
const bootDir = "/boot/firmware/"

// partitions returns start and size of each partition, in bytes.
func (c cardEditor) partitions() ([]extent, error) {
	d, err := diskfs.Open(c.file, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	defer d.Close()
	table, ok := d.Table.(*mbr.Table)
	if !ok {
		return nil, errors.New("SD card has no MBR partition table")
	}
	var all []extent
	for _, p := range table.Partitions {
		all = append(all, extent{p.GetStart(), p.GetSize()})
	}
	return all, nil
}

type extent struct{ start, size int64 }

func (c cardEditor) partition(number int) (extent, error) {
	all, err := c.partitions()
	if err == nil && (number < 1 || number > len(all) || all[number-1].size == 0) {
		err = fmt.Errorf("SD card has no partition %d", number)
	}
	if err != nil {
		return extent{}, err
	}
	return all[number-1], nil
}

// Size returns the size in bytes of the partition with this number, from 1. It fails if the card has no such partition.
func (c cardEditor) Size(number int) (int64, error) {
	p, err := c.partition(number)
	return p.size, err
}

// Overwrite writes data into the partition with this number, from 1, at an offset in bytes from its beginning. It does not
// check that data ends in the partition.
func (c cardEditor) Overwrite(number int, offset int64, data []byte) error {
	p, err := c.partition(number)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, p.start+offset)
	return errors.Join(err, f.Close())
}

// Write writes a file, or replaces it, in a directory that exists: in the boot partition if name is below /boot/firmware,
// else in the root file system. The file belongs to root; the boot partition has no modes.
func (c cardEditor) Write(name string, content []byte, mode uint32) error {
	temp, err := os.CreateTemp(filepath.Dir(c.file), "write-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if file, ok := strings.CutPrefix(name, bootDir); ok {
		return c.mtools("mcopy", "-o", temp.Name(), "::"+file)
	}
	_ = c.Debugfs([]string{"rm " + name}) // debugfs does not overwrite
	return c.Debugfs([]string{
		"cd " + path.Dir(name), "write " + temp.Name() + " " + path.Base(name),
		fmt.Sprintf("set_inode_field %s mode 0%o", name, 0o100000|mode),
		"set_inode_field " + name + " uid 0", "set_inode_field " + name + " gid 0",
	})
}

// Delete removes a file from the boot partition if name is below /boot/firmware, else from the root file system. It fails if
// the file does not exist or is a directory.
func (c cardEditor) Delete(name string) error {
	if file, ok := strings.CutPrefix(name, bootDir); ok {
		return c.mtools("mdel", "::"+file)
	}
	return c.Debugfs([]string{"rm " + name})
}

// Debugfs runs commands of debugfs on the root file system. It replays the journal before, since a later replay would undo
// the changes. If a command fails, the card stays as it was.
func (c cardEditor) Debugfs(commands []string) error {
	return c.withPartition(2, true, func(root string) error {
		if err := replayJournal(root); err != nil {
			return err
		}
		file := root + ".commands"
		defer os.Remove(file)
		if err := os.WriteFile(file, []byte(strings.Join(commands, "\n")+"\n"), 0o600); err != nil {
			return err
		}
		out, err := tool("debugfs", []int{0}, "-w", "-f", file, root)
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "debugfs") && !strings.HasPrefix(line, "Allocated inode: ") {
				err = errors.Join(err, fmt.Errorf("debugfs: %s", line)) // its exit code is 0
			}
		}
		return err
	})
}

// replayJournal replays the journal of an ext4 file system in a file of its own: e2fsck cannot replay that of a part of a
// file, since it forgets the offset when it opens the file again.
func replayJournal(root string) error {
	_, err := tool("e2fsck", []int{0, 1}, "-y", "-E", "journal_only", root)
	return err
}

// withPartition passes a copy of a partition to a function, and writes it back if asked to. Holes stay holes.
func (c cardEditor) withPartition(number int, writeBack bool, use func(file string) error) (err error) {
	p, err := c.partition(number)
	if err != nil {
		return err
	}
	card, err := os.OpenFile(c.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, card.Close()) }()
	part, err := os.CreateTemp(filepath.Dir(c.file), "partition-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	err = errors.Join(part.Truncate(p.size), cloneRange(part, card, 0, p.start, p.size), part.Close())
	if err == nil {
		err = use(part.Name())
	}
	if err != nil || !writeBack {
		return err
	}
	if part, err = os.Open(part.Name()); err != nil {
		return err
	}
	return errors.Join(cloneRange(card, part, p.start, 0, p.size), part.Close())
}

// cloneRange copies a part of a file. Where the file system can share blocks, no data is copied.
func cloneRange(to, from *os.File, toOffset, fromOffset, size int64) error {
	share := &unix.FileCloneRange{
		Src_fd: int64(from.Fd()), Src_offset: uint64(fromOffset), Src_length: uint64(size), Dest_offset: uint64(toOffset),
	}
	if unix.IoctlFileCloneRange(int(to.Fd()), share) == nil {
		return nil
	}
	return copyRange(to, from, toOffset, fromOffset, size)
}

// copyRange copies a part of a file. Blocks of zeroes are not written where the target has them already.
func copyRange(to, from *os.File, toOffset, fromOffset, size int64) error {
	const block = 1 << 20
	data, old, zero := make([]byte, block), make([]byte, block), make([]byte, block)
	for done := int64(0); done < size; {
		n := min(block, size-done)
		if _, err := from.ReadAt(data[:n], fromOffset+done); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		write := !bytes.Equal(data[:n], zero[:n])
		if !write {
			if _, err := to.ReadAt(old[:n], toOffset+done); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			write = !bytes.Equal(old[:n], zero[:n])
		}
		if write {
			if _, err := to.WriteAt(data[:n], toOffset+done); err != nil {
				return err
			}
		}
		done += n
	}
	return nil
}

// RecoverCard brings a card into the state in which the kernel mounts it after a power cut: it replays the journal and
// deletes orphaned inodes. It fails if the superblock cannot be read, or if e2fsck then finds a mistake in the root file
// system, or fsck.vfat in the boot partition.
func RecoverCard(file string) error {
	c := cardEditor{file}
	root := c.withPartition(2, true, func(root string) error {
		// The kernel does not look for a backup of the superblock, as e2fsck does.
		if _, err := tool("dumpe2fs", []int{0}, "-h", root); err != nil {
			return err
		}
		if err := replayJournal(root); err != nil {
			return err
		}
		if _, err := tool("e2fsck", []int{0, 1}, "-p", root); err != nil {
			return err
		}
		_, err := tool("e2fsck", []int{0}, "-fn", root)
		return err
	})
	return errors.Join(root, c.withPartition(1, false, checkFAT))
}

// CopyDir copies the directory dir of a card's root file system into the directory into of the host, which must exist, under
// its own name. The card is a disk image. Owners are kept if this process is root.
func CopyDir(file, dir, into string) error {
	return cardEditor{file}.withPartition(2, false, func(root string) error {
		out, err := tool("debugfs", []int{0}, "-R", fmt.Sprintf("rdump \"%s\" \"%s\"", dir, into), root)
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "debugfs") && !strings.Contains(line, "changing ownership") {
				err = errors.Join(err, fmt.Errorf("debugfs: %s", strings.TrimSpace(line))) // its exit code is 0
			}
		}
		return err
	})
}

// CopyDisk copies a disk to a file, and replaces a file that exists. Holes stay holes, and where the file system can share
// blocks, no data is copied.
func CopyDisk(from, to string) error { return copyCard(from, to, 0) }

func (c cardEditor) mtools(name string, args ...string) error {
	p, err := c.partition(1)
	if err != nil {
		return err
	}
	_, err = tool(name, []int{0}, append([]string{"-i", fmt.Sprintf("%s@@%d", c.file, p.start)}, args...)...)
	return err
}

// Check fails if e2fsck, after a replay of the journal, or fsck.vfat finds a mistake; the mark of an unclean unmount in a
// FAT is none. With repair, e2fsck repairs the root file system, and Check fails for what cannot be repaired and for the
// FAT. Without repair, the card is not changed.
func (c cardEditor) Check(repair bool) error {
	root := c.withPartition(2, repair, func(root string) error {
		if err := replayJournal(root); err != nil {
			return err
		}
		option, codes := "-fn", []int{0}
		if repair {
			option, codes = "-fy", []int{0, 1}
		}
		_, err := tool("e2fsck", codes, option, root)
		return err
	})
	return errors.Join(root, c.withPartition(1, false, checkFAT))
}

// dirtyState is fsck.vfat's line for the mark that Linux sets in the boot sector, and not in its backup, while a FAT32 is
// mounted: a power cut leaves it.
var dirtyState = regexp.MustCompile(`^\s*65:01/00$`)

// checkFAT returns an error unless a FAT file system is clean, except for the mark of one that was not unmounted.
func checkFAT(file string) error {
	out, err := tool("fsck.vfat", []int{0, 1}, "-n", file)
	for line := range strings.Lines(out) {
		known := false
		for _, harmless := range []string{"fsck.fat ", file, "Dirty bit is set", " Automatically removing dirty bit", "*** Filesystem was changed ***",
			"Leaving filesystem unchanged", "The changes have not yet been written", "Free cluster summary",
			"There are differences between boot sector and its backup", "This is mostly harmless", "  Not automatically fixing this"} {
			known = known || strings.HasPrefix(line, harmless)
		}
		known = known || dirtyState.MatchString(strings.TrimRight(line, "\n"))
		if !known && strings.TrimSpace(line) != "" {
			err = errors.Join(err, fmt.Errorf("fsck.vfat: %s", strings.TrimSpace(line)))
		}
	}
	return err
}

// tool runs a program of the host's administrator, which may exit with some codes, and returns its output.
func tool(name string, codes []int, args ...string) (string, error) {
	program, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			program, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is not installed; run: apt install e2fsprogs dosfstools mtools", name)
	}
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "LC_ALL=C", "MTOOLS_SKIP_CHECK=1")
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		for _, code := range codes {
			if exit.ExitCode() == code {
				return out.String(), nil
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("run %s: %w: %s", shell.Join(cmd.Args), err, strings.TrimSpace(out.String()))
	}
	return out.String(), err
}
