package pallet

import (
	"context"
	"regexp"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// compose warns of published ports that no listener declares, of variables, and of secrets.
func (l *linter) compose(ctx context.Context, d *Deployment) {
	project, err := d.project(ctx, l.roots)
	if project == nil || err != nil {
		return // Validate reports the error
	}
	for _, port := range project.Ports {
		if !d.listens(port) {
			l.warn(d.composePosition(l.roots, port.Path), "service %s publishes port %d/%s, which no listener of deployment %s declares",
				port.Service, port.Number, port.Protocol, d.Name)
		}
	}
	for _, n := range project.Needs {
		if strings.HasPrefix(n.Use, "secret ") {
			l.warn(d.composePosition(l.roots, n.Path), "%s of deployment %s is a file of the bundle, which every user of the device "+
				"can read; keep it on the device and give its absolute path", n.Use, d.Name)
		}
	}
	for _, name := range d.ComposeFiles() {
		if f, err := d.composeFile(l.roots, name); err == nil {
			l.variables(f)
		}
	}
}

// listens reports whether a deployment declares a listener on a port. Of protocols only udp and sctp are distinguished,
// since others, such as http and mqtt, are over tcp.
func (d *Deployment) listens(port compose.Port) bool {
	for _, r := range d.provided() {
		protocol := strings.ToLower(r.Protocol)
		if protocol != "udp" && protocol != "sctp" {
			protocol = "tcp"
		}
		if r.Kind == resource.Listener && r.Port == port.Number && protocol == port.Protocol {
			return true
		}
	}
	return false
}

// variable matches a variable of Compose; a second $ escapes the first.
var variable = regexp.MustCompile(`(\$+)(?:\{([A-Za-z_]\w*)([^}]*)\}|([A-Za-z_]\w*))`)

// variables warns of variables without a default: Compose files of a pallet have no environment.
func (l *linter) variables(f *file) {
	for i, line := range strings.Split(string(f.data), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range variable.FindAllStringSubmatchIndex(line, -1) {
			text := func(group int) string { return line[max(0, m[2*group]):max(0, m[2*group+1])] }
			name, operator := text(2)+text(4), text(3)
			if len(text(1))%2 == 1 && name != "COMPOSE_PROJECT_NAME" && operator == "" {
				l.warn(f.at(i+1, m[0]+1), "variable %s is empty on every device: compose files of a pallet have no environment; write "+
					"its value, or $$ for a dollar sign", name)
			}
		}
	}
}
