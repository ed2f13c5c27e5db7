package qemu

import (
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Result is what became of a boot.
type Result struct {
	Machine  string     `json:"machine"`
	Command  []string   `json:"command"`  // QEMU's command line, to be run in Dir
	Dir      string     `json:"dir"`      // where the files of the run are
	Console  string     `json:"console"`  // path of the console's log
	Firmware Firmware   `json:"firmware"` // the choice that was booted
	Boards   []Firmware `json:"boards"`   // the choices of all boards

	Report   *report.Boot     `json:"report"`              // pkinit's, nil if there is none
	NoReport string           `json:"no_report,omitempty"` // why there is none
	System   string           `json:"system"`              // as systemctl is-system-running says
	Jobs     []string         `json:"jobs,omitempty"`      // of systemd, where the system had not started in time
	Failed   []string         `json:"failed_units"`        //
	Units    []Unit           `json:"stage_units"`         // services whose files the stage brings
	Layers   []string         `json:"stage_overlays"`      // directories for which the stage has files: etc, usr
	Overlays []report.Overlay `json:"overlays"`            // on /usr and /etc, as mountinfo has them
	Stage    *Bind            `json:"stage_bind"`          // on /run/forklift/stages/current, nil if there is none
	Reloads  int              `json:"daemon_reloads"`      // during this boot
	Sysroot  Attempt          `json:"sysroot_write"`       // what came of writing into /sysroot
	Checks   []Attempt        `json:"checks"`              // the checks of Options
	SSH      string           `json:"ssh"`                 // greeting of the SSH server, "" if there was none
	NoSSH    string           `json:"no_ssh,omitempty"`    // why there was none
	Seconds  Seconds          `json:"seconds"`
}

// Seconds are times of a boot. All but Total count from the start of the kernel, by the machine's clock.
type Seconds struct {
	Handoff float64 `json:"handoff"` // to the start of systemd, as pkinit has it; 0 without pkinit
	Probe   float64 `json:"probe"`   // to the first services of systemd
	Settled float64 `json:"settled"` // to the moment when the system had started, or its time was up
	Total   float64 `json:"total"`   // from the start of QEMU to its end, by the host's clock
}

// Attempt is the outcome of a command.
type Attempt struct {
	Name   string `json:"name,omitempty"`
	Code   int    `json:"code"`
	Output string `json:"output"`
}

// Bind is a bind mount.
type Bind struct {
	Root    string `json:"root"` // what it shows, as a path in its file system
	Options string `json:"options"`
}

// Unit is a service as systemd shows it.
type Unit struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Load       string `json:"load"`
	Active     string `json:"active"`
	Sub        string `json:"sub"`
	Result     string `json:"result"`
	FileState  string `json:"file_state"`         // such as enabled
	Path       string `json:"path"`               // of the file that systemd read
	StagePath  string `json:"stage_path"`         // where the stage's file belongs
	Same       bool   `json:"same"`               // the file at StagePath is the stage's
	NeedReload bool   `json:"need_daemon_reload"` // the file has changed since systemd read it
	Unwanted   bool   `json:"unwanted"`           // a condition in the file, once looked at, kept it from starting

	names []string
}
