package pallet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/pallet/pallettest"
)

// linted returns the warnings of Lint, with P for the pallet's directory.
func linted(t *testing.T, dir string) []string {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	warnings, err := p.Lint(t.Context())
	require.NoError(t, err)
	for i := range warnings {
		warnings[i] = strings.ReplaceAll(warnings[i], dir, "P")
	}
	return warnings
}

// TestLintOfRealPallet expects the known defects of a real pallet, which Forklift does not report, and no other warnings.
func TestLintOfRealPallet(t *testing.T) {
	dir := t.TempDir()
	pallettest.Standard(t, dir)
	want := []string{
		"portainer/forklift-package.yml:58:11: key \"application\" is unknown and ignored",
		"portainer/forklift-package.yml:63:11: key \"application\" is unknown and ignored",
		"label serves /admin/fs/*, but the services of deployment apps/filebrowser-root declare",
		"label serves /ps/node-red-v2/api/*, but the services of deployment apps/ps/node-red-dashboard declare",
		"link overlays/etc/systemd/system/multi-user.target.wants/nodered.service has the target /usr/lib/nodered.service, which",
		"cockpit/forklift-package.yml:161:7: key \"description\" is unknown and ignored",
		"downloads ghcr.io/planktoscope/machine-name:0.1.3, whose content can change; add a checksum",
		"fileset path /etc/dhsmasq-templates.d of deployment host/networking/dnsmasq is not exported; " +
			"did you mean /etc/dnsmasq-templates.d?",
		"passphrase of a Wi-Fi network can be read by every user of the device: " +
			"export overlays/etc/hostapd/hostapd.conf.d/30-auth-30-planktoscope-passphrase.conf has the permissions 0644",
		"unit network-pre.service does not exist; did you mean network-pre.target?",
		"unit network-pre.service does not exist; did you mean network-pre.target?",
		"path /home/pi/device-backend-logs/control of deployment host/planktoscope/device-backend is similar to " +
			"/home/pi/device-backend-logs/controller of deployment apps/ps/backend/controller",
		"link overlays/etc/systemd/system/multi-user.target.wants/ssh.service has the target /usr/lib/systemd/ssh.service, which",
		"listener 1883/mqtt of deployment infra/mosquitto cannot conflict with a listener on 1883/tcp; name the protocol tcp",
		"pslocal/forklift-package.yml:17:9: key \"path\" is unknown and ignored; did you mean paths?",
	}
	got := linted(t, dir)
	require.Len(t, got, len(want))
	for i := range want {
		require.Contains(t, got[i], want[i])
	}
}

// twoPackages is a pallet with deployments of packages a and b.
const twoPackages = "-- forklift-pallet.yml --\nforklift-version: v0.7.0\npallet: {path: example.org/p}\n" +
	"-- deployments/a.deploy.yml --\npackage: /a\n-- deployments/b.deploy.yml --\npackage: /b\n" +
	"-- a/forklift-package.yml --\n{}\n-- b/forklift-package.yml --\n{}\n"

// exportingAll returns package a with exports of its own files.
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
			"P/a/" + units + "x.service:4:1: unit x.service is never started: it is wanted by multi-user.target, but no export is a link " +
				"to it in multi-user.target.wants"}},
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
			want: []string{"P/a/forklift-package.yml:5:18: export " + wants + " is a regular file; systemd accepts only links there"}},
		"a link to another unit of /etc": {files: exportingAll(wants), links: map[string]string{"a/" + wants: "../x.service"}, want: []string{}},
		"a program that is not executable": {files: exportingAll(units+"x.service", "overlays/usr/libexec/x", wants) + unit + script,
			links: map[string]string{"a/" + wants: "/usr/lib/systemd/system/x.service"},
			want: []string{"P/a/" + units + "x.service:2:1: unit x.service runs /usr/libexec/x, which is not " +
				"executable: its permissions are 0644"}},
		"a program": {files: exportingAll(units+"x.service", "overlays/usr/libexec/x", wants) + unit + script,
			links: map[string]string{"a/" + wants: "/usr/lib/systemd/system/x.service"},
			modes: map[string]os.FileMode{"a/overlays/usr/libexec/x": 0o755}},
		"an export twice": {files: exportingAll("f", "f") + "-- a/f --\n", want: []string{
			"P/a/forklift-package.yml:5:18: deployment a exports f twice; this export replaces the other (P/a/forklift-package.yml:4:18)"}},
		"a unitTypos unit": {files: exportingAll(units+"x.target") + "-- a/" + units + "x.target --\n[Unit]\nAfter=a.target network.service\n",
			want: []string{"P/a/" + units + "x.target:2:1: unit network.service does not exist; did you mean network.target?"}},
		"paths that differ by an ending": {files: filesets("/logs/control", "/logs/controller"), want: []string{
			"P/a/forklift-package.yml:1:31: path /logs/control of deployment a is similar to /logs/controller of deployment b " +
				"(P/b/forklift-package.yml:1:31)"}},
		"paths that differ by a letter": {files: filesets("/logs/contorl", "/logs/control"), want: []string{
			"P/a/forklift-package.yml:1:31: path /logs/contorl of deployment a is similar to /logs/control of deployment b " +
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
