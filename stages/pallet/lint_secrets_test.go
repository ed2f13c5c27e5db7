package pallet

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exported returns package a with one exported file of a content, and a deployment of it.
func exported(target, content string, more ...string) string {
	return exporting(append([]string{"source: overlays/etc/a", "target: " + target}, more...)...) +
		"-- packages/a/overlays/etc/a --\n" + content + "\n"
}

func TestLintSecrets(t *testing.T) {
	const file = "P/packages/a/overlays/etc/a:"
	const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"
	readable := func(name, target string) string {
		return name + " can be read by every user of the device: export " + target + " has the permissions 0644; export it with permissions: 0600"
	}
	const connection = "overlays/etc/NetworkManager/system-connections/a.nmconnection"
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"connection": {exported(connection, "[connection]\nid=a"), []string{
			file + "1:1: export " + connection + " has the permissions 0644: NetworkManager ignores connections that others can read; export it with permissions: 0600"}},
		"private connection": {exported(connection, "[wifi-security]\npsk=secret00", "permissions: 0600"), nil},
		"connection that is a group's": {exported(connection, "[connection]", "permissions: 0640"), []string{
			file + "1:1: export " + connection + " has the permissions 0640: NetworkManager ignores connections that others can read; export it with permissions: 0600"}},
		"directory of connections": {exporting("source: overlays/etc", "target: overlays/etc/NetworkManager/system-connections"), []string{
			file + "1:1: export overlays/etc/NetworkManager/system-connections/a has the permissions 0644: NetworkManager ignores connections that others can read; export it with permissions: 0600"}},
		"private key":         {exported("overlays/etc/x.key", "# mine\n"+key), []string{file + "2:1: " + readable("private key", "overlays/etc/x.key")}},
		"private private key": {exported("overlays/etc/x.key", key, "permissions: 0400"), nil},
		"public key":          {exported("overlays/etc/x.pub", "-----BEGIN PUBLIC KEY-----\nMIIB"), nil},
		"certificate and key": {exported("extensions/x.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n"), []string{
			file + "4:1: " + readable("private key", "extensions/x.pem")}},
		"key of PGP":     {exported("x", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n"), []string{file + "1:1: " + readable("private key", "x")}},
		"WireGuard":      {exported("x", "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"), []string{file + "2:1: " + readable("key of WireGuard", "x")}},
		"wpa_supplicant": {exported("x", "network={\n\tssid=\"a\"\n\tpsk=\"secret00\"\n}\n"), []string{file + "3:1: " + readable("passphrase of a Wi-Fi network", "x")}},
		"open network":   {exported("x", "network={\n\tssid=\"a\"\n\tkey_mgmt=NONE\n\t#psk=\n}\n"), nil},
		"token":          {exported("x", "url: https://ghp_0123456789abcdefghij0123456789abcdef@github.com"), []string{file + "1:1: " + readable("access token", "x")}},
		"environment":    {exported("x", "A=b\nMQTT_PASSWORD=hunter2\n"), []string{file + "2:1: " + readable("password", "x")}},
		"no password":    {exported("x", "PASSWORD=\nPASSWORD=$1\nTOKEN_FILE=/run/token\nmax_tokens = 500\n"), nil},
		"host key of sshd": {exported("overlays/etc/ssh/ssh_host_ed25519_key", "x"), []string{
			file + "1:1: export overlays/etc/ssh/ssh_host_ed25519_key has the permissions 0644: sshd refuses host keys that others can read; export it with permissions: 0600"}},
		"key outside of the exports": {"-- packages/a/x.key --\n" + key, []string{
			"P/packages/a/x.key:1:1: private key can be read by every user of the device: the bundle has it as merged-pallet/packages/a/x.key; " +
				"keep it out of the pallet, or export it with permissions: 0600"}},
		"key for the root of the pallet": {"-- id_rsa --\n" + key, []string{
			"P/id_rsa:1:1: private key can be read by every user of the device: the bundle has it as merged-pallet/id_rsa; " +
				"keep it out of the pallet, or export it with permissions: 0600"}},
		"secret of Compose": {app("x", "services: {s: {image: x, secrets: [c]}}\nsecrets: {c: {file: ./c}}") + "-- packages/x/c --\nx\n", []string{
			"P/packages/x/compose.yml:2:15: secret c of deployment x is a file of the bundle, which every user of the device can read; keep it on " +
				"the device and give its absolute path"}},
		"secret of the device": {app("x", "services: {s: {image: x, secrets: [c]}}\nsecrets: {c: {file: /etc/c}}"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, test.want, linted(t, write(t, sound, test.files)))
		})
	}
}

func TestLintKeys(t *testing.T) {
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"deployment": {"-- deployments/a.deploy.yml --\npackage: /packages/a\nfeature: [x]\n",
			[]string{`P/deployments/a.deploy.yml:2:1: key "feature" is unknown and ignored; did you mean features?`}},
		"disabled deployment": {"-- deployments/b.deploy.yml --\npackage: /packages/b\ndisabled: true\nfeature: [x]\n",
			[]string{`P/deployments/b.deploy.yml:3:1: key "feature" is unknown and ignored; did you mean features?`}},
		"pallet": {"-- forklift-pallet.yml --\nforklift-version: v0.8.0\npallet: {path: example.org/x, readme: x}\nversion: 1\n", []string{
			`P/forklift-pallet.yml:2:31: key "readme" is unknown and ignored`, `P/forklift-pallet.yml:3:1: key "version" is unknown and ignored`}},
		"repository": {"-- forklift-repository.yml --\nforklift-version: v0.8.0\nrepository: {path: example.org/x, descripion: x}\n",
			[]string{`P/forklift-repository.yml:2:35: key "descripion" is unknown and ignored; did you mean description?`}},
		"package": {exporting("target: overlays/etc/a", "permission: 0600") + "host: {require: {}}\nfeatures: {f: {provides: {fileset: []}}}\n", []string{
			`P/packages/a/forklift-package.yml:5:9: key "permission" is unknown and ignored; did you mean permissions?`,
			`P/packages/a/forklift-package.yml:6:8: key "require" is unknown and ignored`,
			`P/packages/a/forklift-package.yml:7:27: key "fileset" is unknown and ignored; did you mean filesets?`}},
		"import group": {"-- requirements/pallets/example.org/b/all.imports.yml --\ndisable: true\nmodifiers: [{targets: /x}]\n", []string{
			`P/requirements/pallets/example.org/b/all.imports.yml:1:1: key "disable" is unknown and ignored; did you mean disabled?`,
			`P/requirements/pallets/example.org/b/all.imports.yml:2:14: key "targets" is unknown and ignored; did you mean target?`}},
		"feature": {"-- features/x.feature.yml --\ndisabled: true\n", []string{`P/features/x.feature.yml:1:1: key "disabled" is unknown and ignored`}},
		"anchor":  {"-- packages/b/forklift-package.yml --\npackage: &x {describtion: x}\nhost: {<<: *x}\n", []string{`P/packages/b/forklift-package.yml:1:14: key "describtion" is unknown and ignored; did you mean description?`, "P/packages/b/forklift-package.yml:1:1: package /packages/b has no deployment"}},
		"known keys": {"-- packages/a/forklift-package.yml --\npackage: {description: x, maintainers: [{name: x, email: x}], license: x, license-file: x, sources: [x]}\n" +
			"host: {tags: [x], provides: {listeners: [{description: x, port: 9, protocol: tcp}], networks: [{description: x, name: x}]}}\n" +
			"deployment: {tags: [x], requires: {services: [{nonblocking: true, port: 1, protocol: x, tags: [x], paths: [/x], description: x}]},\n" +
			"  provides: {services: [{port: 1, protocol: x, tags: [x], paths: [/x]}], file-exports: [{description: x, tags: [x], source-type: local,\n" +
			"  source: overlays/etc/a, target: overlays/etc/a}]}}\nfeatures: {any name: {description: x, tags: [x]}}\n", nil},
		"second document": {"-- deployments/a.deploy.yml --\npackage: /packages/a\n---\ndisabled: true\n",
			[]string{"P/deployments/a.deploy.yml:3:1: file has more than one YAML document; only the first one is read"}},
		"document markers": {"-- deployments/a.deploy.yml --\n---\npackage: /packages/a\n...\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, test.want, linted(t, write(t, sound, test.files)))
		})
	}
}

// TestLintNames warns of files whose names are nearly those of the format, and which are ignored.
func TestLintNames(t *testing.T) {
	const ignored = ": file is ignored; did you mean "
	require.Equal(t, []string{
		"P/deployments/b.deploy.yaml:1:1" + ignored + "b.deploy.yml?",
		"P/deployments/c.yml:1:1" + ignored + "c.deploy.yml?",
		"P/features/x.yml:1:1" + ignored + "x.feature.yml?",
		"P/packages/b/forklift-package.yaml:1:1" + ignored + "forklift-package.yml?",
		"P/requirements/pallets/example.org/x/all.import.yml:1:1" + ignored + "all.imports.yml?",
		"P/requirements/pallets/example.org/x/forklift-version-lock.yaml:1:1" + ignored + "forklift-version-lock.yml?",
	}, linted(t, write(t, sound, "-- deployments/b.deploy.yaml --\n-- deployments/c.yml --\n-- deployments/README.md --\n-- deployments/.gitkeep --\n"+
		"-- deployments/d.pkg/forklift-package.yml --\n{}\n-- deployments/d.pkg/compose.yml --\n-- deployments/d.deploy.yml --\npackage: /deployments/d.pkg\n"+
		"-- features/x.yml --\n-- features/x.md --\n-- packages/b/forklift-package.yaml --\n-- packages/a/other.yml --\n"+
		"-- requirements/pallets/example.org/x/all.import.yml --\n-- requirements/pallets/example.org/x/forklift-version-lock.yaml --\n"+
		"-- requirements/pallets/example.org/x/README.yml --\n")))
}

func TestLintPaths(t *testing.T) {
	for _, path := range []string{"../x", "https://example.org/x", "'example.org/my pallet'", "/example.org/x", "x", "example.org//x", "example.org/x/", "git@example.org:x/y"} {
		got := linted(t, write(t, sound, "-- forklift-pallet.yml --\nforklift-version: v0.8.0\npallet: {path: "+path+"}\n"))
		require.Len(t, got, 1, path)
		require.Contains(t, got[0], "forklift-pallet.yml:2:16: pallet path "+`"`+strings.Trim(path, "'")+`" is invalid, want a path such as`)
		require.ErrorContains(t, Init(t.TempDir(), strings.Trim(path, "'"), nil, nil), "is invalid, want a path such as")
	}
	require.Empty(t, linted(t, write(t, sound)))
}

func TestLintCompose(t *testing.T) {
	listener := func(port string) string {
		return "-- packages/x/forklift-package.yml --\ndeployment: {compose-files: [compose.yml], provides: {listeners: [" + port + "]}}\n"
	}
	published := app("x", "services: {s: {image: x, ports: ['80:8080', '53:53/udp', '81']}}")
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"no listener": {published, []string{
			"P/packages/x/compose.yml:1:33: service s publishes port 53/udp, which no listener of deployment x declares",
			"P/packages/x/compose.yml:1:33: service s publishes port 80/tcp, which no listener of deployment x declares"}},
		"listeners": {published + listener("{port: 80, protocol: tcp}, {port: 53, protocol: udp}"), nil},
		"listener of another protocol": {published + listener("{port: 80, protocol: udp}, {port: 53, protocol: udp}"), []string{
			"P/packages/x/compose.yml:1:33: service s publishes port 80/tcp, which no listener of deployment x declares"}},
		"port of an address": {app("x", "services: {s: {image: x, ports: ['127.0.0.1:80:8080']}}") + listener("{port: 80, protocol: tcp}"), nil},
		"variables": {app("x", "services:\n  s:\n    image: x\n    # $COMMENT\n    command: [$A, '${B}', '${C:-c}', $$D, '$$${E}', '${F-f}', '1 $']\n    container_name: c-${COMPOSE_PROJECT_NAME}\n"), []string{
			"P/packages/x/compose.yml:5:15: variable A is empty on every device: compose files of a pallet have no environment; write its value, or $$ for a dollar sign",
			"P/packages/x/compose.yml:5:20: variable B is empty on every device: compose files of a pallet have no environment; write its value, or $$ for a dollar sign",
			"P/packages/x/compose.yml:5:44: variable E is empty on every device: compose files of a pallet have no environment; write its value, or $$ for a dollar sign"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, test.want, linted(t, write(t, sound, test.files)))
		})
	}
}
