package initsteps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Step is one thing to do. Steps are comparable values; their names are those of the systemd services that run them.
type Step interface {
	fmt.Stringer
	// Done says whether there is nothing left to do, because this boot has done it before.
	Done(b *Boot) (bool, error)
	// Do does it, wholly or not at all. A Skip says that there is nothing to do at all.
	Do(b *Boot) error
	// Undo takes back what Do did.
	Undo(b *Boot) error
}

// Transactions are all steps, in the order in which they run. A step that fails is undone with those before it in its
// transaction; the other transactions run all the same.
func Transactions() [][]Step {
	return [][]Step{
		{GrowPartition{Target: "/"}},
		{GrowFileSystem{Target: "/"}},
		{Reset{}},
		{RevertOverrides{}},
		{
			SelectStage{},
			BindRoot{Target: "/sysroot"},
			BindStage{Target: overlays.CurrentStage},
			Overlay{Dir: "usr"},
			Overlay{Dir: "etc"},
		},
		{BindHome{Home: "/home/pi", Group: "pkctl"}},
		{MarkUnusable{}},
		{Verify{}},
		{StartUnits{}},
	}
}

// Boot is what a step knows: the system, and the report that it reads the choice from and adds to.
type Boot struct {
	System
	Report *report.Boot
	Print  func(line string) // writes a line to the console

	alternative bool // the transaction that was undone can start over with another choice
}

// OneLine writes an error that has several lines, as joined ones have, in one.
func OneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}

// Skip is the error of a step that has nothing to do; it says why.
type Skip string

func (s Skip) Error() string { return string(s) }

// mountAt finds what is mounted on a path, as the last mount on it shows; nil if nothing is.
func (b *Boot) mountAt(target string) (*mountinfo.Info, error) {
	infos, err := b.MountInfo()
	if err != nil {
		return nil, err
	}
	return lastAt(infos, target), nil
}

func lastAt(infos []*mountinfo.Info, target string) *mountinfo.Info {
	for _, i := range slices.Backward(infos) {
		if i.Mountpoint == target {
			return i
		}
	}
	return nil
}
