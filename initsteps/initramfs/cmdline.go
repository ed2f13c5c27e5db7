package initramfs

import (
	"strconv"
	"strings"
	"time"
)

// Cmdline holds the arguments of the kernel's command line that pkinit uses, such as root= and init=.
type Cmdline struct {
	Root      string            // PARTUUID=…, UUID=…, LABEL=… or a device
	Type      string            // of the root file system; "" means to try all
	Flags     string            // mount options of the root file system
	Delay     time.Duration     // to wait before looking for it
	Init      string            // program to start; "" means the first of inits
	Launch    string            // directory of a boot set that is to be started on trial
	Watchdog  int               // seconds to the reset of a hanging machine; 0 means no watchdog
	Blacklist []string          // modules that must not be loaded, with _ for -
	Modules   map[string]string // parameters by name of the module, with _ for -
}

// ParseCmdline parses the kernel's command line. The last of several equal arguments counts, as in the kernel. Arguments
// after -- belong to init and are ignored, and so are invalid numbers.
func ParseCmdline(line string) Cmdline {
	c := Cmdline{Modules: map[string]string{}}
	for _, arg := range splitArgs(line) {
		if arg == "--" {
			break // the rest is for init
		}
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "root":
			c.Root = value
		case "rootfstype":
			c.Type = value
		case "rootflags":
			c.Flags = value
		case "rootdelay":
			if n, err := strconv.ParseUint(value, 10, 16); err == nil {
				c.Delay = time.Duration(n) * time.Second
			}
		case "module_blacklist":
			c.Blacklist = strings.Split(strings.ReplaceAll(value, "-", "_"), ",")
		case "pkinit.launch":
			c.Launch = value
		case "init":
			c.Init = value
		case "systemd.watchdog_sec":
			if n, err := strconv.ParseUint(value, 10, 16); err == nil {
				c.Watchdog = int(n)
			}
		}
		if module, param, ok := strings.Cut(key, "."); ok {
			name := moduleName(module)
			c.Modules[name] = strings.TrimSpace(c.Modules[name] + " " + param + strings.TrimPrefix(arg, key))
		}
	}
	return c
}

// splitArgs splits at white space outside of double quotes and removes the quotes.
func splitArgs(line string) []string {
	var args []string
	var arg strings.Builder
	quoted, any := false, false
	for _, c := range line {
		switch {
		case c == '"':
			quoted, any = !quoted, true
		case !quoted && strings.ContainsRune(" \t\n", c):
			if any {
				args = append(args, arg.String())
			}
			arg.Reset()
			any = false
		default:
			arg.WriteRune(c)
			any = true
		}
	}
	if any {
		args = append(args, arg.String())
	}
	return args
}
