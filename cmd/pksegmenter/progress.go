package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/services/segmenter"
)

// view shows the events of a segmentation.
type view interface {
	event(segmenter.Event)
	close() // ends what is live
}

// newView returns a bar for each data set on a terminal, else lines; quiet shows nothing but pictures that are left out.
func newView(stderr io.Writer, quiet bool) view {
	if quiet || !cli.IsTerminal(stderr) {
		return lines{stderr, quiet}
	}
	return &bars{progress: mpb.New(mpb.WithOutput(stderr), mpb.WithWidth(40)), stderr: stderr}
}

// lines prints one line for each picture.
type lines struct {
	w     io.Writer
	quiet bool
}

func (l lines) event(e segmenter.Event) {
	switch {
	case e.Kind == segmenter.PictureSkipped:
		fmt.Fprintf(l.w, "%s: left out: %s\n", filepath.Join(e.DataSet, e.Picture), e.Reason)
	case e.Kind == segmenter.PictureDone && !l.quiet:
		fmt.Fprintf(l.w, "%s: picture %d/%d, %.2f per second, %s left\n", e.DataSet, e.Number, e.Total, e.Rate, e.Remaining)
	}
}

func (lines) close() {}

// bars shows a live bar for the current data set.
type bars struct {
	progress *mpb.Progress
	stderr   io.Writer
	bar      *mpb.Bar
	dataSet  string
	latest   segmenter.Event
}

func (b *bars) event(e segmenter.Event) {
	if e.DataSet != b.dataSet {
		b.begin(e)
	}
	switch e.Kind {
	case segmenter.PictureDone, segmenter.PictureSkipped:
		b.latest = e
		b.bar.SetCurrent(int64(e.Number))
		if e.Kind == segmenter.PictureSkipped {
			lines{b.progress, true}.event(e)
		}
	case segmenter.DataSetDone:
		b.bar.SetTotal(int64(e.Total), true)
	}
}

// begin adds the bar of a data set.
func (b *bars) begin(e segmenter.Event) {
	if b.bar != nil {
		b.bar.Abort(false)
	}
	b.dataSet, b.latest = e.DataSet, e
	b.bar = b.progress.AddBar(int64(e.Total),
		mpb.PrependDecorators(decor.Name(filepath.Base(e.DataSet), decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			return fmt.Sprintf("%.2f/s, %s left", b.latest.Rate, b.latest.Remaining)
		})))
}

func (b *bars) close() {
	if b.bar != nil {
		b.bar.Abort(false)
	}
	b.progress.Wait()
}
