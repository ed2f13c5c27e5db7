package recipes

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // time zones that the build machine may lack
	"unicode/utf8"
)

// contentCheck checks the content of files at certain paths of the image.
type contentCheck struct {
	path  *regexp.Regexp
	check func(target, content string) error
}

var contentChecks = []contentCheck{
	{regexp.MustCompile(`^/etc/hostname$`), func(_, s string) error { return checkHostname(strings.TrimSpace(withoutComments(s))) }},
	{regexp.MustCompile(`^/etc/timezone$`), func(_, s string) error { return checkTimeZone(strings.TrimSpace(s)) }},
	{regexp.MustCompile(`^/etc/wpa_supplicant/[^/]+\.conf$`), func(_, s string) error { return checkWiFi(s, true) }},
	{connectionFiles, func(_, s string) error { return checkWiFi(s, false) }},
	{regexp.MustCompile(`/\.ssh/authorized_keys2?$`), func(_, s string) error { return checkKeyFile(s) }},
	{regexp.MustCompile(`^/etc/ssh/sshd_config(\.d/[^/]+\.conf)?$`), func(_, s string) error { return checkPorts(s, sshPort) }},
	{unitFiles, checkUnit},
}

var (
	connectionFiles = regexp.MustCompile(`^/(etc|usr/lib)/NetworkManager/system-connections/[^/]+$`)
	unitFiles       = regexp.MustCompile(`^/(etc|usr/lib|usr/local/lib|lib)/systemd/(system|user)/([^/]+|[^/]+\.d/[^/]+\.conf)$`)
	unitLinks       = regexp.MustCompile(`^/(etc|usr/lib|usr/local/lib|lib)/systemd/(system|user)/[^/]+\.(wants|requires)/[^/]+$`)
	sshPort         = regexp.MustCompile(`(?im)^[ \t]*Port[ \t]+(\S+)`)
	listenPort      = regexp.MustCompile(`(?m)^Listen(?:Stream|Datagram|SequentialPacket)=(?:\S*:)?(\d+)\s*$`)
)

// checkContent reports files at known paths whose content their programs would refuse.
func (d *decoder) checkContent(f *File) {
	report := func(value any, err error) {
		if n := d.from[value]; n != nil && err != nil {
			d.problems.add(n.position, "%s", err)
		}
	}
	target := path.Clean(f.Target)
	switch {
	case f.Link != "":
		report(&f.Link, checkLink(target, f.Link))
		return
	case d.from[&f.Content] != nil && IsPrivateKey([]byte(f.Content)):
		report(&f.Content, fmt.Errorf("private key would be readable in the image's file; write it in a run layer, from a secret"))
		return
	}
	if connectionFiles.MatchString(target) && (f.Content != "" || f.Source != "") && f.Mode != "0600" && f.Mode != "600" {
		report(f, fmt.Errorf(`NetworkManager ignores connections that others can read; add mode: "0600"`))
	}
	if d.from[&f.Content] == nil {
		return
	}
	for _, c := range contentChecks {
		if c.path.MatchString(target) {
			report(&f.Content, c.check(target, f.Content))
		}
	}
}

// IsPrivateKey reports whether data contains the first line of a private key in PEM or OpenPGP armor.
func IsPrivateKey(data []byte) bool { return privateKey.Match(data) }

var privateKey = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----`)

// withoutComments removes lines that begin with #.
func withoutComments(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

var hostnamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// checkHostname checks a host name by RFC 1123, and by the limits of Linux.
func checkHostname(s string) error {
	for _, label := range strings.Split(s, ".") {
		if len(label) > 63 {
			return fmt.Errorf("host name %s has a part of more than 63 characters; shorten it", quote(s))
		}
	}
	switch {
	case len(s) > 64:
		return fmt.Errorf("host name %s is longer than 64 characters; shorten it", quote(s))
	case !hostnamePattern.MatchString(s):
		return fmt.Errorf("host name %s is invalid; write letters, digits and inner dashes, such as buoy-7", quote(s))
	}
	return nil
}

// checkTimeZone checks the name of a time zone.
func checkTimeZone(s string) error {
	if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
		return fmt.Errorf("time zone %s is unknown; write one such as Europe/Berlin", quote(s))
	}
	return nil
}

// checkLink checks symlinks whose target is the setting.
func checkLink(target, link string) error {
	if target == "/etc/localtime" {
		_, zone, found := strings.Cut(link, "/usr/share/zoneinfo/")
		if !found {
			_, zone, found = strings.Cut(link, "../usr/share/zoneinfo/")
		}
		if !found {
			return fmt.Errorf("time zone %s is not a link into /usr/share/zoneinfo; write one such as /usr/share/zoneinfo/Europe/Berlin", quote(link))
		}
		return checkTimeZone(zone)
	}
	if unitLinks.MatchString(target) {
		name, of := path.Base(target), path.Base(link)
		template := regexp.MustCompile(`@[^@]*\.`).ReplaceAllString(name, "@.")
		if err := checkUnitName(name); err != nil {
			return err
		}
		if of != name && of != template && of != "null" {
			return fmt.Errorf("unit %s is enabled by a link to %s; link to the unit of that name", quote(name), quote(of))
		}
	}
	return nil
}

var (
	wifiName       = regexp.MustCompile(`(?m)^[ \t]*ssid=(.*?)[ \t]*$`)
	wifiPassphrase = regexp.MustCompile(`(?m)^[ \t]*psk=(.*?)[ \t]*$`)
	hexadecimal    = regexp.MustCompile(`^[0-9A-Fa-f]+$`)
	byteList       = regexp.MustCompile(`^([0-9]{1,3};)+$`)
)

// checkWiFi checks the names and passphrases of Wi-Fi networks, in quotes as wpa_supplicant has them or without.
func checkWiFi(s string, quoted bool) error {
	for _, m := range wifiName.FindAllStringSubmatch(s, -1) {
		name, isText := m[1], !quoted
		if quoted && len(name) >= 2 && strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`) {
			name, isText = name[1:len(name)-1], true
		}
		switch {
		case !isText && (!hexadecimal.MatchString(name) || len(name)%2 != 0):
			return fmt.Errorf(`Wi-Fi name %s has no quotes; write ssid="%s"`, quote(name), strings.Trim(name, `"`))
		case isText && !byteList.MatchString(name) && (name == "" || len(name) > 32):
			return fmt.Errorf("Wi-Fi name %s has %d bytes; a name has 1 to 32", quote(name), len(name))
		}
	}
	for _, m := range wifiPassphrase.FindAllStringSubmatch(s, -1) {
		key, isText := m[1], !quoted
		if quoted && len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
			key, isText = key[1:len(key)-1], true
		}
		isKey := len(key) == 64 && hexadecimal.MatchString(key)
		if !isKey && (!isText || len(key) < 8 || len(key) > 63) {
			return fmt.Errorf("Wi-Fi passphrase has %d characters; a passphrase has 8 to 63, in quotes for wpa_supplicant, a key 64 hexadecimal digits", utf8.RuneCountInString(key))
		}
	}
	return nil
}

// checkPorts checks the port numbers that a pattern finds.
func checkPorts(s string, pattern *regexp.Regexp) error {
	for _, m := range pattern.FindAllStringSubmatch(s, -1) {
		if err := checkPort(m[1]); err != nil {
			return err
		}
	}
	return nil
}
