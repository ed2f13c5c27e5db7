// Package progress shows the events of a build: as live bars on a terminal, as lines, or as JSON.
package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// Flags are --json, --quiet and --verbose, which choose how the events of a build are shown.
type Flags struct {
	JSON, Quiet, Verbose bool
}

// Add registers --json, --quiet and --verbose on a command.
func (f *Flags) Add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.JSON, "json", false, "print every event as a line of JSON on stdout")
	cmd.Flags().BoolVarP(&f.Quiet, "quiet", "q", false, "print warnings and errors only")
	cmd.Flags().BoolVarP(&f.Verbose, "verbose", "v", false, "also print the output of the programs that run")
	cmd.MarkFlagsMutuallyExclusive("json", "quiet", "verbose")
}

// View prints the events of a build: as live bars, as lines, as JSON, or only warnings.
type View interface {
	Event(builder.Event)
	Close() // removes what is live
}

// View returns the view that the flags choose: by default live bars on a terminal, else lines.
func (f *Flags) View(stdout, stderr io.Writer) View {
	switch {
	case f.JSON:
		return jsonView{json.NewEncoder(stdout)}
	case f.Quiet:
		return quietView{stderr}
	case f.Verbose || !cli.IsTerminal(stderr):
		return lineView{stderr, f.Verbose}
	}
	return newBarView(stderr)
}

type jsonView struct{ *json.Encoder }

func (v jsonView) Event(e builder.Event) { _ = v.Encode(e) }
func (jsonView) Close()                  {}

type quietView struct{ io.Writer }

func (v quietView) Event(e builder.Event) {
	if e.State == builder.Warning {
		fmt.Fprintln(v, summary(e))
	}
}
func (quietView) Close() {}

// lineView prints a line for the start and the end of each step and, if verbose, for each line of programs' output.
type lineView struct {
	w       io.Writer
	verbose bool
}

func (v lineView) Event(e builder.Event) {
	switch e.State {
	case builder.Started:
		fmt.Fprintf(v.w, "%s: started\n", e.Step)
	case builder.Running:
		if v.verbose && e.Message != "" {
			fmt.Fprintf(v.w, "%s: %s\n", e.Step, e.Message)
		}
	default:
		fmt.Fprintln(v.w, summary(e))
	}
}
func (lineView) Close() {}

// summary formats the end of a step, or a warning, as a line.
func summary(e builder.Event) string {
	switch e.State {
	case builder.Cached:
		line := e.Step + ": cached"
		if e.Key != "" {
			line = fmt.Sprintf("%s: reused from the cache (%.12s)", e.Step, e.Key)
		}
		if e.Message != "" {
			line += ", " + e.Message
		}
		return line
	case builder.Finished:
		if e.Message != "" {
			return fmt.Sprintf("%s: done in %s: %s", e.Step, duration(e.Seconds), e.Message)
		}
		return fmt.Sprintf("%s: done in %s", e.Step, duration(e.Seconds))
	case builder.Failed:
		return fmt.Sprintf("%s: failed after %s", e.Step, duration(e.Seconds))
	}
	return fmt.Sprintf("%s: %s: %s", e.Step, e.State, e.Message)
}

func duration(seconds float64) time.Duration {
	return (time.Duration(seconds * float64(time.Second))).Round(10 * time.Millisecond)
}

// barView shows a live bar for the running step, below the lines of finished steps. It refreshes the bars itself: mpb would
// lose lines that are written shortly before its shutdown.
type barView struct {
	bars    *mpb.Progress
	bar     *mpb.Bar
	message atomic.Value  // string; read by the goroutine that draws the bar
	refresh chan any      // a value draws the bars
	stop    chan struct{} // closed to end the regular refresh
	stopped chan struct{} // closed when it has ended
}

func newBarView(w io.Writer) *barView {
	v := &barView{refresh: make(chan any), stop: make(chan struct{}), stopped: make(chan struct{})}
	v.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithManualRefresh(v.refresh))
	go v.refreshRegularly()
	return v
}

func (v *barView) refreshRegularly() {
	defer close(v.stopped)
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.refresh <- time.Now()
		case <-v.stop:
			return
		}
	}
}

func (v *barView) Event(e builder.Event) {
	switch e.State {
	case builder.Started:
		v.message.Store("")
		v.bar = v.bars.AddBar(0,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(e.Step, decor.WCSyncSpaceR), decor.Elapsed(decor.ET_STYLE_MMSS)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return v.message.Load().(string) })))
	case builder.Running:
		if e.Total > 0 {
			v.bar.SetTotal(e.Total, false)
			v.bar.SetCurrent(e.Done)
		}
		if e.Message != "" {
			v.message.Store(fmt.Sprintf("%.60s", e.Message))
		}
	case builder.Warning:
		v.line(e)
	default:
		v.bar.Abort(true)
		v.line(e)
	}
}

func (v *barView) line(e builder.Event) { _, _ = v.bars.Write([]byte(summary(e) + "\n")) }

func (v *barView) Close() {
	close(v.stop)
	<-v.stopped
	v.refresh <- time.Now()
	v.refresh <- time.Now()       // is received after the first one was delivered
	_, _ = v.bars.Write([]byte{}) // waits until that was drawn
	v.bars.Shutdown()
}
