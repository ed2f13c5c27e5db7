package recipes

import (
	"fmt"
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/paths"
)

// Rest is the size of a partition that takes what is left of the disk.
const Rest = "rest"

const (
	maxExtraPartitions = 2 // an MBR has four partitions
	minPartitionSize   = 4 << 20
	minFATSize         = 36 << 20 // below it FAT32 has too few clusters
	maxFATLabel        = 11
)

// checkPartitions reports partitions that an MBR cannot hold, and those that share what must be unique.
func (d *decoder) checkPartitions(all []Partition) {
	mounts, labels := map[string]*node{}, map[string]*node{"bootfs": nil, "rootfs": nil}
	var rest *node
	for i := range all {
		p := &all[i]
		if i >= maxExtraPartitions {
			d.problems.add(d.from[p].position, "an MBR has four partitions, two of which are boot and root; remove this one")
		}
		if at := d.from[&p.Mount]; p.Mount != "" {
			mount := path.Clean(p.Mount)
			if earlier := mounts[mount]; earlier != nil {
				d.problems.add(at.position, "partition %s is already in %s; choose another mount point", quote(mount), earlier.where())
			}
			mounts[mount] = d.from[p]
		}
		if at := d.from[&p.Label]; p.Label != "" {
			if _, found := labels[p.Label]; found {
				d.problems.add(at.position, "label %s is that of another partition; choose another label", quote(p.Label))
			}
			labels[p.Label] = at
		}
		if p.Size == Rest {
			if rest != nil {
				d.problems.add(d.from[&p.Size].position, "the rest of the disk is already that of %s; write a size", rest.where())
			}
			rest = d.from[p]
		}
		if p.Format == "fat32" {
			d.checkFAT(p)
		}
	}
}

// checkFAT reports what FAT32 cannot have.
func (d *decoder) checkFAT(p *Partition) {
	if len(p.Label) > maxFATLabel {
		d.problems.add(d.from[&p.Label].position, "label %s is longer than the 11 characters of FAT32; write a shorter one", quote(p.Label))
	}
	if n, err := ParseSize(p.Size); err == nil && n < minFATSize {
		d.problems.add(d.from[&p.Size].position, "%s is too small for FAT32; write at least 36MiB", quote(p.Size))
	}
}

// checkMount refuses mount points that the device needs before it mounts partitions.
func checkMount(s string) error {
	if err := checkTarget(s); err != nil {
		return err
	}
	mount := path.Clean(s)
	if strings.ContainsAny(mount, " \\#") {
		return fmt.Errorf("%s contains a character that fstab gives another meaning; choose a mount point without it", quote(s))
	}
	for _, early := range []string{
		"/", "/home", "/home/*", "/home/*/.local", "/home/*/.local/share", "/home/*/.local/share/forklift", "/var", "/var/lib",
	} {
		if match, err := path.Match(early, mount); match || err != nil {
			return fmt.Errorf("%s is used before partitions are mounted; choose a mount point such as /data", quote(s))
		}
	}
	for _, dir := range []string{
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lost+found", "/proc", "/run", "/sbin", "/sys", "/sysroot", "/usr",
		"/var/lib/forklift", "/var/lib/overlays",
	} {
		if paths.Within(mount, dir) {
			return fmt.Errorf("%s is in %s, which is used before partitions are mounted; choose a mount point such as /data", quote(s), dir)
		}
	}
	return nil
}
