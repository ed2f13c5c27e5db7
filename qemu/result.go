package qemu

import (
	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Result is the state of a booted guest: boot report, units, mounts and results of checks.
type Result struct {
	Machine     string            `json:"machine"`
	Accelerated bool              `json:"accelerated"` // by KVM
	Command     []string          `json:"command"`     // QEMU's command line, to be run in Dir
	Dir         string            `json:"dir"`         // directory of the boot's files
	Console     string            `json:"console"`     // path of the console's log
	Firmware    firmware.Choice   `json:"firmware"`    // choices that were booted
	Boards      []firmware.Choice `json:"boards"`      // choices of the boards for which the image was built

	Foreign  bool         `json:"foreign"`             // the image has no pkinit: it was not built by pkbuild
	Report   *report.Boot `json:"report"`              // pkinit's report, nil if there is none
	NoReport string       `json:"no_report,omitempty"` // why there is none
	System   string       `json:"system"`              // output of systemctl is-system-running
	Jobs     []string     `json:"jobs,omitempty"`      // systemd's jobs, if the system did not start in time
	Failed   []string     `json:"failed_units"`
	Units    []Unit       `json:"stage_units"`    // services whose files the stage has
	Layers   []string     `json:"stage_overlays"` // directories for which the stage has files: etc, usr
	Apps     []App        `json:"stage_apps"`     // Compose apps of the stage
	// NoContainers is why Docker did not list its containers.
	NoContainers string           `json:"no_containers,omitempty"`
	Overlays     []report.Overlay `json:"overlays"`       // on /usr and /etc, from mountinfo
	Stage        *Bind            `json:"stage_bind"`     // on /run/forklift/stages/current, nil if there is none
	Reloads      int              `json:"daemon_reloads"` // during this boot
	Sysroot      Attempt          `json:"sysroot_write"`  // outcome of writing into /sysroot
	Checks       []Attempt        `json:"checks"`         // outcomes of Options.Checks
	SSH          string           `json:"ssh"`            // greeting of the SSH server, "" if there was none
	NoSSH        string           `json:"no_ssh,omitempty"`
	SSHPort      int              `json:"ssh_port"` // of the host, forwarded to port 22 of the guest
	Seconds      Seconds          `json:"seconds"`
}

// Seconds are times of a boot in seconds. Total is how long QEMU ran, by the host's clock; the others count from the start
// of the kernel, by the guest's clock.
type Seconds struct {
	Handoff float64 `json:"handoff"` // to the start of systemd, from pkinit's report; 0 without pkinit
	Agent   float64 `json:"agent"`   // to the first answer of the agent
	Settled float64 `json:"settled"` // to the moment when the system had started, or the limit was over
	Total   float64 `json:"total"`   // from the start of QEMU to its end, by the host's clock
}

// Attempt is a script that ran in the guest: its name, exit code and output.
type Attempt struct {
	Name string `json:"name,omitempty"`
	Output
}

// Bind is a bind mount in the guest: the mounted directory and the mount options.
type Bind struct {
	Root    string `json:"root"` // mounted directory, as a path in its file system
	Options string `json:"options"`
}

// Unit is a systemd service in the guest, with the properties that systemctl show prints.
type Unit struct {
	ID              string `json:"id"`
	Type            string `json:"type"`
	Load            string `json:"load"`
	Active          string `json:"active"`
	Sub             string `json:"sub"`
	Result          string `json:"result"`
	FileState       string `json:"file_state"`         // such as enabled
	Path            string `json:"path"`               // unit file that systemd loaded
	StagePath       string `json:"stage_path"`         // path at which the stage has the file
	Same            bool   `json:"same"`               // the file at StagePath is the stage's
	NeedReload      bool   `json:"need_daemon_reload"` // the file has changed since systemd loaded it
	ConditionFailed bool   `json:"condition_failed"`   // a condition in the unit kept it from starting

	names []string
}
