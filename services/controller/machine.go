package controller

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/PlanktoScope/pkbuild/services/camera"
	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// Machine is the computer on which a controller runs: its kind of hardware, camera device, and files with name and
// settings.
type Machine struct {
	Kind         string // of hardware: hat, simulated or auto
	Video        string // V4L2 device; empty: libcamera's programs, else /dev/video0
	Seed         uint64 // of simulated plankton
	Divisor      int    // of the size of simulated pictures
	NameFile     string // its first line is the name of the machine
	PasswordFile string // has the hotspot's password; empty: none
	ConfigFile   string // config.json
}

// Open opens the hardware of the machine, or models of it, as its Kind says. It fails if a part of the hardware is missing,
// except for the camera, the display and the HAT's EEPROM.
func (m *Machine) Open(h Hardware) (Instrument, error) {
	kind := m.Kind
	if kind == "auto" {
		kind = "simulated"
		if HasHAT() {
			kind = "hat"
		}
	}
	switch kind {
	case "simulated":
		if m.Divisor < 1 {
			return Instrument{}, fmt.Errorf("divisor of simulated pictures is %d, want at least 1", m.Divisor)
		}
		p := plankton.Default()
		p.Seed, p.PixelSize = m.Seed, h.PixelSize
		p.Width, p.Height = p.Width/m.Divisor, p.Height/m.Divisor
		p.Objects /= float64(m.Divisor * m.Divisor)
		s, err := Simulate(h, plankton.New(p))
		if err != nil {
			return Instrument{}, err
		}
		return s.Instrument, nil
	case "hat":
		c, err := camera.Open(m.Video)
		if err != nil && !errors.Is(err, camera.ErrMissing) {
			return Instrument{}, err
		}
		return OpenHAT(h, c)
	}
	return Instrument{}, fmt.Errorf("hardware is %q, want hat, simulated or auto", m.Kind)
}

// Name returns the name of the machine, or "" if NameFile cannot be read.
func (m *Machine) Name() string { return firstLine(m.NameFile) }

// Lines returns the lines for the instrument's display: the machine's name, its IPv4 addresses except those of Docker's
// networks and, until ConfigFile says that the instrument is set up, the password of its hotspot.
func (m *Machine) Lines() []string {
	lines := []string{m.Name()}
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() && !isContainers(n.IP) {
				lines = append(lines, n.IP.String())
			}
		}
	}
	if password := firstLine(m.PasswordFile); password != "" && !m.isSetUp() {
		lines = append(lines, "Password:", password)
	}
	return lines
}

// isSetUp reports whether config.json says that somebody has set up the instrument.
func (m *Machine) isSetUp() bool {
	data, err := os.ReadFile(m.ConfigFile)
	if err != nil {
		return false
	}
	c := &dataset.Metadata{}
	return c.UnmarshalJSON(data) == nil && c.Text("user_setup") == "true"
}

// isContainers reports whether an address is in a range that Docker uses.
func isContainers(ip net.IP) bool {
	b := ip.To4()
	return b[0] == 172 && b[1] >= 16 && b[1] < 32
}

func firstLine(name string) string {
	if name == "" {
		return ""
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}
