package ext4

// run is a number of blocks from start up to, without, end.
type run struct {
	start, end uint64
}

// allocator hands out blocks in ascending order, around those that are fixed. It knows no end of the disk: a layout
// that is too large for its size runs over, and so tells by how much.
type allocator struct {
	fixed []run  // in ascending order, those before next left out
	next  uint64 // never a fixed block
}

func newAllocator(fixed []run) allocator {
	a := allocator{fixed: fixed}
	a.skip()
	return a
}

func (a *allocator) skip() {
	for len(a.fixed) > 0 && a.fixed[0].start <= a.next {
		a.next = max(a.next, a.fixed[0].end)
		a.fixed = a.fixed[1:]
	}
}

// take hands out up to n contiguous blocks.
func (a *allocator) take(n uint64) run {
	r := run{a.next, a.next + n}
	if len(a.fixed) > 0 {
		r.end = min(r.end, a.fixed[0].start)
	}
	a.next = r.end
	a.skip()
	return r
}

func (a *allocator) one() uint64 { return a.take(1).start }
