package fat

import (
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// directory returns the entries of a directory.
func (fs *FileSystem) directory(dir *file) []byte {
	b := make([]byte, 0, dir.size())
	switch {
	case dir.parent != nil:
		b = encode(b, fs.entry(dir, [11]byte([]byte(".          "))))
		b = encode(b, fs.entry(dir.parent, [11]byte([]byte("..         "))))
	case fs.options.Label != "":
		label := dirEntry{Name: fs.label, Attributes: attrVolume}
		label.setTime(fs.options.Now)
		b = encode(b, &label)
	}
	for _, c := range dir.children {
		b = c.appendLong(b)
		b = encode(b, fs.entry(c.file, c.short))
	}
	return b
}

// entry returns the entry of a file under a short name.
func (fs *FileSystem) entry(f *file, short [11]byte) *dirEntry {
	e := &dirEntry{Name: short, Attributes: attrDirectory}
	if f.node.Type == tree.Regular {
		e.Attributes, e.Size = attrArchive, uint32(f.node.Content.Size)
	}
	if f.parent != nil { // entries that lead to the root name no cluster
		e.setCluster(f.first)
	}
	modified := f.node.ModTime
	if modified.IsZero() || f.parent == nil {
		modified = fs.options.Now
	}
	e.setTime(modified)
	return e
}

// appendLong appends the entries of a long name, its last part first.
func (c *child) appendLong(b []byte) []byte {
	for part := c.longEntries(); part > 0; part-- {
		var units [unitsPerLong]uint16
		n := copy(units[:], c.long[(part-1)*unitsPerLong:])
		for i := n + 1; i < len(units); i++ { // behind a NUL
			units[i] = 0xffff
		}
		e := longEntry{Order: uint8(part), Attributes: attrLong, Checksum: checksum(c.short)}
		if part == c.longEntries() {
			e.Order |= lastLong
		}
		copy(e.Name1[:], units[:5])
		copy(e.Name2[:], units[5:11])
		copy(e.Name3[:], units[11:])
		b = encode(b, &e)
	}
	return b
}

// The first and the last time that FAT can hold, in UTC.
var (
	minTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(2107, 12, 31, 23, 59, 59, 0, time.UTC)
)

// setTime sets all times of an entry, in UTC, to the nearest that FAT can hold.
func (e *dirEntry) setTime(t time.Time) {
	if t = t.UTC(); t.Before(minTime) {
		t = minTime
	} else if t.After(maxTime) {
		t = maxTime
	}
	date := uint16((t.Year()-minTime.Year())<<9 | int(t.Month())<<5 | t.Day())
	clock := uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
	e.CreatedDate, e.AccessDate, e.ModifiedDate = date, date, date
	e.CreatedTime, e.ModifiedTime = clock, clock
	e.CreatedTenth = uint8(t.Second()%2*100 + t.Nanosecond()/1e7)
}

// time returns the time of the last change, in UTC; the zero time if the entry has none.
func (e *dirEntry) time() time.Time {
	if e.ModifiedDate == 0 {
		return time.Time{}
	}
	d, c := int(e.ModifiedDate), int(e.ModifiedTime)
	return time.Date(minTime.Year()+d>>9, time.Month(d>>5&15), d&31, c>>11, c>>5&63, c&31*2, 0, time.UTC)
}
