package ext4

import (
	"cmp"
	"slices"
)

// groupBlocks are the first blocks of a group's bitmaps and inode table. With flex_bg those of 16 groups lie together,
// in the first of them.
// https://docs.kernel.org/filesystems/ext4/blockgroup.html#flexible-block-groups
type groupBlocks struct {
	blockBitmap, inodeBitmap, inodeTable uint64
}

// plan is the layout of a survey on a number of blocks.
type plan struct {
	*survey
	geometry
	Options
	places  []groupBlocks
	fixed   []run    // superblocks, descriptors, bitmaps and inode tables, in ascending order
	next    uint64   // of the other blocks, those below are in use
	dirs    []uint32 // number of directories in each group
	resize  uint64   // the doubly indirect block of the resize inode
	gdtData []byte   // the encoded group descriptors, once they are known
}

// layout assigns a block to everything in a survey. The result may exceed the number of blocks: see missing.
func layout(s *survey, blocks uint64, o Options) *plan {
	p := &plan{survey: s, geometry: newGeometry(blocks, s.wantedInodes()), Options: o}
	p.placeGroups()
	p.setSpecialSizes()
	a := newAllocator(p.fixed)
	for number := range p.inodes {
		switch {
		case number != resizeInode:
			p.inodes[number].allocate(&a)
		case p.reserved > 0:
			p.resize = a.one()
		}
	}
	p.next = a.next
	p.countDirectories()
	return p
}

// placeGroups places superblocks, descriptors, bitmaps and inode tables.
func (p *plan) placeGroups() {
	for g := range p.groups {
		if start, _ := p.bounds(g); hasSuper(g) {
			p.fixed = append(p.fixed, run{start, start + uint64(p.baseBlocks())})
		}
	}
	copies := p.fixed
	p.places = make([]groupBlocks, p.groups)
	for first := uint32(0); first < p.groups; first += groupsPerFlex {
		start, _ := p.bounds(first)
		p.placeFlex(p.places[first:min(first+groupsPerFlex, p.groups)], start, copies)
	}
	slices.SortFunc(p.fixed, func(a, b run) int { return cmp.Compare(a.start, b.start) })
}

// placeFlex places the bitmaps and inode tables of a flexible group from a block on.
func (p *plan) placeFlex(places []groupBlocks, from uint64, copies []run) {
	place := func(n uint32) uint64 {
		for _, c := range copies {
			if c.start < from+uint64(n) && from < c.end {
				from = c.end
			}
		}
		at := from
		from += uint64(n)
		p.fixed = append(p.fixed, run{at, from})
		return at
	}
	for i := range places {
		places[i].blockBitmap = place(1)
	}
	for i := range places {
		places[i].inodeBitmap = place(1)
	}
	for i := range places {
		places[i].inodeTable = place(p.tableBlocks())
	}
}

func (p *plan) countDirectories() {
	p.dirs = make([]uint32, p.groups)
	for number := range p.inodes {
		if g := p.groupOf(uint32(number)); p.inodes[number].dir != nil && g < p.groups {
			p.dirs[g]++
		}
	}
}

func (p *plan) groupOf(inode uint32) uint32 { return (inode - 1) / p.inodesPerGroup }

// missing returns by how many blocks the file system is too small to leave a number of them free for ordinary users.
func (p *plan) missing(free uint64) uint64 {
	end := p.next
	if n := len(p.fixed); n > 0 {
		end = max(end, p.fixed[n-1].end) // inode tables of the last groups may exceed it, too
	}
	need := uint64(0)
	if end > p.blocks {
		need = end - p.blocks
	} else if left := p.freeBlocks(); left < free+p.rootBlocks() {
		need = free + p.rootBlocks() - left
	}
	if p.inodeCount() < p.wantedInodes() {
		groups := uint64(ceil(p.wantedInodes(), maxInodes))
		need = max(need, growToUsable((groups-1)*blocksPerGroup+1)-p.blocks)
	}
	return need
}

// rootBlocks is the number of blocks reserved for root.
func (p *plan) rootBlocks() uint64 { return p.blocks * uint64(p.ReservedPercent) / 100 }

func (p *plan) fixedBlocks() uint64 {
	n := uint64(0)
	for _, r := range p.fixed {
		n += r.end - r.start
	}
	return n
}

func (p *plan) freeBlocks() uint64 {
	free := uint64(0)
	for g := range p.groups {
		free += uint64(p.groupFree(g))
	}
	return free
}

// groupFree returns the number of free blocks of a group: those from next on that are not fixed.
func (p *plan) groupFree(group uint32) uint32 {
	start, end := p.bounds(group)
	start = min(max(start, p.next), end)
	free := end - start
	for _, r := range p.fixedFrom(start) {
		if r.start >= end {
			break
		}
		free -= min(r.end, end) - max(r.start, start)
	}
	return uint32(free)
}

// fixedFrom returns the fixed runs that end behind a block.
func (p *plan) fixedFrom(block uint64) []run {
	i, _ := slices.BinarySearchFunc(p.fixed, block, func(r run, b uint64) int { return cmp.Compare(r.end, b+1) })
	return p.fixed[i:]
}

// setSpecialSizes sets the sizes of inodes that depend on the size of the file system.
func (p *plan) setSpecialSizes() {
	p.inodes[journalInode].size = int64(journalBlocks(p.blocks)) * blockSize
	p.inodes[resizeInode].size = 0
	if p.reserved > 0 {
		p.inodes[resizeInode].size = resizeSize
	}
	if p.orphanInode != 0 {
		p.inodes[p.orphanInode].size = int64(orphanBlocks(p.blocks)) * blockSize
	}
}
