// Package scenario describes what happens to a device, in boots and events, and what must hold after each. A scenario is a
// YAML document; Run carries it out on a Device. The package starts no programs and knows no emulator: package qemu
// implements Device, and tests use a recorder.
package scenario

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/yamldoc"
)

// Scenario is a sequence of boots, events and expectations for a device that starts from a newly flashed card.
type Scenario struct {
	Name    string   `yaml:"-"` // of the file, without .yml
	Title   string   `yaml:"title" doc:"What the scenario shows, in one sentence." required:"true"`
	Recipe  string   `yaml:"recipe" doc:"Name of the recipe whose image it needs; any by default."`
	Machine string   `yaml:"machine" doc:"Machine of QEMU, or container; virt by default." enum:"virt,raspi3b,container"`
	Kernel  bool     `yaml:"kernel" doc:"Whether it needs firmware or a kernel of its own, which machine container does not have."`
	Short   bool     `yaml:"short" doc:"Whether it belongs to the shortest set, which make test runs."`
	Card    Size     `yaml:"card" doc:"Size of the card, if it is larger than the image."`
	Peers   []string `yaml:"peers" doc:"Further devices with the same image, on a private network with the first one: their names." pattern:"^[a-z][a-z0-9-]*$" hint:"lower-case letters, digits and dashes"`
	Steps   []*Step  `yaml:"steps" doc:"Boots, events and expectations, in this order." required:"true"`

	places yamldoc.Places
}

// Step is one step of a scenario: a boot, an event or a set of expectations.
type Step struct {
	Kernel   bool          `yaml:"kernel" doc:"Whether the step needs firmware or a kernel of its own: machine container skips it. For expect, run and steps that fail."`
	Fails    []Pattern     `yaml:"fails" doc:"The step must fail with these messages: a pattern for each, in the order of the document. It proves that a fault is seen."`
	On       string        `yaml:"on" doc:"Name of the peer that the step is about; the device by default."`
	Boot     *Boot         `yaml:"boot" doc:"Switch the machine on, and wait for a shell." oneof:"step"`
	Expect   *Expectations `yaml:"expect" doc:"What must hold now." oneof:"step"`
	Run      *Command      `yaml:"run" doc:"Run a shell script as root: a script, or a mapping. It must succeed." oneof:"step"`
	Write    *Write        `yaml:"write" doc:"Write a file: in the running system, or on the card." oneof:"step"`
	Delete   string        `yaml:"delete" doc:"Delete a file or directory of the running system, or a file on the card." oneof:"step" pattern:"^/" hint:"an absolute path"`
	Stage    *Stage        `yaml:"stage" doc:"Add a bundle to the stage store of the running system." oneof:"step"`
	Cut      *Cut          `yaml:"cut" doc:"Cut the power." oneof:"step"`
	PowerOff *PowerOff     `yaml:"power-off" doc:"Shut the system down." oneof:"step"`
	Reset    *Reset        `yaml:"reset" doc:"Press the reset button. The next boot step starts the machine again." oneof:"step"`
	Ends     *Ends         `yaml:"ends" doc:"Wait until the system restarts or switches itself off." oneof:"step"`
	Fill     *Fill         `yaml:"fill" doc:"Fill a file system of the running system." oneof:"step"`
	Clock    *Clock        `yaml:"clock" doc:"Set the clock: of the running system, or of the next boot." oneof:"step"`
	Plug     *Stick        `yaml:"plug" doc:"Plug in a USB stick." oneof:"step"`
	Unplug   string        `yaml:"unplug" doc:"Unplug a USB stick: its name." oneof:"step"`
	Damage   *Damage       `yaml:"damage" doc:"Damage the card of a machine that is off." oneof:"step"`
	Check    *CheckCard    `yaml:"check-card" doc:"Check the card's file systems with e2fsck and fsck.vfat, with the machine off." oneof:"step"`
}

// Boot is the scenario step that switches a machine on and waits until it has a shell, or until its console shows a pattern.
type Boot struct {
	Offline  bool     `yaml:"offline" doc:"Whether the machine reaches no other network than that of the peers."`
	Timeout  Duration `yaml:"timeout" doc:"Limit until there is a shell; 10m by default."`
	Watchdog bool     `yaml:"watchdog" doc:"Whether the machine has a hardware watchdog."`
	Until    Pattern  `yaml:"until" doc:"Wait for this pattern on the console, and not for a shell."`
}

// Write is the scenario step that writes a file: in the guest if it runs, else on the card.
type Write struct {
	Path    string `yaml:"path" doc:"Path of the file; its directory must exist." required:"true" pattern:"^/" hint:"an absolute path"`
	Content string `yaml:"content" doc:"Its content."`
	Mode    string `yaml:"mode" doc:"Permissions in octal; 0644 by default." pattern:"^[0-7]{3,4}$" hint:"octal digits such as 0755"`
}

// Stage is the scenario step that adds a stage (a bundle of files and apps) to the device's store, under the next free
// number.
type Stage struct {
	Files map[string]string `yaml:"files" doc:"Files of exports/overlays, by path below it, such as etc/motd."`
	Apps  map[string]string `yaml:"apps" doc:"Compose files, by the name of the deployment."`
	Next  bool              `yaml:"next" doc:"Whether the stage becomes the next one."`
}

// Cut is the scenario step that cuts the power, after a time or at a message, and may lose writes that were not
// flushed.
type Cut struct {
	After  Duration `yaml:"after" doc:"Time from the start of the step, in which the machine could run; at once by default."`
	When   Pattern  `yaml:"when" doc:"Cut when the console shows this pattern."`
	During string   `yaml:"during" doc:"Shell script to start before, so that the power fails while it runs."`
	Limit  Duration `yaml:"limit" doc:"Limit for the pattern; 10m by default."`
	Lost   bool     `yaml:"lost" doc:"Whether writes since the card's last flush are lost in part: each is lost, kept or torn at random. Without it they are kept."`
	Seed   int      `yaml:"seed" doc:"Seed of the randomness."`
}

// PowerOff is the scenario step that shuts the system down and waits until the machine is off.
type PowerOff struct {
	Limit Duration `yaml:"limit" doc:"Limit of its time; 3m by default."`
}

// Reset is the scenario step that resets the machine without a shutdown, like its reset button. The machine is off
// afterwards, until the next Boot step.
type Reset struct {
	After Duration `yaml:"after" doc:"Time from the start of the step; at once by default."`
}

// Ends is the scenario step that waits until the machine stops by itself, and fails if the reason is not the expected one.
type Ends struct {
	Reason string   `yaml:"reason" doc:"Why the machine stops: the system restarts it, or switches it off, the kernel panics, a watchdog expires." required:"true" short:"true" enum:"reboot,power-off,panic,watchdog"`
	Within Duration `yaml:"within" doc:"Limit of its time; 10m by default."`
}

// Fill is the scenario step that fills the guest's file system at a path, and leaves a number of bytes free.
type Fill struct {
	Path  string `yaml:"path" doc:"Directory of the file system." required:"true" short:"true" pattern:"^/" hint:"an absolute path"`
	Leave Size   `yaml:"leave" doc:"Space that stays free; none by default."`
}

// Stick is a USB stick, with a FAT32 file system in its first partition, that a scenario plugs in.
type Stick struct {
	Name  string            `yaml:"name" doc:"Name of the stick, also the label of its file system." required:"true" pattern:"^[a-z][a-z0-9]{0,10}$" hint:"up to 11 lower-case letters and digits"`
	Size  Size              `yaml:"size" doc:"Size of the stick; 64MiB by default."`
	Files map[string]string `yaml:"files" doc:"Its files, by name."`
}

// Damage is the scenario step that damages the card of a machine that is off: a superblock, random blocks, or with
// debugfs.
type Damage struct {
	Partition  int      `yaml:"partition" doc:"Partition of the card." required:"true"`
	Superblock bool     `yaml:"superblock" doc:"Overwrite the first 4 KiB." oneof:"damage"`
	Blocks     int      `yaml:"blocks" doc:"Overwrite this many blocks of 4 KiB at random places." oneof:"damage"`
	Debugfs    []string `yaml:"debugfs" doc:"Commands of debugfs, for ext4." oneof:"damage"`
	Seed       int      `yaml:"seed" doc:"Seed of the random places."`
}

// CheckCard is the scenario step that checks the file systems on the card, as fsck does, and may repair ext4.
type CheckCard struct {
	Repair bool `yaml:"repair" doc:"Whether e2fsck may repair more than the replay of the journal."`
}

// Parse parses the content src of a scenario file; file is its name for messages. The error lists all mistakes with their
// places.
func Parse(file string, src []byte) (*Scenario, error) {
	s := &Scenario{}
	places, err := yamldoc.Decode(file, src, s)
	s.places = places
	return s, s.check(err)
}

// Load reads a scenario file, and names the scenario after the file. It fails if the file cannot be read; otherwise the
// error lists all mistakes with their places.
func Load(file string) (*Scenario, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s, err := Parse(file, src)
	s.Name = strings.TrimSuffix(filepath.Base(file), ".yml")
	return s, err
}

// ParseExpectations parses the content src of a YAML file of expectations, and returns a scenario that boots once, checks
// them and shuts down. The error lists all mistakes with their places.
func ParseExpectations(file string, src []byte) (*Scenario, error) {
	e := &Expectations{}
	places, err := yamldoc.Decode(file, src, e)
	s := &Scenario{Title: file, Steps: []*Step{{Boot: &Boot{}}, {Expect: e}, {PowerOff: &PowerOff{}}}, places: places}
	return s, s.check(err)
}

// Schema returns the JSON Schema of scenario files, for editors.
func Schema() ([]byte, error) {
	return yamldoc.Schema(reflect.TypeFor[Scenario](), "Scenario of pkbuild test")
}

// ExpectationsSchema returns the JSON Schema of a file of expectations, for editors.
func ExpectationsSchema() ([]byte, error) {
	return yamldoc.Schema(reflect.TypeFor[Expectations](), "Expectations of pkbuild boot")
}

// LoadDir reads all scenario files (*.yml) in a directory, sorted by name. It fails if there are none; otherwise the error
// lists the mistakes of all files.
func LoadDir(dir string) ([]*Scenario, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no scenarios (*.yml) in %s", dir))
	}
	var all []*Scenario
	var errs []error
	for _, file := range files {
		s, err := Load(file)
		errs = append(errs, err)
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

// Select returns the scenarios for an image of the named recipe, including those that name no recipe; with short, only those
// marked short.
func Select(all []*Scenario, recipe string, short bool) []*Scenario {
	return slices.DeleteFunc(slices.Clone(all), func(s *Scenario) bool {
		return s.Recipe != "" && s.Recipe != recipe || short && !s.Short
	})
}

//go:embed reference.md
var introduction string

// Reference returns the generated reference of scenario files, docs/scenarios.md.
func Reference() []byte {
	return []byte(introduction + yamldoc.Reference(reflect.TypeFor[Scenario](), "The scenario"))
}
