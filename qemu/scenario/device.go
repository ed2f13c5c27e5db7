package scenario

import (
	"context"
	"net"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Output is the exit code and the output of a command in the guest.
type Output struct {
	Code int    `json:"code"`   // exit code, 124 after a timeout
	Text string `json:"output"` // standard output and standard error, without the final line break
}

// State is what a booted system reports of itself: defects, the boot report, and times of phases.
type State struct {
	Defects  []string           // a sentence each
	Report   *report.Boot       // pkinit's report, nil if there is none
	NoReport string             // why there is none
	Phases   map[string]float64 // seconds from the start of the kernel: handoff, agent, started
}

// Device is an emulated machine together with its SD card, as the steps of a scenario use it.
type Device interface {
	// Start switches the machine on.
	Start(ctx context.Context, o Start) error
	// Ready waits until the machine has a shell.
	Ready(ctx context.Context, limit time.Duration) error
	// Run executes a shell script as root and returns its output.
	Run(ctx context.Context, script string, limit time.Duration) (Output, error)
	// Inspect waits until the system has started, and returns its state.
	Inspect(ctx context.Context) (*State, error)
	// Dial connects to a TCP port among those of Start.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Console returns the output of the serial port since the machine was switched on.
	Console() string
	// Elapsed returns the time since the machine was switched on in which it could run.
	Elapsed() time.Duration
	// Sleep waits until the machine could run for a time. It returns early if the machine stops.
	Sleep(ctx context.Context, d time.Duration) error
	// Ended waits until the machine stops by itself and returns the reason, see Ends.
	Ended(ctx context.Context, limit time.Duration) (string, error)
	// PowerOff shuts the system down.
	PowerOff(ctx context.Context, limit time.Duration) error
	// Cut ends the machine at once. Writes since the card's last flush are kept, or lost in part: each is lost, kept or torn
	// at random, by the seed.
	Cut(ctx context.Context, lost bool, seed int) error
	// Plug plugs in a USB stick, and Unplug removes it.
	Plug(ctx context.Context, s *Stick) error
	Unplug(ctx context.Context, name string) error
	// Card returns the card of a machine that is off.
	Card() Card
	// Describe returns what helps to find out why a step failed.
	Describe() string
	// Close ends the machine and removes its files, unless they shall be kept.
	Close(keep bool) error
}

// Start holds the options with which a scenario switches a machine on: network, ports, clock and watchdog.
type Start struct {
	Offline  bool
	Ports    []int     // ports of the guest that Dial reaches
	Clock    time.Time // of the hardware; zero: the host's
	USB      bool      // whether sticks will be plugged in
	Watchdog bool      // whether the machine has a watchdog
	WriteLog bool      // whether Cut will lose writes
}

// Card changes and checks the SD card of a machine that is switched off.
type Card interface {
	Write(path string, content []byte, mode uint32) error
	Delete(path string) error
	// Debugfs executes commands of debugfs on the root file system.
	Debugfs(commands []string) error
	// Overwrite writes at an offset of a partition, counted from 1.
	Overwrite(partition int, offset int64, data []byte) error
	// Size returns the size of a partition.
	Size(partition int) (int64, error)
	// Check checks all file systems; it may repair ext4 if asked to.
	Check(repair bool) error
}
