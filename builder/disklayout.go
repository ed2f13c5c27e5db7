package builder

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"strconv"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

const (
	firstExtra = 3 // number of the first partition after boot and root

	// Free space in the image of a partition that grows on the device. The journal of a smaller ext4 would be too small
	// for the transactions in which Linux grows it.
	restFreeExt4 = 256 << 20
	restFreeFAT  = 16 << 20
)

// diskLayout returns the layout of a recipe's disk.
func diskLayout(r *recipes.Recipe, signature string) (l disk.Layout, err error) {
	id, err := strconv.ParseUint(signature, 16, 32)
	if err != nil {
		return l, fmt.Errorf("disk.signature: %w", err)
	}
	l.Signature = uint32(id)
	if r.Disk.Size != "" {
		if l.Size, err = recipes.ParseSize(r.Disk.Size); err != nil {
			return l, fmt.Errorf("disk.size: %w", err)
		}
	}
	boot := disk.Partition{Mount: disk.Firmware, Format: disk.FAT32, Label: "bootfs", Serial: serial(r.Name, "boot file system")}
	if boot.Size, err = recipes.ParseSize(r.Disk.BootSize); err != nil {
		return l, fmt.Errorf("disk.boot-size: %w", err)
	}
	root := disk.Partition{Mount: "/", Format: disk.Ext4, Label: "rootfs", UUID: fileSystemID(r.Name, "root file system")}
	if root.Free, err = recipes.ParseSize(r.Disk.Free); err != nil {
		return l, fmt.Errorf("disk.free: %w", err)
	}
	l.Partitions = []disk.Partition{boot, root}
	for _, p := range r.Disk.Partitions {
		extra, err := extraPartition(r.Name, p)
		if err != nil {
			return l, err
		}
		l.Partitions = append(l.Partitions, extra)
	}
	return l, nil
}

func extraPartition(name string, p recipes.Partition) (out disk.Partition, err error) {
	out = disk.Partition{Mount: path.Clean(p.Mount), Format: disk.Format(p.Format), Label: p.Label}
	purpose, free := "file system at "+out.Mount, int64(restFreeExt4)
	if out.Format == disk.FAT32 {
		out.Serial, free = serial(name, purpose), restFreeFAT
	} else {
		out.UUID = fileSystemID(name, purpose)
	}
	if p.Size == recipes.Rest {
		out.Free = free
	} else if out.Size, err = recipes.ParseSize(p.Size); err != nil {
		return out, fmt.Errorf("size of partition %s: %w", out.Mount, err)
	}
	return out, nil
}

// cmdline returns the kernel arguments of a recipe.
func cmdline(r *recipes.Recipe, signature string) []string {
	args := r.Boot.Cmdline
	if !r.Disk.Shared {
		args = append([]string{report.IdentityArgument + "=" + signature}, args...)
	}
	if r.Boot.RescuePin != "" {
		args = append([]string{report.PinArgument + "=" + r.Boot.RescuePin}, args...)
	}
	if !r.Disk.Grow {
		return args
	}
	grow := report.GrowArgument
	for i, p := range r.Disk.Partitions {
		if p.Size == recipes.Rest {
			grow += fmt.Sprintf("=p%d", firstExtra+i)
		}
	}
	return append([]string{grow}, args...)
}

// mounts returns the mounts of the partitions besides boot and root.
func mounts(partitions []recipes.Partition) (out []boot.Mount) {
	for i, p := range partitions {
		out = append(out, boot.Mount{Partition: firstExtra + i, Target: path.Clean(p.Mount), FAT: p.Format == string(disk.FAT32)})
	}
	return out
}

func fileSystemID(name, purpose string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("pkbuild "+purpose+" of "+name))
}

func serial(name, purpose string) uint32 {
	sum := derive(name, purpose)
	return binary.BigEndian.Uint32(sum[:])
}

// derive returns a number that differs between images and is the same in every build of one image.
func derive(name, purpose string) [sha256.Size]byte {
	return sha256.Sum256([]byte("pkbuild " + purpose + " of " + name))
}
