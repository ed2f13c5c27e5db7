package pallet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
)

// linted is what the linter says of a pallet, with P for its directory.
func linted(t *testing.T, dir string) []string {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	warnings, err := p.Lint()
	require.NoError(t, err)
	for i := range warnings {
		warnings[i] = strings.ReplaceAll(warnings[i], dir, "P")
	}
	return warnings
}

// TestLintOfRealPallet has the defects of a real pallet that its own tool does not see, and nothing else.
func TestLintOfRealPallet(t *testing.T) {
	dir := t.TempDir()
	pallettest.Standard(t, dir)
	want := []string{
		"it serves /admin/fs/*, which deployment apps/filebrowser-root does not declare; it declares",
		"it serves /ps/node-red-v2/api/*, which deployment apps/ps/node-red-dashboard does not declare",
		"the link overlays/etc/systemd/system/multi-user.target.wants/nodered.service leads to /usr/lib/nodered.service, where",
		"downloads ghcr.io/planktoscope/machine-name:0.1.3, which may become another one: add a checksum",
		"fileset path /etc/dhsmasq-templates.d of deployment host/networking/dnsmasq is not what is exported; " +
			"is /etc/dnsmasq-templates.d meant?",
		"there is no unit network-pre.service; it is network-pre.target",
		"there is no unit network-pre.service; it is network-pre.target",
		"path /home/pi/device-backend-logs/control of deployment host/planktoscope/device-backend is nearly " +
			"/home/pi/device-backend-logs/controller of deployment apps/ps/backend/controller",
		"the link overlays/etc/systemd/system/multi-user.target.wants/ssh.service leads to /usr/lib/systemd/ssh.service, where",
		"listener 1883/mqtt of deployment infra/mosquitto does not conflict with one on 1883/tcp: name the protocol tcp",
	}
	got := linted(t, dir)
	require.Len(t, got, len(want))
	for i := range want {
		require.Contains(t, got[i], want[i])
	}
}

// twoPackages is a pallet whose deployments are of packages a and b.
const twoPackages = "-- forklift-pallet.yml --\nforklift-version: v0.7.0\npallet: {path: example.org/p}\n" +
	"-- deployments/a.deploy.yml --\npackage: /a\n-- deployments/b.deploy.yml --\npackage: /b\n" +
	"-- a/forklift-package.yml --\n{}\n-- b/forklift-package.yml --\n{}\n"

// exportingAll is package a with exports of its own files.
func exportingAll(targets ...string) string {
	text := "-- a/forklift-package.yml --\ndeployment:\n  provides:\n    file-exports:\n"
	for _, target := range targets {
		text += "      - {target: " + target + "}\n"
	}
	return text
}

func TestLint(t *testing.T) {
	const units = "overlays/usr/lib/systemd/system/"
	const wants = "overlays/etc/systemd/system/multi-user.target.wants/x.service"
	const unit = "-- a/" + units + "x.service --\n[Service]\nExecStart=-/usr/libexec/x --y\n[Install]\nWantedBy=multi-user.target\n"
	const script = "-- a/overlays/usr/libexec/x --\n#!/bin/sh\n"
	filesets := func(a, b string) string {
		return "-- a/forklift-package.yml --\nhost: {provides: {filesets: [{paths: [" + a + "]}]}}\n" +
			"-- b/forklift-package.yml --\nhost: {provides: {services: [{protocol: filesystem, paths: [" + b + "]}]}}\n"
	}
	for name, c := range map[string]struct {
		files string
		links map[string]string
		modes map[string]os.FileMode
		want  []string
	}{
		"nothing": {},
		"a unit that nothing enables": {files: exportingAll(units+"x.service") + unit, want: []string{
			"P/a/" + units + "x.service:4:1: unit x.service is to be wanted by multi-user.target, and no export is a link in a " +
				"directory multi-user.target.wants: it does not start"}},
		"a unit that a link enables": {files: exportingAll(units+"x.service", wants) + unit,
			links: map[string]string{"a/" + wants: "../../../../usr/lib/systemd/system/x.service"}},
		"a unit that a timer starts": {files: exportingAll(units+"x.service", units+"x.timer", strings.Replace(wants, ".service", ".timer", 1)) + unit +
			"-- a/" + units + "x.timer --\n[Install]\nWantedBy=timers.target\n",
			links: map[string]string{"a/" + strings.Replace(wants, ".service", ".timer", 1): "/usr/lib/systemd/system/x.timer"}},
		"a unit that another one wants": {files: exportingAll(units+"x.service", units+"y.target") + unit +
			"-- a/" + units + "y.target --\n[Unit]\nWants=x.service z.service\n"},
		"an instance of a template": {files: exportingAll(units+"x@.service", strings.Replace(wants, "x.", "x@y.", 1)) +
			strings.Replace(unit, "x.service", "x@.service", 1),
			links: map[string]string{"a/" + strings.Replace(wants, "x.", "x@y.", 1): "/usr/lib/systemd/system/x@.service"}},
		"a file where a link enables": {files: exportingAll(units+"x.service", wants) + unit + "-- a/" + wants + " --\n../x.service\n",
			want: []string{"P/a/forklift-package.yml:5:18: the export " + wants + " is a file, and there systemd takes links alone"}},
		"a link to another unit of /etc": {files: exportingAll(wants), links: map[string]string{"a/" + wants: "../x.service"}, want: []string{}},
		"a program that nobody may execute": {files: exportingAll(units+"x.service", "overlays/usr/libexec/x", wants) + unit + script,
			links: map[string]string{"a/" + wants: "/usr/lib/systemd/system/x.service"},
			want: []string{"P/a/" + units + "x.service:2:1: unit x.service runs /usr/libexec/x, which is exported with the " +
				"permissions 0644: nobody may execute it"}},
		"a program": {files: exportingAll(units+"x.service", "overlays/usr/libexec/x", wants) + unit + script,
			links: map[string]string{"a/" + wants: "/usr/lib/systemd/system/x.service"},
			modes: map[string]os.FileMode{"a/overlays/usr/libexec/x": 0o755}},
		"an export twice": {files: exportingAll("f", "f") + "-- a/f --\n", want: []string{
			"P/a/forklift-package.yml:5:18: deployment a exports f twice, and this one wins (P/a/forklift-package.yml:4:18)"}},
		"a mistyped unit": {files: exportingAll(units+"x.target") + "-- a/" + units + "x.target --\n[Unit]\nAfter=a.target network.service\n",
			want: []string{"P/a/" + units + "x.target:2:1: there is no unit network.service; it is network.target"}},
		"paths that differ by an ending": {files: filesets("/logs/control", "/logs/controller"), want: []string{
			"P/a/forklift-package.yml:1:31: path /logs/control of deployment a is nearly /logs/controller of deployment b " +
				"(P/b/forklift-package.yml:1:31)"}},
		"paths that differ by a letter": {files: filesets("/logs/contorl", "/logs/control"), want: []string{
			"P/a/forklift-package.yml:1:31: path /logs/contorl of deployment a is nearly /logs/control of deployment b " +
				"(P/b/forklift-package.yml:1:31)"}},
		"paths that both have":      {files: filesets("/logs/control", "/logs/control, /logs/controller")},
		"paths of different places": {files: filesets("/logs/control, /etc/hosts", "/data/controller, /etc/hosts.d")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, twoPackages, c.files)
			for link, target := range c.links {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(link)), 0o755))
				require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
			}
			for file, mode := range c.modes {
				require.NoError(t, os.Chmod(filepath.Join(dir, file), mode))
			}
			require.Equal(t, append([]string{}, c.want...), append([]string{}, linted(t, dir)...))
		})
	}
}
