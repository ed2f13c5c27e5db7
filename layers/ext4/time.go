package ext4

import (
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// time returns the single time that an inode gets; that of the file system stands in for none.
func (p *plan) time(n *tree.Node) time.Time {
	if n.ModTime.IsZero() {
		return p.Now
	}
	return n.ModTime
}

func (d *diskInode) setTime(t time.Time) {
	seconds, extra := diskTime(t)
	d.Atime, d.Ctime, d.Mtime, d.Crtime = seconds, seconds, seconds, seconds
	d.AtimeExtra, d.CtimeExtra, d.MtimeExtra, d.CrtimeExtra = extra, extra, extra, extra
}

// The range of times that ext4 stores, in seconds since 1970: from 1901 to 2446. (e2fsck takes times between 2310 and
// 2378 for a mistake that kernels before 3.14 made with times before 1970.)
const (
	minTime = -1 << 31
	maxTime = 1<<34 - 1<<31 - 1
)

// diskTime encodes a time: 32 bits of seconds with a sign, then two more of them below 30 of nanoseconds. Times out of
// range become the first or the last second, as in the kernel.
func diskTime(t time.Time) (seconds, extra uint32) {
	s, ns := t.Unix(), uint32(t.Nanosecond())
	if s < minTime || s > maxTime {
		s, ns = min(max(s, minTime), maxTime), 0
	}
	seconds = uint32(s)
	epoch := uint32((s-int64(int32(seconds)))>>32) & 3
	return seconds, ns<<2 | epoch
}

// modTime is the inverse of diskTime. A small inode has no extra field.
func (in *volumeInode) modTime() time.Time {
	seconds, extra := int64(int32(in.Mtime)), uint32(0)
	if in.ExtraIsize >= mtimeExtraEnd {
		extra = in.MtimeExtra
	}
	return time.Unix(seconds+int64(extra&3)<<32, int64(extra>>2)).UTC()
}
