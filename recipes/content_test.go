package recipes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyl5IKGTXac231DU5C2a3NhBX/bMjJ5aD6E4hXKQZ+h me@buoy"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK0qgVVYQoq+ul0/lCq0OyJfiQ/+mefTsTGdIwX46DUyP7WWI0sQetCnQksSplGMxc3Sq9/vlNQFQvQ8NQ80xcw= x"
	// body is a line of a private key, made up.
	body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"
)

func TestAuthorizedKeys(t *testing.T) {
	const private = "value is a private key or a part of one; write the public key, as in id_ed25519.pub, " +
		"and replace the private key if others may have seen it"
	for key, want := range map[string]string{
		ed25519Key:                               "",
		ecdsaKey:                                 "",
		`from="10.0.0.0/8",no-pty ` + ed25519Key: "",
		"hello world":                            `"hello world" is not an SSH public key; write one line, as in id_ed25519.pub`,
		ed25519Key[:60]:                          "public key of type ssh-ed25519 is truncated or damaged; copy the line of id_ed25519.pub again",
		"ssh-rsa AAAAB3NzaC1yc2E= me":            "public key of type ssh-rsa is truncated or damaged; copy the line of id_ed25519.pub again",
		body:                                     private,
		"-----BEGIN OPENSSH PRIVATE KEY-----":    private,
		"-----END RSA PRIVATE KEY-----":          private,
		"keys/id_ed25519.pub":                    `"keys/id_ed25519.pub" is the name of a file; write its content`,
	} {
		_, err := load(map[string]string{"pi.yml": base + fmt.Sprintf("layers:\n  - users: [{name: pi, authorized-keys: [%q]}]\n", key)}, nil)
		if want == "" {
			require.NoError(t, err, key)
			continue
		}
		require.EqualError(t, err, "pi.yml:4:42: layers[0].users[0].authorized-keys[0]: "+want)
		require.NotContains(t, err.Error(), body)
	}
}

// TestContent: files at known paths are checked, with the position of their content.
func TestContent(t *testing.T) {
	long := strings.Repeat("a", 33)
	for name, test := range map[string]struct{ target, content, want string }{
		"host name":           {"/etc/hostname", "buoy-7.example.org\n", ""},
		"host name, comment":  {"/etc/hostname", "# set by the recipe\nbuoy\n", ""},
		"host name, space":    {"/etc/hostname", "my buoy\n", `host name "my buoy" is invalid; write letters, digits and inner dashes, such as buoy-7`},
		"host name, dash":     {"/etc/hostname", "-buoy", `host name "-buoy" is invalid; write letters, digits and inner dashes, such as buoy-7`},
		"host name, empty":    {"/etc/hostname", "\n", `host name "" is invalid; write letters, digits and inner dashes, such as buoy-7`},
		"host name, long":     {"/etc/hostname", strings.Repeat("ab.", 22) + "c", `is longer than 64 characters; shorten it`},
		"host name, part":     {"/etc/hostname", strings.Repeat("a", 64), `has a part of more than 63 characters; shorten it`},
		"time zone":           {"/etc/timezone", "Europe/Berlin\n", ""},
		"time zone, typo":     {"/etc/timezone", "Europe/Berln\n", `time zone "Europe/Berln" is unknown; write one such as Europe/Berlin`},
		"time zone, local":    {"/etc/timezone", "Local", `time zone "Local" is unknown; write one such as Europe/Berlin`},
		"Wi-Fi":               {"/etc/wpa_supplicant/wpa_supplicant.conf", "network={\n  ssid=\"field station\"\n  psk=\"12345678\"\n}\n", ""},
		"Wi-Fi, hex":          {"/etc/wpa_supplicant/wlan0.conf", "ssid=6669656c64\npsk=" + strings.Repeat("0a", 32), ""},
		"Wi-Fi, long":         {"/etc/wpa_supplicant/wlan0.conf", "ssid=\"" + long + "\"\n", `has 33 bytes; a name has 1 to 32`},
		"Wi-Fi, umlauts":      {"/etc/wpa_supplicant/wlan0.conf", "ssid=\"" + strings.Repeat("ü", 17) + "\"\n", `has 34 bytes; a name has 1 to 32`},
		"Wi-Fi, empty":        {"/etc/wpa_supplicant/wlan0.conf", "ssid=\"\"\n", `Wi-Fi name "" has 0 bytes; a name has 1 to 32`},
		"Wi-Fi, no quotes":    {"/etc/wpa_supplicant/wlan0.conf", "ssid=field station\n", `Wi-Fi name "field station" has no quotes; write ssid="field station"`},
		"Wi-Fi, short":        {"/etc/wpa_supplicant/wlan0.conf", "psk=\"1234567\"\n", "Wi-Fi passphrase has 7 characters; a passphrase has 8 to 63, in quotes for wpa_supplicant, a key 64 hexadecimal digits"},
		"authorized_keys":     {"/home/pi/.ssh/authorized_keys", "# mine\n\n" + ed25519Key + "\n", ""},
		"authorized_keys, no": {"/root/.ssh/authorized_keys", ed25519Key + "\nhello\n", `line 2 of the authorized keys: "hello" is not an SSH public key; write one line, as in id_ed25519.pub`},
		"SSH port":            {"/etc/ssh/sshd_config.d/10-port.conf", "Port 2222\n", ""},
		"SSH port, no":        {"/etc/ssh/sshd_config.d/10-port.conf", "Port 70000\n", `"70000" is not a port; write a number from 1 to 65535`},
		"private key":         {"/etc/ssl/private/x.key", "-----BEGIN RSA PRIVATE KEY-----\nx\n", "private key would be readable in the image's file; write it in a run layer, from a secret"},
		"unit":                {"/etc/systemd/system/a.service", "[Unit]\nDescription=x\n[Service]\n# c\nExecStart=/bin/a \\\n  -b\n", ""},
		"unit, masked":        {"/etc/systemd/system/a.service", "", ""},
		"unit, template":      {"/usr/lib/systemd/system/a@.service", "[Service]\nExecStart=/bin/a %i\n", ""},
		"unit, drop-in":       {"/etc/systemd/system/a.service.d/10-x.conf", "[Service]\nRestart=always\n", ""},
		"unit, type":          {"/etc/systemd/system/a.servce", "[Service]\n", `unit "a.servce" has no type that systemd knows; end its name with .service, .timer, .socket or another type`},
		"unit, name":          {"/etc/systemd/system/a b.service", "[Service]\n", `unit name "a b.service" is invalid; write letters, digits and :_.-`},
		"unit, no section":    {"/etc/systemd/system/a.service", "ExecStart=/bin/a\n", `unit a.service: line 1 of the unit, "ExecStart=/bin/a", is in no section; write one such as [Unit] above it`},
		"unit, [Service]":     {"/etc/systemd/system/a.service", "[Unit]\nDescription=x\n", "unit a.service: section [Service] is missing"},
		"unit, line":          {"/etc/systemd/system/a.service", "[Service]\nExecStart /bin/a\n", `unit a.service: line 2 of the unit, "ExecStart /bin/a", is not a section, a setting or a comment`},
		"unit, port":          {"/etc/systemd/system/a.socket", "[Socket]\nListenStream=0.0.0.0:99999\n", `unit a.socket: "99999" is not a port; write a number from 1 to 65535`},
		"timer":               {"/etc/systemd/system/a.timer", "[Timer]\nOnCalendar=Mon..Fri *-*-* 22:30:00\n", ""},
		"timer, time":         {"/etc/systemd/system/a.timer", "[Timer]\nOnCalendar=daily 25:00\n", "unit a.timer: OnCalendar=daily 25:00 is not a time; hours go to 23, minutes and seconds to 59"},
		"elsewhere":           {"/srv/hostname", "my buoy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(map[string]string{"pi.yml": base + fmt.Sprintf("layers:\n  - files: [{target: %q, content: %q}]\n", test.target, test.content)}, nil)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			var problems Problems
			require.True(t, errors.As(err, &problems))
			require.Len(t, problems, 1, "%v", err)
			require.Equal(t, "layers[0].files[0].content", problems[0].Path)
			require.Equal(t, 4, problems[0].Line)
			require.Contains(t, problems[0].Message, test.want)
		})
	}
}

func TestLinksThatAreSettings(t *testing.T) {
	for link, want := range map[[2]string]string{
		{"/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"}:                                           "",
		{"/etc/localtime", "../usr/share/zoneinfo/UTC"}:                                                   "",
		{"/etc/localtime", "/usr/share/zoneinfo/Mars"}:                                                    `time zone "Mars" is unknown; write one such as Europe/Berlin`,
		{"/etc/localtime", "Europe/Berlin"}:                                                               `time zone "Europe/Berlin" is not a link into /usr/share/zoneinfo; write one such as /usr/share/zoneinfo/Europe/Berlin`,
		{"/etc/systemd/system/multi-user.target.wants/a.service", "../a.service"}:                         "",
		{"/etc/systemd/system/multi-user.target.wants/a@b.service", "/usr/lib/systemd/system/a@.service"}: "",
		{"/etc/systemd/system/multi-user.target.wants/a.service", "../b.service"}:                         `unit "a.service" is enabled by a link to "b.service"; link to the unit of that name`,
		{"/etc/systemd/system/multi-user.target.wants/a", "../a"}:                                         `unit "a" has no type that systemd knows; end its name with .service, .timer, .socket or another type`,
		{"/usr/lib/systemd/system/default.target.wants/bind-.x@home-pi.service", "../bind-.x@.service"}:   "",
		{"/etc/systemd/system/mosquitto.service", "/dev/null"}:                                            "",
	} {
		_, err := load(map[string]string{"pi.yml": base + fmt.Sprintf("layers:\n  - files: [{target: %q, link: %q}]\n", link[0], link[1])}, nil)
		if want == "" {
			require.NoError(t, err, link[0])
			continue
		}
		require.ErrorContains(t, err, "layers[0].files[0].link: "+want)
	}
}

// TestNetworkManagerMode: NetworkManager ignores connections that others than root can read.
func TestNetworkManagerMode(t *testing.T) {
	const target = "/etc/NetworkManager/system-connections/field.nmconnection"
	for mode, fits := range map[string]bool{"": false, `, mode: "0600"`: true, `, mode: "0644"`: false} {
		_, err := load(map[string]string{"pi.yml": base + "layers:\n  - files: [{target: " + target + ", content: \"[wifi]\\nssid=field\\n\"" + mode + "}]\n"}, nil)
		if fits {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, `pi.yml:4:13: layers[0].files[0]: NetworkManager ignores connections that others can read; add mode: "0600"`)
	}
}
