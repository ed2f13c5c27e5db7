package segmenter

import "time"

// EventKind is the kind of an Event: a segmentation, or the processing of a picture, began or ended.
type EventKind int

// The kinds of events.
const (
	CalculatingFlat EventKind = iota // a background is computed
	PictureStarted                   // the results of a picture follow
	ObjectFound
	PictureSkipped // a picture cannot be used
	PictureDone
	DataSetDone
)

// Event is a step of the segmentation of a data set. The events of pictures are in the order of the pictures, however many
// are segmented at once.
type Event struct {
	Kind    EventKind
	DataSet string // directory
	Picture string // file name
	Number  int    // of the picture in the data set, from 1; of an object in the data set, from 0
	Total   int    // pictures in the data set
	Object  *Object
	Cutout  []byte // JPEG of the object
	Reason  string // why the picture cannot be used

	Rate      float64       // pictures per second in this run
	Remaining time.Duration // for the data set
}

// emit reports an event of the run.
func (r *run) emit(e Event) {
	if r.options.Events != nil {
		e.DataSet, e.Total = r.dir, len(r.names)
		r.options.Events(e)
	}
}
