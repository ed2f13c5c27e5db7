package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

// noRequest is why the step is skipped.
const noRequest = "no request before the overlays are mounted"

// ReadRequest is the boot step that reads what a person requests for this boot: by a GPIO pin, by pkinit.txt on the
// boot partition, by pkctl boot --next, or on the kernel's command line. If several contradict each other, the first of
// these counts. It deletes the files before the request takes effect, so that it holds for one boot only.
type ReadRequest struct{}

func (ReadRequest) String() string { return "read-request" }

// Done always returns false: Do itself finds out whether there is a request.
func (ReadRequest) Done(*Boot) (bool, error) { return false, nil }

// Do reads the request and writes it to the boot report. It does not fail: what cannot be read is reported as a
// problem.
func (ReadRequest) Do(b *Boot) error {
	mounted, err := overlaid(b)
	if err != nil {
		return err
	}
	if mounted {
		return Skip(noRequest)
	}
	var all report.Request
	for _, source := range []struct {
		name string
		read func(*Boot) (report.Request, []string, error)
	}{
		{"the rescue pin", readPin}, {request.TextFile, readText}, {"pkctl boot --next", readNext}, {"the kernel's command line", readArguments},
	} {
		r, mistakes, err := source.read(b)
		for _, m := range mistakes {
			b.Problem(fmt.Sprintf("%s: %s", source.name, m))
		}
		if err != nil {
			b.Problem(fmt.Sprintf("read a request from %s: %s", source.name, OneLine(err)))
			continue
		}
		if r != (report.Request{}) {
			r.Source = source.name
			all = request.Merge(all, r)
		}
	}
	if all == (report.Request{}) {
		return Skip(noRequest)
	}
	b.Report.Request = &all
	b.Print(fmt.Sprintf("requested by %s: stage=%s overrides=%s reset=%s", all.Source, all.Stage, all.Overrides, all.Reset))
	return nil
}

// Undo does nothing: the file with the request is deleted already.
func (ReadRequest) Undo(*Boot) error { return nil }

func readArguments(b *Boot) (report.Request, []string, error) {
	line, err := b.ReadFile("/proc/cmdline")
	r, mistakes := request.ParseCmdline(string(line))
	return r, mistakes, err
}

// readNext reads and deletes the request of pkctl boot --next. One that cannot be deleted has no effect: it would have it
// for ever.
func readNext(b *Boot) (r report.Request, _ []string, err error) {
	data, err := b.ReadFile(b.stateFile(request.NextFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil, nil
	}
	if err != nil {
		return r, nil, err
	}
	r, err = request.ParseNext(data)
	if err := errors.Join(err, b.RemoveAll(overlays.StateDir, request.NextFile)); err != nil {
		return report.Request{}, nil, err
	}
	return r, nil, nil
}

// readText reads and deletes pkinit.txt. Before it is deleted, its reset is queued.
func readText(b *Boot) (r report.Request, mistakes []string, err error) {
	name := ""
	err = b.onBootPartition(true, func() error {
		entries, err := fs.ReadDir(b.DirFS(bootDir), ".")
		for _, e := range entries {
			if request.IsTextFile(e.Name()) {
				name = e.Name()
			}
		}
		return err
	})
	if errors.Is(err, errNoBootPartition) || err == nil && name == "" {
		return r, nil, nil
	}
	if err != nil {
		return r, nil, err
	}
	err = b.onBootPartition(false, func() error {
		data, err := b.ReadFile(path.Join(bootDir, name))
		if err != nil {
			return err
		}
		r, mistakes = request.ParseText(data)
		queued, err := queueReset(b, &r)
		if err != nil {
			mistakes = append(mistakes, OneLine(err))
		}
		err = b.RemoveAll(bootDir, name)
		if err != nil && queued { // a file that stays would reset the device at each boot
			err = errors.Join(err, b.RemoveAll(overlays.StateDir, override.ResetFile))
		}
		return err
	})
	if err != nil {
		return report.Request{}, mistakes, err
	}
	b.Report.Answer = append([]string{name + " was read."}, mistakes...)
	return r, mistakes, nil
}

// queueReset queues the reset of a request, for the step after this one.
func queueReset(b *Boot, r *report.Request) (queued bool, err error) {
	if r.Reset == "" || r.Reset == report.ResetOverrides {
		return false, nil
	}
	files, err := stages.ReadFiles(b.DirFS(stages.Dir))
	if err != nil {
		return false, fmt.Errorf("reset=%s: %w", r.Reset, err)
	}
	n := files.Store.Staged.Names[stages.FactoryName]
	if number, err := strconv.Atoi(r.Stage); err == nil {
		n, r.Stage = number, ""
	}
	if n == 0 {
		return false, fmt.Errorf("reset=%s: no stage has the name %s", r.Reset, stages.FactoryName)
	}
	data, err := override.Reset{Stage: n, Overrides: true, Containers: r.Reset == report.ResetAll}.Marshal()
	if err != nil {
		return false, err
	}
	return true, b.WriteFile(b.stateFile(override.ResetFile), data, 0o644)
}

// readPin returns the request of a person who holds the rescue pin, where the kernel's command line names one.
func readPin(b *Boot) (r report.Request, _ []string, err error) {
	line, err := b.ReadFile("/proc/cmdline")
	if err != nil {
		return r, nil, err
	}
	pin := -1
	for arg := range strings.FieldsSeq(string(line)) {
		if value, found := strings.CutPrefix(arg, report.PinArgument+"="); found {
			if pin, err = strconv.Atoi(value); err != nil {
				return r, nil, err
			}
		}
	}
	if pin < 0 {
		return r, nil, nil
	}
	held, err := b.PinHeld(pin)
	if err != nil || !held {
		return r, nil, err
	}
	return report.Request{Stage: report.FactoryStage, Overrides: "off"}, nil, nil
}
