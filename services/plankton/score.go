package plankton

import (
	"cmp"
	"slices"
)

// minOverlap is the intersection over union from which on an object counts as found.
const minOverlap = 0.5

// Score compares the objects that a segmenter found with the ground truth of simulated pictures. A found object is
// correct if the intersection over union of its pixels and those of a true object is at least 0.5.
type Score struct {
	Objects int     // of the ground truth that are large enough
	Found   int     // of these
	Correct int     // found objects that are in the ground truth, however small
	Wrong   int     // found objects that are not in the ground truth
	Overlap float64 // sum of the intersection over union of the correct ones
}

// Recall returns the share of the true objects, without those below Add's minArea, that were found; 1 if there are
// none.
func (s Score) Recall() float64 { return share(float64(s.Found), s.Objects) }

// Precision returns the share of the found objects that are in the ground truth; 1 if none were found.
func (s Score) Precision() float64 { return share(float64(s.Correct), s.Correct+s.Wrong) }

// MeanIoU returns the mean intersection over union of the correct objects with the true ones; 1 if no object is
// correct.
func (s Score) MeanIoU() float64 { return share(s.Overlap, s.Correct) }

// CountRatio returns the number of objects that were found, divided by the number of true objects without those below
// Add's minArea; 1 if there are no such true objects.
func (s Score) CountRatio() float64 { return share(float64(s.Correct+s.Wrong), s.Objects) }

// share divides; a share of nothing is 1.
func share(part float64, of int) float64 {
	if of == 0 {
		return 1
	}
	return part / float64(of)
}

// Add adds to the score the objects that were found in a picture, each as sorted runs, compared with the truth. True
// objects of fewer pixels than minArea need not be found, and are not wrong if they are.
func (s *Score) Add(t Truth, found [][]Run, minArea float64) {
	type pair struct {
		object, found int
		iou           float64
	}
	var pairs []pair
	for i, o := range t.Objects {
		for k, runs := range found {
			if iou := Overlap(o.Runs, runs); iou >= minOverlap {
				pairs = append(pairs, pair{i, k, iou})
			}
		}
		if float64(o.Area) >= minArea {
			s.Objects++
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.iou, a.iou) })
	objects, used := map[int]bool{}, map[int]bool{}
	for _, p := range pairs {
		if objects[p.object] || used[p.found] {
			continue
		}
		objects[p.object], used[p.found] = true, true
		s.Correct++
		s.Overlap += p.iou
		if float64(t.Objects[p.object].Area) >= minArea {
			s.Found++
		}
	}
	s.Wrong += len(found) - len(used)
}

// Overlap returns the intersection over union of two sets of pixels, from 0 to 1. The runs of each set must be sorted
// by Y and X0. Two empty sets have 0.
func Overlap(a, b []Run) float64 {
	both, i, k := 0, 0, 0
	for i < len(a) && k < len(b) {
		if a[i].Y == b[k].Y {
			both += max(0, min(a[i].X1, b[k].X1)-max(a[i].X0, b[k].X0))
		}
		if a[i].Y < b[k].Y || a[i].Y == b[k].Y && a[i].X1 < b[k].X1 {
			i++
		} else {
			k++
		}
	}
	union := pixels(a) + pixels(b) - both
	if union == 0 {
		return 0
	}
	return float64(both) / float64(union)
}

// pixels returns the number of pixels of runs.
func pixels(runs []Run) int {
	n := 0
	for _, r := range runs {
		n += r.X1 - r.X0
	}
	return n
}
