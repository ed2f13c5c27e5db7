package initsteps

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// MakeIdentity gives a disk that still has the identity of its image one of its own, so that two disks in one device are
// not taken for each other: the disk identifier in the partition table, the UUID of the root file system and the serial
// number of the boot partition. The kernel's command line names the identifier of the image.
//
// Each write is one sector, or one transaction of the journal. The partition table has the new identifier together with
// the previous one, by which the root file system is found until the command line on the boot partition and fstab have
// followed. So a power cut leaves a device that starts, and the next boot goes on.
type MakeIdentity struct {
	Target string // where the root file system is mounted
}

func (MakeIdentity) String() string { return "make-identity" }

// Done returns false: Do compares the identifiers.
func (MakeIdentity) Done(*Boot) (bool, error) { return false, nil }

// Do gives the disk its identity, or completes what an earlier boot has begun.
func (s MakeIdentity) Do(b *Boot) error {
	image, err := b.imageIdentity()
	if err != nil {
		return err
	}
	disk, table, err := b.rootDisk(s.Target)
	if err != nil {
		return err
	}
	previous, begun := PreviousID(table)
	if !begun && diskID(table) != image {
		return Skip(fmt.Sprintf("%s has an identity of its own", disk))
	}
	if !begun {
		if table, err = b.newIdentity(s.Target, disk, table); err != nil {
			return err
		}
		previous = image
	}
	if err := b.followIdentity(previous, diskID(table)); err != nil {
		return err
	}
	copy(table[previousAt:], make([]byte, 8))
	if err := b.WriteDevice(disk, 0, table); err != nil {
		return err
	}
	b.Print(fmt.Sprintf("%s has the identity %08x now, in place of %08x", disk, diskID(table), previous))
	return nil
}

// Undo does nothing: the identity is that of the disk from now on.
func (MakeIdentity) Undo(*Boot) error { return nil }

// Places in the first sector of a disk. Nothing else on a Raspberry Pi uses the code area before the identifier.
const (
	previousAt = 424 // previousMark and the previous identifier, while the identity changes
	diskIDAt   = 440
)

var previousMark = []byte("pkid")

func diskID(table []byte) uint32 { return binary.LittleEndian.Uint32(table[diskIDAt:]) }

// PreviousID returns the identifier that a disk had before the present one, while references to it are being changed; ok is
// false at any other time. The sector is the first of the disk.
func PreviousID(sector []byte) (id uint32, ok bool) {
	if len(sector) < sectorSize || !bytes.Equal(sector[previousAt:previousAt+4], previousMark) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(sector[previousAt+4:]), true
}

// imageIdentity returns the disk identifier of the image, or a Skip if the kernel's command line has none.
func (b *Boot) imageIdentity() (uint32, error) {
	line, err := b.ReadFile("/proc/cmdline")
	if err != nil {
		return 0, err
	}
	id := ""
	for arg := range strings.FieldsSeq(string(line)) {
		if value, found := strings.CutPrefix(arg, report.IdentityArgument+"="); found {
			id = value
		}
	}
	n, err := strconv.ParseUint(id, 16, 32)
	if err != nil {
		return 0, Skip("the kernel's command line has no " + report.IdentityArgument)
	}
	return uint32(n), nil
}

// rootDisk returns the disk of the root file system and its first sector, or a Skip if that has no MBR or no room.
func (b *Boot) rootDisk(target string) (disk string, table []byte, err error) {
	m, err := b.mountAt(target)
	if err != nil {
		return "", nil, err
	}
	if m == nil || m.Major == 0 {
		return "", nil, Skip(target + " is not on a disk")
	}
	d, err := b.BlockDevice(m.Major, m.Minor)
	if err != nil {
		return "", nil, err
	}
	if d.Partition == 0 {
		return "", nil, Skip(fmt.Sprintf("%s is not a partition", d.Name))
	}
	if table, err = b.ReadDevice(d.Disk, 0, sectorSize); err != nil {
		return "", nil, err
	}
	if slots(table) == nil {
		return "", nil, Skip(fmt.Sprintf("%s has no MBR partition table", d.Disk))
	}
	if _, begun := PreviousID(table); !begun && !bytes.Equal(table[previousAt:previousAt+8], make([]byte, 8)) {
		return "", nil, Skip(fmt.Sprintf("%s has boot code in its MBR", d.Disk))
	}
	if !slices.Contains(strings.Split(m.Options, ","), "rw") {
		return "", nil, Skip(fmt.Sprintf("the file system is not writable (%s)", m.Options))
	}
	return d.Disk, table, nil
}

// newIdentity changes the serial number of the boot partition, the UUID of the root file system, and last the identifier of
// the disk, and returns its new first sector.
func (b *Boot) newIdentity(target, disk string, table []byte) ([]byte, error) {
	random, err := b.Random(24)
	if err != nil {
		return nil, err
	}
	if err := b.newSerial(random[20:24]); err != nil {
		return nil, err
	}
	id := [16]byte(random[4:20])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a random UUID of RFC 9562
	if err := b.SetUUID(target, id); err != nil && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOTTY) {
		return nil, err
	}
	table = slices.Clone(table)
	copy(table[previousAt:], previousMark)
	copy(table[previousAt+4:], table[diskIDAt:diskIDAt+4])
	copy(table[diskIDAt:], random[:4])
	return table, b.WriteDevice(disk, 0, table)
}

// newSerial changes the serial number of the boot partition, in both copies of its first sector.
func (b *Boot) newSerial(serial []byte) error {
	const at = 67 // BS_VolID
	boot, err := b.bootPartition()
	if err != nil {
		return err
	}
	sector, err := b.ReadDevice(boot.Name, 0, sectorSize)
	if err != nil {
		return err
	}
	f, _ := parseFAT(sector)
	copies := []int64{0}
	if f.backup > 0 {
		copies = []int64{f.backup, 0}
	}
	for _, offset := range copies {
		if err := b.WriteDevice(boot.Name, offset+at, serial); err != nil {
			return err
		}
	}
	return nil
}

// followIdentity has the command lines on the boot partition, and fstab, name the new identifier.
func (b *Boot) followIdentity(from, to uint32) error {
	err := b.onBootPartition(false, func() error {
		names, err := cmdlines(b.DirFS(bootDir))
		for _, name := range names {
			if err == nil {
				err = b.replaceInPlace(path.Join(bootDir, name), from, to)
			}
			if err == nil && path.Dir(name) != "." {
				err = b.updateManifest(path.Join(bootDir, path.Dir(name)))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"/etc/fstab", b.stateFile("overrides/etc/fstab")} {
		data, err := b.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if changed := replaceID(data, from, to); !bytes.Equal(changed, data) {
			if err := b.WriteFile(name, changed, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// cmdlines returns the command lines on a boot partition: that in its root, and those of boot sets in directories.
func cmdlines(boot fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(boot, ".")
	if err != nil {
		return nil, err
	}
	names := []string{"cmdline.txt"}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, path.Join(e.Name(), "cmdline.txt"))
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := fs.Stat(boot, name)
		return err != nil
	}), nil
}

// replaceInPlace changes an identifier in a file without moving anything: a short file is one sector, which a power cut
// leaves with the old or the new content.
func (b *Boot) replaceInPlace(name string, from, to uint32) error {
	data, err := b.ReadFile(name)
	if err != nil {
		return err
	}
	changed := replaceID(data, from, to)
	if bytes.Equal(changed, data) {
		return nil
	}
	return b.WriteDevice(name, 0, changed)
}

// cmdlineDigest matches the entry of a command line in the manifest of a boot set, with its SHA-256 as the group.
var cmdlineDigest = regexp.MustCompile(`"` + regexp.QuoteMeta(bootset.Cmdline) + `":\s*\{[^}]*"sha256":\s*"([0-9a-f]{64})"`)

// updateManifest enters the SHA-256 of the command line of a boot set in its manifest, in place: the set is verified before
// another one is tried.
func (b *Boot) updateManifest(dir string) error {
	name := path.Join(dir, bootset.Manifest)
	data, err := b.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, err := b.ReadFile(path.Join(dir, bootset.Cmdline))
	if err != nil {
		return err
	}
	at := cmdlineDigest.FindSubmatchIndex(data)
	if at == nil {
		return fmt.Errorf("%s has no SHA-256 of %s", name, bootset.Cmdline)
	}
	sum := fmt.Appendf(nil, "%x", sha256.Sum256(line))
	if bytes.Equal(data[at[2]:at[3]], sum) {
		return nil
	}
	return b.WriteDevice(name, int64(at[2]), sum)
}

// replaceID replaces the identifier in PARTUUID=… by another one of the same length.
func replaceID(data []byte, from, to uint32) []byte {
	return bytes.ReplaceAll(data, fmt.Appendf(nil, "PARTUUID=%08x-", from), fmt.Appendf(nil, "PARTUUID=%08x-", to))
}
