// Package bootset keeps boot sets on the boot partition of a device: the directories boot-1, boot-2, …, each with a kernel, its
// initramfs, device trees, overlays and command line, of which config.txt selects one by os_prefix.
//
// A set is complete when its manifest set.json exists, which is written last; files are checked against it before a set is
// selected. config.txt has exactly one sector, so selecting a set is one write of one sector: after a power cut the old or the
// new set is selected. What a command was writing is removed by the next one.
//
// The package neither reboots nor decides whether a set is good; docs/boot.md describes the trial of a new set.
package bootset
