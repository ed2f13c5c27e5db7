package initsteps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Step is one step of a boot, with Do, Undo and a check whether it is done. Steps are comparable values, named after
// the systemd services that can run them.
type Step interface {
	fmt.Stringer
	// Done reports whether this boot has already done the step.
	Done(b *Boot) (bool, error)
	// Do does the step completely or, if it fails, not at all. The error Skip says why there is nothing to do.
	Do(b *Boot) error
	// Undo reverts Do.
	Undo(b *Boot) error
}

// Transactions returns the steps of a boot in the order in which they run, grouped in transactions: if a step fails,
// the steps before it in its transaction are undone. The other transactions run regardless.
func Transactions() [][]Step {
	return [][]Step{
		{GrowPartition{Target: "/"}},
		{GrowFileSystem{Target: "/"}},
		{MakeIdentity{Target: "/"}},
		{ReadRequest{}},
		{Reset{}},
		{RevertOverrides{}},
		{
			SelectStage{},
			SetAside{},
			BindRoot{Target: "/sysroot"},
			BindStage{Target: overlays.CurrentStage},
			Overlay{Dir: "usr"},
			Overlay{Dir: "etc"},
		},
		{BindHome{Home: "/home/pi", Group: "pkctl"}},
		{MarkUnusable{}},
		{Verify{}},
		{MakeReserve{}},
		{Answer{}},
		{StartUnits{}},
	}
}

// Boot is the context in which the steps of a boot run: the operating system, the console, and the boot report, which
// also passes the chosen stage from step to step.
type Boot struct {
	System
	Report *report.Boot
	Print  func(line string) // writes a line to the console

	alternative bool // the transaction that was undone can start over with another choice
	usedReserve bool // the disk was full, and the reserve is deleted
}

// OneLine returns the text of an error with its lines joined by semicolons.
func OneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}

// Skip is the error by which a step reports that it had nothing to do, with the reason.
type Skip string

func (s Skip) Error() string { return string(s) }

// mountAt returns the topmost mount on a path, nil if there is none.
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
