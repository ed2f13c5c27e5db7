package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/PlanktoScope/pkbuild/builder"
)

// faceFlags choose how the events of a build are shown.
type faceFlags struct {
	json, quiet, verbose bool
}

func (f *faceFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "print every event as a line of JSON on stdout")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "print warnings and errors only")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print the output of the programs that run, too")
	cmd.MarkFlagsMutuallyExclusive("json", "quiet", "verbose")
}

// face shows events.
type face interface {
	event(builder.Event)
	close()
}

// open picks the face: what the flags say, else live bars on a terminal, else lines.
func (f *faceFlags) open(cmd *cobra.Command) face {
	w := cmd.ErrOrStderr()
	switch {
	case f.json:
		return jsonFace{json.NewEncoder(cmd.OutOrStdout())}
	case f.quiet:
		return quietFace{w}
	case f.verbose || !isTerminal(w):
		return lineFace{w, f.verbose}
	}
	return &barFace{w: w, bars: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
}

type jsonFace struct{ *json.Encoder }

func (f jsonFace) event(e builder.Event) { _ = f.Encode(e) }
func (jsonFace) close()                  {}

type quietFace struct{ io.Writer }

func (f quietFace) event(e builder.Event) {
	if e.State == builder.Warning {
		fmt.Fprintf(f, "%s: warning: %s\n", e.Step, e.Message)
	}
}
func (quietFace) close() {}

// lineFace prints a line for each beginning and end, and for each line of the programs' output if it is asked to.
type lineFace struct {
	w       io.Writer
	verbose bool
}

func (f lineFace) event(e builder.Event) {
	switch e.State {
	case builder.Started:
		fmt.Fprintf(f.w, "%s: started\n", e.Step)
	case builder.Running:
		if f.verbose && e.Message != "" {
			fmt.Fprintf(f.w, "%s: %s\n", e.Step, e.Message)
		}
	default:
		fmt.Fprintln(f.w, summary(e))
	}
}
func (lineFace) close() {}

// summary says in a line how a step ended.
func summary(e builder.Event) string {
	switch e.State {
	case builder.Cached:
		line := fmt.Sprintf("%s: reused from the cache (%.12s)", e.Step, e.Key)
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

// barFace shows one live bar, that of the step that runs; what is over becomes a line above it.
type barFace struct {
	w       io.Writer
	bars    *mpb.Progress
	bar     *mpb.Bar
	message atomic.Value // string: the bars are drawn by a goroutine of their own
}

func (f *barFace) event(e builder.Event) {
	switch e.State {
	case builder.Started:
		f.message.Store("")
		f.bar = f.bars.AddBar(0,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(e.Step, decor.WCSyncSpaceR), decor.Elapsed(decor.ET_STYLE_MMSS)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return f.message.Load().(string) })))
	case builder.Running:
		if e.Total > 0 {
			f.bar.SetTotal(e.Total, false)
			f.bar.SetCurrent(e.Done)
		}
		if e.Message != "" {
			f.message.Store(fmt.Sprintf("%.60s", e.Message))
		}
	case builder.Warning:
		f.line(e)
	default:
		f.bar.Abort(true)
		f.line(e)
	}
}

func (f *barFace) line(e builder.Event) { _, _ = f.bars.Write([]byte(summary(e) + "\n")) }

func (f *barFace) close() { f.bars.Shutdown() }
