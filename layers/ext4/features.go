package ext4

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	compatHasJournal  = 0x4
	compatExtAttr     = 0x8
	compatResizeInode = 0x10
	compatDirIndex    = 0x20
	compatOrphanFile  = 0x1000

	incompatFiletype      = 0x2
	incompatNeedsRecovery = 0x4
	incompatJournalDev    = 0x8
	incompatExtents       = 0x40
	incompat64Bit         = 0x80
	incompatMMP           = 0x100
	incompatFlexBG        = 0x200
	incompatEAInode       = 0x400
	incompatChecksumSeed  = 0x2000
	incompatLargeDir      = 0x4000

	roCompatSparseSuper  = 0x1
	roCompatLargeFile    = 0x2
	roCompatHugeFile     = 0x8
	roCompatDirNlink     = 0x20
	roCompatExtraIsize   = 0x40
	roCompatBigalloc     = 0x200
	roCompatMetadataCsum = 0x400
)

// readableIncompat are the incompatible features that Read supports. Read-only compatible features do not concern a
// reader; bigalloc is refused all the same, as no test covers it.
const readableIncompat = incompatFiletype | incompatExtents | incompat64Bit | incompatMMP | incompatFlexBG |
	incompatEAInode | incompatChecksumSeed | incompatLargeDir

// featureNames names the bits of one of the superblock's three feature fields, as dumpe2fs does.
type featureNames struct {
	unknown string   // with its number behind it, the name of a bit that has none
	names   []string // from bit 0
}

var (
	compatNames = featureNames{"FEATURE_C", []string{
		"dir_prealloc", "imagic_inodes", "has_journal", "ext_attr", "resize_inode", "dir_index", "lazy_bg", "",
		"snapshot_bitmap", "sparse_super2", "fast_commit", "stable_inodes", "orphan_file"}}
	incompatNames = featureNames{"FEATURE_I", []string{
		"compression", "filetype", "needs_recovery", "journal_dev", "meta_bg", "", "extent", "64bit",
		"mmp", "flex_bg", "ea_inode", "", "dirdata", "metadata_csum_seed", "large_dir", "inline_data",
		"encrypt", "casefold"}}
	roCompatNames = featureNames{"FEATURE_R", []string{
		"sparse_super", "large_file", "", "huge_file", "uninit_bg", "dir_nlink", "extra_isize", "",
		"quota", "bigalloc", "metadata_csum", "replica", "read-only", "project", "shared_blocks", "verity",
		"orphan_present"}}
)

// of returns the names of the bits that are set.
func (f featureNames) of(bits uint32) []string {
	var names []string
	for bit := range 32 {
		switch {
		case bits>>bit&1 == 0:
		case bit < len(f.names) && f.names[bit] != "":
			names = append(names, f.names[bit])
		default:
			names = append(names, f.unknown+strconv.Itoa(bit))
		}
	}
	return names
}

// features returns the names of all features of a file system.
func (sb *superblock) features() []string {
	names := append(compatNames.of(sb.FeatureCompat), incompatNames.of(sb.FeatureIncompat)...)
	return append(names, roCompatNames.of(sb.FeatureROCompat)...)
}

// checkReadable returns an error if Read does not support the file system, or would see it in the middle of a change.
func (sb *superblock) checkReadable() error {
	unsupported := incompatNames.of(sb.FeatureIncompat &^ (readableIncompat | incompatNeedsRecovery))
	unsupported = append(unsupported, roCompatNames.of(sb.FeatureROCompat&roCompatBigalloc)...)
	switch {
	case sb.FeatureIncompat&incompatJournalDev != 0:
		return errors.New("external journal of an ext4 file system, not a file system")
	case len(unsupported) > 0:
		return fmt.Errorf("ext4 feature %s is not supported: copy the files to a file system without it, as with "+
			"mke2fs -t ext4 -O ^%s -d DIRECTORY", strings.Join(unsupported, ", "), strings.Join(unsupported, ",^"))
	case sb.FeatureIncompat&incompatExtents == 0:
		return errors.New("ext2 or ext3 is not supported (no feature extent): copy the files to an ext4 file system")
	case sb.FeatureIncompat&incompatNeedsRecovery != 0:
		return errors.New("ext4 file system was not unmounted and its journal not replayed: run e2fsck -f on the partition")
	case sb.State&(stateClean|stateErrors) != stateClean:
		return fmt.Errorf("ext4 file system is not clean (state %#x): run e2fsck -f on the partition", sb.State)
	}
	return nil
}
