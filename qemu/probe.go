package qemu

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Check is a shell script that is run in the machine under test once it has started. Exit code 0 is good.
type Check struct {
	Name   string
	Script string
}

// The probe comes into the machine as systemd credentials (systemd.system-credentials(7)), which PID 1 takes from
// QEMU's fw_cfg. A name there has at most 55 bytes, which leaves one letter to the name of the unit.
const (
	probeUnit = "p.service"
	probePort = "pkbuild.probe"
)

//go:embed probe.sh
var probeScript string

// probeText is the unit. It starts at once and waits for the system itself: a unit that waits for others in the
// transaction would be waited for in turn.
const probeText = `[Unit]
Description=pkbuild: say what became of this boot
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
Type=exec
ImportCredential=pkbuild.*
Environment=SETTLE=%d
ExecStart=/bin/sh ${CREDENTIALS_DIRECTORY}/pkbuild.probe
`

// credential is one credential that the machine gets.
type credential struct {
	name string
	text string
}

// file is the name of its file in the directory of the run.
func (c credential) file() string { return "credential." + c.name }

// credentials are those of the probe. Settle is how long the system may take to start.
func credentials(settle time.Duration, checks []Check) []credential {
	list := []credential{
		{"systemd.extra-unit." + probeUnit, fmt.Sprintf(probeText, int(settle.Seconds()))},
		{"pkbuild.probe", probeScript},
	}
	for i, c := range checks {
		list = append(list, credential{"pkbuild." + checkSection(i), c.Script})
	}
	return list
}

func writeCredentials(dir string, list []credential) error {
	for _, c := range list {
		if err := os.WriteFile(filepath.Join(dir, c.file()), []byte(c.text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
