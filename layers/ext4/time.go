package ext4

import (
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// time is the one time that an inode has. One that nobody gave is that of the file system.
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

// The times that ext4 can tell, in seconds since 1970: from 1901 to 2446. (e2fsck takes those between 2310 and 2378 for
// a mistake that kernels before 3.14 made with times before 1970.)
const (
	minTime = -1 << 31
	maxTime = 1<<34 - 1<<31 - 1
)

// diskTime is a time as an inode has it: 32 bits of seconds, then two more of them below 30 of nanoseconds. Times
// that ext4 cannot tell are cut off at its first and last second, as the kernel does.
func diskTime(t time.Time) (seconds, extra uint32) {
	s, ns := t.Unix(), uint32(t.Nanosecond())
	if s < minTime || s > maxTime {
		s, ns = min(max(s, minTime), maxTime), 0
	}
	seconds = uint32(s)
	epoch := uint32((s-int64(int32(seconds)))>>32) & 3
	return seconds, ns<<2 | epoch
}
