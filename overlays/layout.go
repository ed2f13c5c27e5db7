package overlays

import "path"

// The directories of the overlays on the device.
const (
	Sysroot      = "/sysroot"                     // the root file system as built, bound read-only
	CurrentStage = "/run/forklift/stages/current" // the bundle of the chosen stage, bound read-only
	StateDir     = "/var/lib/overlays"            // upperdirs, workdirs, and what pkctl queues for the next boot
)

// SourcePrefix begins the mount source of every overlay that pkinit mounts.
const SourcePrefix = "pkinit:"

// Lowerdir returns where the files of the root file system for a directory such as usr lie.
func Lowerdir(dir string) string { return path.Join(Sysroot, dir) }

// StageLowerdir returns where the files of the running stage for a directory such as usr lie.
func StageLowerdir(dir string) string { return path.Join(CurrentStage, "exports/overlays", dir) }

// Upperdir returns where the user's changes to a directory such as usr lie.
func Upperdir(dir string) string { return path.Join(StateDir, "overrides", dir) }

// Workdir returns the scratch directory that the kernel wants beside the upperdir of a directory such as usr.
func Workdir(dir string) string { return path.Join(StateDir, "workdirs", dir) }

// Source returns the mount source by which the overlay on a directory such as usr is known in mountinfo.
func Source(dir string) string { return SourcePrefix + "/" + dir }
