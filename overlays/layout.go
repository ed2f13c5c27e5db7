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

// Lowerdir returns the directory that holds the image's own files for a top-level directory such as usr.
func Lowerdir(dir string) string { return path.Join(Sysroot, dir) }

// StageLowerdir returns the directory that holds the running stage's files for a top-level directory such as usr.
func StageLowerdir(dir string) string { return path.Join(CurrentStage, "exports/overlays", dir) }

// Upperdir returns the directory that holds the user's changes to a top-level directory such as usr.
func Upperdir(dir string) string { return path.Join(StateDir, "overrides", dir) }

// Workdir returns the work directory that overlayfs needs beside the upperdir of a top-level directory such as usr.
func Workdir(dir string) string { return path.Join(StateDir, "workdirs", dir) }

// The reserve is what pkinit deletes when the disk is full.
const (
	ReserveDirs = 8         // number of directories, each with an inode and a block
	ReserveSize = 512 << 10 // of ReserveFile, in bytes
)

// ReserveDir returns the directory of pkinit's reserve: directories and a file that it deletes when the disk is full.
func ReserveDir() string { return path.Join(StateDir, "reserve") }

// ReserveFile returns the path of the file whose blocks pkinit frees when the disk is full. Of the reserve it is written
// last, so that the reserve is complete if the file exists.
func ReserveFile() string { return path.Join(ReserveDir(), "blocks") }

// Source returns the source, such as pkinit:/usr, that mountinfo shows for pkinit's overlay on a directory such as usr.
func Source(dir string) string { return SourcePrefix + "/" + dir }
