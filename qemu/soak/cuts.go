package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

// Cut is a simulated power cut: the machine stops after a number of entries in the log of disk writes.
type Cut struct {
	Number  int    `json:"number"` // from 1
	Step    string `json:"step"`
	Boot    int    `json:"boot"`
	Entries int    `json:"entries"`
}

// Outcome is what one power cut left on the card: the stage that would boot, lost writes, and findings.
type Outcome struct {
	Cut
	Writes   writelog.Stats `json:"writes"`        // since the last flush
	Stage    int            `json:"stage"`         // that pkinit would select, 0 for none
	Booted   bool           `json:"booted"`        // whether the card was started in QEMU, too
	Findings []string       `json:"findings"`      // what is wrong, a sentence each
	Dir      string         `json:"dir,omitempty"` // has the card if something is wrong
}

// Options are the seed and number of power cuts that Run simulates, and how it checks the cards.
type Options struct {
	Seed   uint64
	Cuts   int
	Only   int    // makes this cut only; 0: all
	Jobs   int    // how many cards are checked at a time; 0 is 1
	Dir    string // for cards, those with findings stay
	Sample int    // every so many cuts the card is also started by Boot; 0: never
	Boot   func(ctx context.Context, card, dir string) error
	Done   func(Outcome) // receives each outcome; may be nil
}

// Points returns a number of pseudo-random power cuts, in the order of the recording. Equal seeds give equal cuts. Each
// phase of the scenario is equally probable, and within a phase each entry of the log.
func (r *Recording) Points(seed uint64, cuts int) []Cut {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]Cut, cuts)
	for i := range all {
		p := r.Phases[random.IntN(len(r.Phases))]
		all[i] = Cut{Number: i + 1, Step: p.Step, Boot: p.Boot, Entries: p.First + 1 + random.IntN(p.End-p.First)}
	}
	slices.SortStableFunc(all, func(a, b Cut) int {
		return cmp.Or(cmp.Compare(a.Boot, b.Boot), cmp.Compare(a.Entries, b.Entries))
	})
	return all
}

// Run simulates power cuts in the recording, and checks the file systems that each leaves and the stage that pkinit would
// boot. It returns the outcomes sorted by Cut.Number. Bad outcomes have findings; an error means that a cut could not be
// simulated or checked.
func (r *Recording) Run(ctx context.Context, o Options) ([]Outcome, error) {
	allowed, err := r.stages(o.Dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var outcomes []Outcome
	jobs := make(chan Outcome)
	var workers sync.WaitGroup
	for range max(1, o.Jobs) {
		workers.Go(func() {
			for c := range jobs {
				if ctx.Err() != nil {
					_ = os.RemoveAll(c.Dir)
					continue
				}
				if err := c.check(ctx, o, allowed); err != nil {
					cancel(fmt.Errorf("cut %d: %w", c.Number, err))
				}
				mu.Lock()
				outcomes = append(outcomes, c)
				if o.Done != nil && ctx.Err() == nil {
					o.Done(c)
				}
				mu.Unlock()
			}
		})
	}
	err = r.cards(ctx, o, jobs)
	close(jobs)
	workers.Wait()
	slices.SortFunc(outcomes, func(a, b Outcome) int { return cmp.Compare(a.Number, b.Number) })
	return outcomes, errors.Join(err, context.Cause(ctx))
}

// cards makes the cards that the cuts leave.
func (r *Recording) cards(ctx context.Context, o Options, jobs chan<- Outcome) (err error) {
	var disk replayed
	defer func() { err = errors.Join(err, disk.close()) }()
	for _, cut := range r.Points(o.Seed, o.Cuts) {
		if ctx.Err() != nil || o.Only != 0 && cut.Number != o.Only {
			continue
		}
		if disk.boot != cut.Boot {
			if err := errors.Join(disk.close(), disk.open(r, cut.Boot, filepath.Join(o.Dir, "replayed.img"))); err != nil {
				return err
			}
		}
		c := Outcome{Cut: cut, Dir: filepath.Join(o.Dir, fmt.Sprintf("cut-%d", cut.Number)), Findings: []string{}}
		if err := os.Mkdir(c.Dir, 0o777); err != nil {
			return err
		}
		random := rand.New(rand.NewPCG(o.Seed, uint64(cut.Number)))
		if c.Writes, err = disk.cut(cut.Entries, c.card(), random); err != nil {
			return err
		}
		select {
		case jobs <- c:
		case <-ctx.Done():
			return os.RemoveAll(c.Dir)
		}
	}
	return nil
}

// replayed is a disk to which a log is applied up to some flush.
type replayed struct {
	boot    int
	file    *os.File
	log     *os.File
	entries []writelog.Entry
	applied int
}

func (d *replayed) open(r *Recording, boot int, file string) error {
	entries, log, err := r.log(boot)
	if err != nil {
		return err
	}
	*d = replayed{boot: boot, log: log, entries: entries}
	if err := qemu.CopyDisk(r.boot(boot, qemu.BeforeFile), file); err != nil {
		return err
	}
	d.file, err = os.OpenFile(file, os.O_RDWR, 0)
	return err
}

func (d *replayed) close() error {
	if d.log == nil {
		return nil
	}
	err := d.log.Close()
	if d.file != nil {
		err = errors.Join(err, d.file.Close(), os.Remove(d.file.Name()))
	}
	*d = replayed{}
	return err
}

// cut writes the card as a power cut after some entries leaves it. Cuts must come in the order of the log.
func (d *replayed) cut(entries int, card string, random *rand.Rand) (stats writelog.Stats, err error) {
	if synced := writelog.Synced(d.entries[:entries]); synced > d.applied {
		if err := writelog.Apply(d.file, d.log, d.entries[d.applied:synced]); err != nil {
			return stats, err
		}
		d.applied = synced
	}
	if err := qemu.CopyDisk(d.file.Name(), card); err != nil {
		return stats, err
	}
	f, err := os.OpenFile(card, os.O_WRONLY, 0)
	if err != nil {
		return stats, err
	}
	stats, err = writelog.ApplySome(f, io.NewSectionReader(d.log, 0, 1<<62), d.entries[d.applied:entries], random)
	return stats, errors.Join(err, f.Close())
}
