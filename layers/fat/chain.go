package fat

import (
	"errors"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// volume is an existing file system.
type volume struct {
	geometry
	r           io.ReaderAt
	start       int64      // of the file system in r
	table       int64      // offset of the active FAT
	rootCluster uint32     // first of the root directory; 0 on FAT12 and FAT16
	page        []byte     // part of the FAT that was read last
	pageAt      int64      // its offset in the FAT; -1: none
	used        bitmap     // clusters of the chains that were followed
	old         *oldVolume // of a FAT12 or FAT16; nil: FAT32
}

// bitmap has a bit for each cluster.
type bitmap []uint64

// set sets a bit and reports whether it was set before.
func (m bitmap) set(i uint32) bool {
	word, bit := &m[i/64], uint64(1)<<(i%64)
	was := *word&bit != 0
	*word |= bit
	return was
}

// pageSize is the part of the FAT that is read at a time.
const pageSize = 64 << 10

// next returns the entry of a cluster in the FAT.
func (v *volume) next(cluster uint32) (uint32, error) {
	if v.old != nil {
		return v.old.entries[cluster], nil
	}
	at := 4 * int64(cluster)
	if page := at / pageSize * pageSize; page != v.pageAt {
		v.pageAt = -1
		v.page = v.page[:min(pageSize, v.fat-page)]
		if err := v.read(v.page, v.table+page); err != nil {
			return 0, fmt.Errorf("read FAT: %w", err)
		}
		v.pageAt = page
	}
	b := v.page[at-v.pageAt:]
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) & fatMask, nil
}

// read fills b from an offset of the file system.
func (v *volume) read(b []byte, offset int64) error {
	n, err := v.r.ReadAt(b, v.start+offset)
	if n == len(b) {
		return nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// run is a number of clusters that follow each other.
type run struct{ first, clusters uint32 }

// chain follows a chain of clusters, up to a number of them. It fails where the chain leaves the file system, or meets
// itself or another chain.
func (v *volume) chain(first uint32, limit int64) (runs []run, err error) {
	cluster := first
	for n := int64(0); n < limit; n++ {
		if cluster >= fatBad {
			if cluster == fatBad {
				return nil, fmt.Errorf("cluster %d of the file is marked as bad", n)
			}
			return runs, nil
		}
		if cluster < firstData || cluster-firstData >= v.clusters {
			return nil, fmt.Errorf("cluster %d of the file has the number %d, want 2 to %d", n, cluster, v.clusters+1)
		}
		if v.used.set(cluster) {
			return nil, fmt.Errorf("cluster %d belongs to two files", cluster)
		}
		if last := len(runs) - 1; last >= 0 && runs[last].first+runs[last].clusters == cluster {
			runs[last].clusters++
		} else {
			runs = append(runs, run{cluster, 1})
		}
		if cluster, err = v.next(cluster); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// content returns the first size bytes of a chain. They stay where they are.
func (v *volume) content(first uint32, size int64) (tree.Content, error) {
	if size == 0 {
		return tree.Content{}, nil
	}
	need := roundUp(size, v.cluster) / v.cluster
	runs, err := v.chain(first, need)
	if err != nil {
		return tree.Content{}, err
	}
	var have int64
	for _, r := range runs {
		have += int64(r.clusters)
	}
	switch {
	case have < need:
		return tree.Content{}, fmt.Errorf("cluster chain has %d clusters, but the %d bytes of the file need %d", have, size, need)
	case len(runs) == 1:
		return tree.Content{ReaderAt: v.r, Offset: v.start + v.offset(runs[0].first), Size: size}, nil
	}
	return tree.Content{ReaderAt: &fragments{v, runs}, Size: size}, nil
}

// fragments reads clusters that are not contiguous.
type fragments struct {
	*volume
	runs []run
}

// ReadAt implements io.ReaderAt.
func (f *fragments) ReadAt(b []byte, at int64) (done int, err error) {
	if at < 0 {
		return 0, errors.New("read file at a negative offset")
	}
	for _, r := range f.runs {
		size := int64(r.clusters) * f.cluster
		if at >= size {
			at -= size
			continue
		}
		part := b[done:][:min(size-at, int64(len(b)-done))]
		n, err := f.r.ReadAt(part, f.start+f.offset(r.first)+at)
		if done += n; n < len(part) {
			return done, err
		}
		if at = 0; done == len(b) {
			return done, nil
		}
	}
	return done, io.EOF
}
