package ext4

// run is a range of blocks; end is not part of it.
type run struct {
	start, end uint64
}

// allocator allocates blocks in ascending order, skipping the fixed ones. It has no limit: how far a layout exceeds the
// file system tells how much larger it must be.
type allocator struct {
	fixed []run  // in ascending order, from next on
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

// take allocates up to n contiguous blocks.
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
