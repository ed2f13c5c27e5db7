// Package soak cuts the power of a recorded run of a device at many random moments, and checks what each cut leaves.
//
// A scenario runs once in QEMU while all writes to the card are logged. Each cut is then made offline: a write of the log
// is chosen, everything before the last flush before it is applied to the card, and of each later write all, nothing or a
// part. So a cut costs a second and not a boot, and is made again from its seed. The package does not start what a cut
// leaves: it checks the file systems and what pkinit would select; Boot of Options starts a sample.
package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

// Recording is the log of all disk writes of a scenario, by boot, in a directory.
type Recording struct {
	Dir      string  `json:"-"`
	Scenario string  `json:"scenario"` // name
	Phases   []Phase `json:"phases"`
}

// Phase is a step of the scenario within one boot: the entries from First up to, and not including, End in the boot's log of
// disk writes, counted from 0.
type Phase struct {
	Step  string `json:"step"` // number and kind, such as "3 stage"
	Boot  int    `json:"boot"` // from 1
	First int    `json:"first"`
	End   int    `json:"end"`
}

// recordingFile is the name of the file that makes a directory a recording.
const recordingFile = "recording.json"

// deviceDir is the directory of the recorded device, below that of the recording.
const deviceDir = "device"

// Record runs a scenario on a copy of an image, and logs all disk writes in the directory dir, which it creates. It fails if
// dir exists, if the scenario fails, or if the scenario writes nothing to the card.
func Record(ctx context.Context, s *scenario.Scenario, image, dir string, console io.Writer) (*Recording, error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, fmt.Errorf("record %s: %w", s.Name, err)
	}
	r := &Recording{Dir: dir, Scenario: s.Name}
	var device *qemu.Device
	step := 0
	var failed error
	begin := func(kind string) {
		step++
		if failed != nil {
			return
		}
		failed = r.mark(device, fmt.Sprintf("%d %s", step, kind))
	}
	result := s.Run(ctx, func(string) (scenario.Device, error) {
		var err error
		device, err = qemu.NewDevice(qemu.DeviceOptions{
			Image: image, Machine: s.Machine, Card: int64(s.Card), Console: console, Record: true, Dir: filepath.Join(dir, deviceDir),
		})
		return recorded{device}, err
	}, true, begin)
	switch {
	case result.Failed():
		return nil, fmt.Errorf("record %s: the scenario failed: %s\n%s", s.Name, result.Message(), result.Details)
	case failed != nil:
		return nil, fmt.Errorf("record %s: %w", s.Name, failed)
	}
	return r, r.finish()
}

// recorded is a device whose files stay.
type recorded struct{ *qemu.Device }

// Close ends the machine and always keeps its files.
func (d recorded) Close(bool) error { return d.Device.Close(true) }

// mark begins a phase at the place that the log has reached.
func (r *Recording) mark(d *qemu.Device, step string) error {
	boot, entries, err := 0, 0, error(nil)
	if d != nil { // the first step makes it
		boot, entries, err = d.Logged()
	}
	r.Phases = append(r.Phases, Phase{Step: step, Boot: boot, First: entries})
	return err
}

// finish sets the ends of the phases, drops those without writes, and writes the recording's file.
func (r *Recording) finish() error {
	lengths := map[int]int{}
	var phases []Phase
	for i, p := range r.Phases {
		if p.First == 0 {
			p.Boot++ // the machine was off: the step starts the next boot
		}
		if _, known := lengths[p.Boot]; !known {
			entries, _, err := r.log(p.Boot)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			lengths[p.Boot] = len(entries)
		}
		p.End = lengths[p.Boot]
		if i+1 < len(r.Phases) && r.Phases[i+1].First > 0 && r.Phases[i+1].Boot == p.Boot {
			p.End = r.Phases[i+1].First
		}
		if p.End > p.First {
			phases = append(phases, p)
		}
	}
	if len(phases) == 0 {
		return fmt.Errorf("record %s: no boot has written to the card", r.Scenario)
	}
	r.Phases = phases
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, recordingFile), append(data, '\n'), 0o666)
}

// Open opens a recording in a directory. The error wraps fs.ErrNotExist if there is none.
func Open(dir string) (*Recording, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordingFile))
	if err != nil {
		return nil, err
	}
	r := &Recording{Dir: dir}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, recordingFile), err)
	}
	return r, nil
}

// boot returns the path of a file of a recorded boot.
func (r *Recording) boot(n int, file string) string {
	return filepath.Join(r.Dir, deviceDir, fmt.Sprintf("boot-%d", n), file)
}

// log reads the log of a boot. The caller closes the file.
func (r *Recording) log(boot int) ([]writelog.Entry, *os.File, error) {
	f, err := os.Open(r.boot(boot, qemu.LogFile))
	if err != nil {
		return nil, nil, err
	}
	entries, err := writelog.Read(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("boot %d: %w", boot, err), f.Close())
	}
	return entries, f, nil
}
