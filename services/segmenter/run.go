package segmenter

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/segmenter/pictures"
)

// Options are the output directories of a segmentation, and its callbacks.
type Options struct {
	Output string // directory of all results
	Path   string // of the results of this data set, below Output/objects and Output/clean
	Done   bool   // mark the data set as segmented in its own directory

	Version string
	Now     func() time.Time                // nil: time.Now
	Events  func(Event)                     // nil: none
	Wait    func(ctx context.Context) error // is called before a picture is begun, and may block; nil: no wait
}

// Skipped is a picture that a segmentation left out, with the reason.
type Skipped struct{ Picture, Reason string }

// Result is the outcome of the segmentation of one data set: its objects, the written files, and skipped pictures.
type Result struct {
	DataSet  string
	Pictures int // segmented pictures
	Skipped  []Skipped
	Objects  []Object
	Dir      string  // of the cut-outs
	Table    string  // file name
	Archive  string  // file name, or "" without one
	Pixel    float64 // µm
	MinESD   float64 // µm

	Simulated bool // the metadata say that the pictures are no measurement
}

// run is a segmentation of one data set.
type run struct {
	dir      string
	settings Settings
	options  Options
	metadata *dataset.Metadata
	scale    scale
	names    []string
	size     image.Point
	workers  int
	decoded  map[int]*image.YCbCr // pictures that the background was computed from and that come next
	journal  *journal
	schedule schedule

	begun   time.Time
	resumed int // pictures that an earlier run segmented
	objects int
}

// Segment segments the data set in dir, or continues a segmentation of it that was interrupted. Soon after ctx ends it
// fails; what it found by then is kept for the next time. A picture that cannot be used is no error: it is in
// Result.Skipped.
func Segment(ctx context.Context, dir string, s Settings, o Options) (Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &run{dir: dir, options: o}
	if err := r.prepare(s); err != nil {
		return Result{}, err
	}
	if err := r.pictures(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Result{}, err
	}
	return r.finish()
}

// prepare reads the data set and opens the journal.
func (r *run) prepare(s Settings) (err error) {
	if r.settings, err = s.normalize(); err != nil {
		return err
	}
	if r.metadata, err = dataset.ReadMetadata(r.dir); err != nil {
		return err
	}
	if r.scale, err = newScale(r.metadata, r.settings); err != nil {
		return fmt.Errorf("data set %s: %w", r.dir, err)
	}
	if r.names, err = dataset.Pictures(r.dir); err != nil {
		return err
	}
	if err := r.measurePictures(); err != nil {
		return err
	}
	if r.workers, err = r.settings.workers(r.size.X, r.size.Y); err != nil {
		return fmt.Errorf("data set %s: %w", r.dir, err)
	}
	h, err := r.header()
	if err != nil {
		return err
	}
	if _, err := newTable(r.metadata, r.settings, h); err != nil {
		return fmt.Errorf("data set %s: %w", r.dir, err)
	}
	if r.options.Done { // from here on its results may be removed
		if err := atomicfile.Remove(filepath.Join(r.dir, dataset.DoneFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	r.journal, err = openJournal(r.objectsDir(), h)
	return err
}

// measurePictures sets the size to that of the first picture that can be read.
func (r *run) measurePictures() error {
	var errs []error
	for _, name := range r.names {
		size, err := pictures.Size(filepath.Join(r.dir, name))
		if err == nil && size.X*size.Y <= pictures.MaxPixels {
			r.size = size
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return fmt.Errorf("data set %s has no pictures", r.dir)
	}
	return fmt.Errorf("data set %s: no picture can be read, the first one because: %w", r.dir, errs[0])
}

// header returns what identifies this segmentation.
func (r *run) header() (header, error) {
	metadata, err := r.metadata.MarshalJSON()
	if err != nil {
		return header{}, err
	}
	identity := r.settings
	identity.Workers, identity.Memory = 0, 0
	h := header{
		Version: r.options.Version, Settings: fmt.Sprintf("%+v %+v %s", identity, r.scale, metadata),
		Pictures: r.names, Started: r.options.Now().UTC().Truncate(time.Microsecond),
	}
	for _, name := range r.names {
		info, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil {
			return header{}, err
		}
		h.Sizes = append(h.Sizes, info.Size())
	}
	return h, nil
}

func (r *run) objectsDir() string { return filepath.Join(r.options.Output, "objects", r.options.Path) }
func (r *run) cleanDir() string   { return filepath.Join(r.options.Output, "clean", r.options.Path) }

// pictures segments the pictures that the journal lacks.
func (r *run) pictures(ctx context.Context) error {
	for i, rec := range r.journal.records {
		r.count(i, rec)
	}
	r.begun, r.resumed = r.options.Now(), len(r.journal.records)
	for len(r.journal.records) < len(r.names) {
		if err := r.series(ctx); err != nil {
			return err
		}
	}
	return nil
}

// count takes a result into account, and reports whether the next picture needs a new background.
func (r *run) count(i int, rec record) bool {
	r.objects += len(rec.Objects)
	return rec.Skipped == "" && r.schedule.add(i, len(r.names), len(rec.Objects))
}

// series segments pictures until the background has to be computed anew. Up to r.workers pictures are segmented at once;
// those after a change of the background are discarded.
func (r *run) series(ctx context.Context) error {
	f, err := r.newFinder(ctx, r.schedule.first)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var pending []chan outcome
	defer func() {
		cancel()
		for _, c := range pending {
			<-c
		}
	}()
	next := len(r.journal.records)
	for i := next; i < len(r.names); i++ {
		for ; next < len(r.names) && len(pending) < r.workers; next++ {
			if err := r.wait(ctx); err != nil {
				return err
			}
			pending = append(pending, r.start(ctx, f, next))
		}
		result := <-pending[0]
		pending = pending[1:]
		if err := errors.Join(result.err, ctx.Err()); err != nil {
			return err
		}
		changed, err := r.commit(i, result)
		if err != nil || changed {
			return err
		}
	}
	return nil
}

// wait blocks while something more important uses the computer.
func (r *run) wait(ctx context.Context) error {
	if r.options.Wait != nil {
		begun := r.options.Now()
		err := r.options.Wait(ctx)
		r.begun = r.begun.Add(r.options.Now().Sub(begun)) // waiting does not lower the rate
		return errors.Join(err, ctx.Err())
	}
	return ctx.Err()
}

// commit stores the result of picture i and reports it.
func (r *run) commit(i int, result outcome) (changed bool, err error) {
	if err := r.journal.add(result.record, result.cutouts); err != nil {
		return false, err
	}
	name := r.names[i]
	r.emit(Event{Kind: PictureStarted, Picture: name, Number: i + 1})
	for k, o := range result.record.Objects {
		r.emit(Event{Kind: ObjectFound, Picture: name, Number: r.objects + k, Object: &o, Cutout: result.cutouts[k]})
		result.record.Objects[k] = Object{Name: o.Name, Features: o.Features} // the pixels are not needed any more
	}
	changed = r.count(i, result.record)
	done := Event{Kind: PictureDone, Picture: name, Number: i + 1}
	if result.record.Skipped != "" {
		done.Kind, done.Reason = PictureSkipped, result.record.Skipped
	}
	if elapsed := r.options.Now().Sub(r.begun).Seconds(); elapsed > 0 {
		done.Rate = float64(i+1-r.resumed) / elapsed
		done.Remaining = time.Duration(float64(len(r.names)-i-1) / done.Rate * float64(time.Second)).Round(time.Second)
	}
	r.emit(done)
	return changed, nil
}

// finish writes the table and the archive, and removes the journal.
func (r *run) finish() (Result, error) {
	result := Result{DataSet: r.dir, Dir: r.objectsDir(), Pixel: r.scale.pixel, MinESD: r.scale.minESD,
		Simulated: r.metadata.Text("acq_hardware") == "simulated" || r.metadata.Text("acq_instrument") == "simulated"}
	for _, rec := range r.journal.records {
		if rec.Skipped != "" {
			result.Skipped = append(result.Skipped, Skipped{rec.Picture, rec.Skipped})
			continue
		}
		result.Pictures++
		result.Objects = append(result.Objects, rec.Objects...)
	}
	if err := r.export(&result); err != nil {
		return result, err
	}
	if r.options.Done {
		if err := dataset.MarkDone(r.dir, r.options.Now()); err != nil {
			return result, err
		}
	}
	if err := r.journal.remove(); err != nil {
		return result, err
	}
	r.emit(Event{Kind: DataSetDone, Number: len(result.Objects)})
	return result, nil
}
