package scenario

// Expectations describe the state that a scenario expects of a booted system, such as units, mounts, files and ports.
// An absent key expects nothing.
type Expectations struct {
	Within     Duration              `yaml:"within" doc:"For how long expectations that fail are checked again, of the time in which the machine could run; 0 by default."`
	Defects    []Pattern             `yaml:"defects" doc:"The defects that pkbuild boot reports: exactly these, in this order; [] for none."`
	Report     *Report               `yaml:"report" doc:"pkinit's report of the boot."`
	Units      map[string]*Unit      `yaml:"units" doc:"systemd's units, by name: a state, or a mapping."`
	Failed     []string              `yaml:"failed-units" doc:"Names of the failed units: exactly these; [] for none."`
	Mounts     map[string]*Mount     `yaml:"mounts" doc:"Mounts, by mount point." pattern:"^/" hint:"an absolute path"`
	Files      map[string]*File      `yaml:"files" doc:"Files, by path: a kind, or a mapping." pattern:"^/" hint:"an absolute path"`
	Ports      map[string]*Port      `yaml:"ports" doc:"TCP ports of the guest, as another machine reaches them." pattern:"^[1-9][0-9]{0,4}$" hint:"a port number"`
	Containers map[string]*Container `yaml:"containers" doc:"Docker's containers, by name: a state, or a mapping."`
	Commands   []*Command            `yaml:"commands" doc:"Shell commands, run as root in this order."`
	Journal    *Log                  `yaml:"journal" doc:"The system's journal of this boot."`
	Console    *Log                  `yaml:"console" doc:"Output of the serial port since the machine was started."`
	Phases     map[string]Duration   `yaml:"phases" doc:"Limits from the start of the kernel, by the guest's clock: to handoff (pkinit starts systemd), agent (the first shell), started (the system has started)." pattern:"^(handoff|agent|started)$" hint:"handoff, agent or started"`
}

// Report is what a scenario expects of pkinit's boot report: stage, attempt, problems and steps.
type Report struct {
	Stage    *int              `yaml:"stage" doc:"Number of the chosen stage; 0 for none."`
	Attempt  *int              `yaml:"attempt" doc:"Which attempt at an unproven stage this is; 0 for a proven one."`
	Reason   Pattern           `yaml:"reason" doc:"Pattern of the reason for the choice."`
	Degraded *bool             `yaml:"degraded" doc:"Whether the boot lacks something."`
	Problems []Pattern         `yaml:"problems" doc:"Patterns of the problems: exactly these, in this order; [] for none."`
	Grown    *bool             `yaml:"grown" doc:"Whether this boot grew the root file system."`
	Steps    map[string]string `yaml:"steps" doc:"State of each step: done, skipped, failed or undone."`
}

// Unit is what a scenario expects of a systemd unit, by properties such as ActiveState.
type Unit struct {
	Active     string `yaml:"active" doc:"ActiveState." short:"true" enum:"active,inactive,failed,activating,deactivating"`
	Sub        string `yaml:"sub" doc:"SubState, such as running or exited."`
	Load       string `yaml:"load" doc:"LoadState." enum:"loaded,not-found,masked,bad-setting,error"`
	Result     string `yaml:"result" doc:"Result, such as success or watchdog."`
	FileState  string `yaml:"file-state" doc:"UnitFileState, such as enabled."`
	Path       string `yaml:"path" doc:"Path of the unit file."`
	NeedReload *bool  `yaml:"need-reload" doc:"NeedDaemonReload: whether the file has changed since systemd loaded it."`
}

// Mount is what a scenario expects of a mount point in the guest: type, source, options and overlay layers.
type Mount struct {
	Absent    bool     `yaml:"absent" doc:"Nothing is mounted here."`
	Type      string   `yaml:"type" doc:"Type of the file system, such as overlay."`
	Source    string   `yaml:"source" doc:"Source of the mount, such as pkinit:/usr."`
	Root      string   `yaml:"root" doc:"Mounted directory within the file system, of a bind mount."`
	Options   []string `yaml:"options" doc:"Options that the mount or its file system has, such as ro."`
	Lowerdirs []string `yaml:"lowerdirs" doc:"Lower layers of an overlay: exactly these, the uppermost first."`
	Upperdir  string   `yaml:"upperdir" doc:"Upper layer of an overlay."`
}

// File is what a scenario expects of a file in the guest: type, mode, owner and content.
type File struct {
	Kind    string    `yaml:"kind" doc:"Kind of file; present is any." short:"true" enum:"present,absent,file,directory,symlink,character device,block device,fifo,socket"`
	Mode    string    `yaml:"mode" doc:"Permissions in octal." pattern:"^[0-7]{3,4}$" hint:"octal digits such as 0644"`
	Owner   string    `yaml:"owner" doc:"Owner and group, such as root:root."`
	Target  string    `yaml:"target" doc:"Target of a symlink."`
	Content *string   `yaml:"content" doc:"The whole content."`
	Matches []Pattern `yaml:"matches" doc:"Patterns that match the content."`
	Lacks   []Pattern `yaml:"lacks" doc:"Patterns that do not match the content."`
	SameAs  string    `yaml:"same-as" doc:"Path of a file with the same content."`
}

// Port is what a scenario expects of a TCP port of the guest: its state, its greeting, or an HTTP response.
type Port struct {
	State  string   `yaml:"state" doc:"Whether a server answers; open by default." short:"true" enum:"open,closed"`
	Answer Pattern  `yaml:"answer" doc:"Pattern of the first line that the server sends."`
	Get    string   `yaml:"get" doc:"Path to request over HTTP." pattern:"^/" hint:"an absolute path, such as /"`
	Status int      `yaml:"status" doc:"HTTP status; 200 by default."`
	Body   *Pattern `yaml:"body" doc:"Pattern of the HTTP response's body."`
}

// Container is what a scenario expects of a Docker container: state, image and environment.
type Container struct {
	State string  `yaml:"state" doc:"State, or health." short:"true" enum:"healthy,unhealthy,running,exited,created,restarting,absent"`
	Image Pattern `yaml:"image" doc:"Pattern of the image's name."`
	Env   Pattern `yaml:"env" doc:"Pattern of an environment variable, as NAME=value."`
}

// Command is a shell command that a scenario runs in the guest, with its expected exit code and output.
type Command struct {
	Run     string    `yaml:"run" doc:"Shell script." required:"true" short:"true"`
	Exit    int       `yaml:"exit" doc:"Exit code; 0 by default."`
	Output  *string   `yaml:"output" doc:"The whole output, without the final line break."`
	Matches []Pattern `yaml:"matches" doc:"Patterns that match the output."`
	Lacks   []Pattern `yaml:"lacks" doc:"Patterns that do not match the output."`
	Limit   Duration  `yaml:"limit" doc:"Limit of its time; 5m by default."`
}

// Log is what a scenario expects of a log (the journal or the console): patterns that match, and patterns that do not.
type Log struct {
	Matches []Pattern `yaml:"matches" doc:"Patterns that match."`
	Lacks   []Pattern `yaml:"lacks" doc:"Patterns that do not match."`
}
