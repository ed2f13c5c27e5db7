// Package report is what pkinit writes to /run/pkinit/boot.json and what others read from it: the stage that was
// chosen for this boot and why, and what became of every step; and how an image asks pkinit for more than it does
// anyway. It imports nothing, so that both ends can import it.
package report

// GrowArgument on the kernel's command line lets the partition of the root file system grow to the end of the disk, with
// its file system; followed by =p3, partition 3 of that disk. With =0, later on the line, nothing grows.
const GrowArgument = "pkinit.grow"

// IdentityArgument on the kernel's command line, followed by = and the disk identifier of the image in hexadecimal, lets a
// disk that still has this identifier get an identity of its own.
const IdentityArgument = "pkinit.identity"

// PinArgument on the kernel's command line, followed by = and a number, is the GPIO pin that a person connects to ground
// during the start to get the factory stage without overrides.
const PinArgument = "pkinit.gpio"

// Path is where the report lies on the device.
const Path = "/run/pkinit/boot.json"

// Version is the version of the format; it is raised when a field changes its meaning.
const Version = 1

// Boot is pkinit's report of one boot, the content of /run/pkinit/boot.json.
type Boot struct {
	Version   int        `json:"version"`
	Pkinit    string     `json:"pkinit"`             // version of the program
	Initramfs bool       `json:"initramfs"`          // whether the steps ran before systemd
	Root      Root       `json:"root"`               // the root file system
	Choice    Choice     `json:"choice"`             // the stage of this boot: everything later reads it here
	Request   *Request   `json:"request,omitempty"`  // what a person asked of this boot; nil for nothing
	Answer    []string   `json:"answer,omitempty"`   // first lines of the answer to pkinit.txt; none if there was no such file
	Unusable  []Unusable `json:"unusable,omitempty"` // stages that could not be mounted, in the order in which they were tried
	// ClockStarted is the time at which pkinit started a clock that was behind, in RFC 3339; "" for a clock that was not.
	ClockStarted string    `json:"clock_started,omitempty"`
	Degraded     bool      `json:"degraded"`        // something is not as it should be: see Problems
	Problems     []string  `json:"problems"`        // each a sentence for the administrator
	Steps        []Step    `json:"steps"`           // in the order in which they ran
	Overlays     []Overlay `json:"overlays"`        // as found in mountinfo after the last step
	Handoff      float64   `json:"handoff_seconds"` // from the start of the kernel to the start of systemd
}

// Root is the root file system of the boot: its device, and whether it grew.
type Root struct {
	Spec   string  `json:"spec"`            // as on the kernel's command line, such as PARTUUID=…
	Device string  `json:"device"`          // such as /dev/mmcblk0p2
	Check  *Check  `json:"check,omitempty"` // of the file system before it was mounted; nil: it was not due
	Grown  *Growth `json:"grown,omitempty"` // by this boot; nil: it has not grown
}

// Check is the result of a file system check before it was mounted.
type Check struct {
	Reason  string  `json:"reason"`
	Result  string  `json:"result"` // no errors, errors corrected, errors left or not checked
	Seconds float64 `json:"seconds"`
}

// Growth is the size in bytes of a file system before and after this boot grew it.
type Growth struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Choice is the stage (the version of the device's files and apps) that a boot selected, with the reason.
type Choice struct {
	Stage   int    `json:"stage"`   // index of the bundle; 0 means the plain root
	Bundle  string `json:"bundle"`  // its directory, "" without one
	Reason  string `json:"reason"`  // why this one
	Attempt int    `json:"attempt"` // which attempt at a stage not yet proven this is; 0 for a proven one

	Overrides Overrides `json:"overrides"`           // which of the user's changes are in force
	Requested bool      `json:"requested,omitempty"` // a person asked for this stage or these overrides: no verdict is recorded
	// Ladder is what this boot leaves out since boots of a proven stage ended without a verdict, such as "without
	// overrides"; "" if it leaves out nothing.
	Ladder string `json:"ladder,omitempty"`
}

// Request is what a person requested for one boot: stage, overrides or a reset. pkinit decides about empty fields.
type Request struct {
	Stage     string `json:"stage,omitempty"`     // the number of a stage, FactoryStage or NoStage
	Overrides string `json:"overrides,omitempty"` // "on" or "off"
	Reset     string `json:"reset,omitempty"`     // ResetOverrides, ResetFactory or ResetAll
	Source    string `json:"source,omitempty"`    // where it comes from, such as pkinit.txt
}

// Values of a Request.
const (
	FactoryStage = "factory" // the stage that the device was built with
	NoStage      = "none"    // the image and the user's overrides

	ResetOverrides = "overrides" // set all overrides aside
	ResetFactory   = "factory"   // go back to the factory stage and delete the overrides
	ResetAll       = "all"       // and delete the containers and volumes of stages, with the data in them
)

// Unusable is a stage that this boot selected but could not mount, with the reason.
type Unusable struct {
	Stage  int    `json:"stage"`
	Reason string `json:"reason"`
}

// Overrides says which of the user's changes in /etc and /usr this boot uses: all, those of the last good boot, or
// none.
type Overrides string

// What is in force.
const (
	AllOverrides  Overrides = "all"
	GoodOverrides Overrides = "good" // without those changed since the last good verdict, which are set aside
	NoOverrides   Overrides = "none" // all are set aside
	OffOverrides  Overrides = "off"  // all are left out of this boot, and kept, since a person asked for that
)

// State is the result of a boot step, such as done, skipped or failed.
type State string

// The states of a step.
const (
	Done    State = "done"    // it did its work, or found it done
	Skipped State = "skipped" // there was nothing for it to do; Note says why
	Failed  State = "failed"  // Error says why
	Undone  State = "undone"  // it had been done and was taken back because a later one failed
)

// Step is the result of one boot step: its state, duration and error.
type Step struct {
	Name    string  `json:"name"`
	State   State   `json:"state"`
	Seconds float64 `json:"seconds"`
	Note    string  `json:"note,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Overlay is one overlay mount of the boot: its layers, and what happens to changes.
type Overlay struct {
	Target    string   `json:"target"`
	Source    string   `json:"source"`
	Lowerdirs []string `json:"lowerdirs"` // nearest first
	Upperdir  string   `json:"upperdir"`  // "" if read-only
	Workdir   string   `json:"workdir"`   // "" if read-only

	Mode OverlayMode `json:"mode"`
}

// OverlayMode says whether changes in an overlay are permanent, lost at the next boot, or impossible.
type OverlayMode string

// The modes of an overlay.
const (
	Writable OverlayMode = "writable"  // changes are kept
	Volatile OverlayMode = "volatile"  // changes are lost at the next boot
	ReadOnly OverlayMode = "read-only" // nothing can be changed
)
